/**
 * One pilot, two proxies: ours and a real Envoy. Whatever rules it is given, both do the same with the same requests, and
 * backends and clients see no difference. More of it with HEDDLE_DIFFERENTIAL_ROUNDS, other seeds with HEDDLE_DIFFERENTIAL_SEED.
 */
import { STATUS_CODES } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { describe, expect, test } from 'vitest';
import { type Echo, echo, type Responder } from '../../support/backend.ts';
import { type Answer, call, type Call } from '../../support/http-call.ts';
import { requirePeers } from '../../support/peers.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { unusedPorts } from '../../support/unused-port.ts';
import { reviewsSubsets } from '../../simulation/yaml.ts';
import { LiveMesh } from '../live-mesh.ts';
import { Draw } from './draw.ts';
import { randomRequest } from './random-requests.ts';
import { randomVirtualService } from './random-rules.ts';

const rounds = Number(process.env['HEDDLE_DIFFERENTIAL_ROUNDS'] ?? 60);
const seed = Number(process.env['HEDDLE_DIFFERENTIAL_SEED'] ?? 1);
const requestsPerRound = 25;

/** What differs from request to request, or is about the proxy itself. */
const volatileHeaders = new Set([
  'date',
  'server',
  'connection',
  'keep-alive',
  // Of a response without a body, which has either.
  'content-length',
  'transfer-encoding',
  'x-request-id',
  'x-heddle-reason',
  'x-envoy-upstream-service-time',
  'x-envoy-peer-metadata',
  'x-envoy-peer-metadata-id',
]);

/** Answers what the request wishes. */
const respond: Responder = (request, response, backend) => {
  const wish = request.headers['x-answer'];
  if (typeof wish === 'string') response.statusCode = Number(wish);
  response.setHeader('x-backend', backend.name);
  response.setHeader('set-cookie', ['a=1', 'b=2']);
  response.setHeader('x-b', ['from', 'backend']);
  echo(request, response, backend);
};

function lasting(headers: Answer['headers']): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(headers)
      .filter(([name]) => !volatileHeaders.has(name))
      // What has gone by is taken off.
      .map(([name, value]) => [name, name === 'x-envoy-expected-rq-timeout-ms' ? 'some' : value]),
  );
}

/** What a client sees, and what the backend told it. Of what a proxy answers itself the wording is its own. */
function seen({ status, headers, body }: Answer, isWorded: boolean): Record<string, unknown> {
  const { 'content-type': type, ...others } = lasting(headers);
  if (isWorded) return { status, headers: others };
  if (!body.startsWith('{"name"')) return { status, headers: { ...others, 'content-type': type }, body };
  const echoed = JSON.parse(body) as Echo;
  return { status, headers: others, echo: { ...echoed, headers: lasting(echoed.headers) } };
}

/** Also an answer that is none. */
const ask = (port: number, request: Call): Promise<Answer> =>
  call(port, request).catch((error: unknown) => ({ status: 0, headers: {}, body: String(error) }));

/** What both say, ours first. */
type Ask = (request: Call) => Promise<[unknown, unknown]>;

/** Asks the two proxies that listen on `ports`, ours first. */
function askBoth(ports: readonly [number, number]): Ask {
  return async (request) => {
    for (let tries = 1; ; tries += 1) {
      const [ours, envoys] = await Promise.all([ask(ports[0], request), ask(ports[1], request)]);
      // At the edge nobody is told why. Of a HEAD no body is left by which to know.
      const isPlain = ours.body === STATUS_CODES[ours.status] || request.method === 'HEAD';
      const isWorded = ours.headers['x-heddle-reason'] !== undefined || isPlain;
      const answers: [unknown, unknown] = [seen(ours, isWorded), seen(envoys, isWorded)];
      if (tries === 3 || isDeepStrictEqual(...answers)) return answers;
      // Envoy's workers hear of new rules a little later than pilot hears that it has them.
      await sleep(50);
    }
  };
}

function startMesh(yaml = ''): Promise<LiveMesh> {
  const instances = ['v1', 'v2'].map((version) => ({ service: 'reviews', version, respond }));
  return LiveMesh.start({
    instances: [...instances, { service: 'ratings', respond }],
    yaml: reviewsSubsets + yaml,
    // Otherwise names that no service has are asked of the machine's resolver.
    pilot: { meshConfig: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } } },
  });
}

const places = {
  sidecar: async (): Promise<{ mesh: LiveMesh; both: Ask }> => {
    const mesh = await startMesh();
    return { mesh, both: askBoth([mesh.outboundPort, await mesh.addSidecar('envoy')]) };
  },
  gateway: async (): Promise<{ mesh: LiveMesh; both: Ask }> => {
    // An offset is not negative.
    const [port = 0, other = 0] = (await unusedPorts(2)).sort((a, b) => a - b);
    const mesh = await startMesh(`
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: edge, namespace: default }
spec: { selector: { istio: edge }, servers: [{ port: { number: ${port}, name: http, protocol: HTTP }, hosts: ["*"] }] }
`);
    await mesh.addGateway('heddle', 0);
    await mesh.addGateway('envoy', other - port);
    return { mesh, both: askBoth([port, other]) };
  },
};

describe(`rules at random (seed ${seed}) mean the same to Envoy`, () => {
  test.for(['sidecar', 'gateway'] as const)('in a %s', { timeout: 60_000 + rounds * 2_000 }, async (place, context) => {
    requirePeers(context, 'envoy');
    const { mesh, both } = await places[place]();
    const draw = new Draw(seededRandom(seed));
    const differences: string[] = [];
    for (let round = 0; round < rounds; round += 1) {
      const rules = randomVirtualService(draw, place);
      const requests = draw.list(requestsPerRound, requestsPerRound, () => randomRequest(draw, place));
      await mesh.apply(JSON.stringify(rules));
      for (const request of requests) {
        const answers = await both(request);
        if (isDeepStrictEqual(...answers)) continue;
        const parts = [`round ${round}`, request, ...answers, rules];
        differences.push(parts.map((part) => JSON.stringify(part)).join('\n'));
      }
    }
    expect(differences.slice(0, 5).join('\n\n')).toBe('');
  });
});
