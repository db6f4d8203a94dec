import { once } from 'node:events';
import net from 'node:net';
import { expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { MixerServer } from '../../mixer/server.ts';
import { silentLogger } from '../../proxy/common/log.ts';
import { destinationRule, reviewsSubsets, reviewsV1AndV2, virtualService } from '../simulation/yaml.ts';
import { echo, type Responder } from '../support/backend.ts';
import { closeAfterTest } from '../support/closing.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { eventually, fetchText } from '../support/mesh.ts';
import { parsePrometheusText } from '../support/prometheus-text.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { until } from '../support/turns.ts';
import { besideEachSidecar, type Instance, LiveMesh } from './live-mesh.ts';

const reviewsCluster = 'cluster.outbound|80||reviews.default.svc.cluster.local';
const toReviews = 'route: [{ destination: { host: reviews } }]';

/** Takes the request and cuts the connection instead of answering. */
const breaksOff: Instance = { service: 'reviews', version: 'broken', respond: ({ socket }) => void socket.destroy() };

test('B1: a request that may have reached an application is repeated only when that changes nothing', async () => {
  const yaml = virtualService('reviews', `[{ retries: { attempts: 2, retryOn: reset-before-request }, ${toReviews} }]`);
  const mesh = await LiveMesh.start({ instances: [breaksOff], yaml });
  expect(await mesh.call({ method: 'POST', body: 'pay' })).toMatchObject({ status: 503, flag: 'UC' });
  expect(mesh.backends[0]?.requests).toBe(1);
});

test('B2: retries never become the load: beyond the budget they are not made, and the flag says so', async () => {
  const yaml = virtualService('reviews', `[{ retries: { attempts: 5, retryOn: 5xx }, ${toReviews} }]`);
  const fails: Instance = {
    service: 'reviews',
    respond: (_, response) => void setTimeout(() => response.writeHead(500).end(), 20),
  };
  const mesh = await LiveMesh.start({ instances: [fails], yaml });
  const answers = await Promise.all(Array.from({ length: 100 }, () => mesh.call({})));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([500]));
  // Without a budget there would be 600.
  expect(mesh.backends[0]?.requests).toBeLessThan(220);
  expect(await mesh.stat(`${reviewsCluster}.upstream_rq_retry_overflow`)).toBeGreaterThan(0);
});

test('B4: a second VirtualService for a host is reported by name when it is applied', async () => {
  const rules = (name: string): string => virtualService('reviews', `[{ ${toReviews} }]`, { name });
  const mesh = await LiveMesh.start({ instances: [{ service: 'reviews' }], yaml: rules('first') });
  const warnings = await mesh.apply(rules('second'));
  expect(warnings.join('\n')).toMatch(/reviews.*first|first.*reviews/s);
});

test('B5: with a sticky split a user stays with a version, and raising a weight moves users one way only', async () => {
  const split = (v2: number): string =>
    virtualService(
      'reviews',
      `[{ route: [{ destination: { host: reviews, subset: v1 }, weight: ${100 - v2} }, { destination: { host: reviews, subset: v2 }, weight: ${v2} }] }]`,
    ).replace('namespace: default }', 'namespace: default, annotations: { heddle.dev/sticky: "header:x-user" } }');
  const mesh = await LiveMesh.start({ instances: reviewsV1AndV2, yaml: reviewsSubsets + split(10) });
  const users = Array.from({ length: 60 }, (_, i) => `user-${i}`);
  const versions = async (): Promise<(string | undefined)[]> => {
    const landed: (string | undefined)[] = [];
    for (const user of users) landed.push((await mesh.call({ headers: { 'x-user': user } })).landed);
    return landed;
  };
  const before = await versions();
  expect(await versions()).toEqual(before);
  await mesh.apply(split(60));
  const after = await versions();
  expect(users.filter((_, i) => before[i] === 'reviews-v2' && after[i] !== 'reviews-v2')).toEqual([]);
  expect(after.filter((version) => version === 'reviews-v2').length).toBeGreaterThan(
    before.filter((version) => version === 'reviews-v2').length,
  );
});

test('B6: a connection that the server closes between two requests never becomes a 503', async () => {
  let requests = 0;
  // Says that the connection stays open, and closes it.
  const server = net.createServer((socket) => {
    socket.on('error', () => {});
    socket.on('data', () => {
      requests += 1;
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      setTimeout(() => socket.destroy(), Math.random() * 3);
    });
  });
  closeAfterTest(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const entry = `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: flaky, namespace: default }
spec:
  hosts: [flaky.example]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  endpoints: [{ address: 127.0.0.1, ports: { http: ${port} } }]
`;
  const mesh = await LiveMesh.start({ instances: [{ service: 'reviews' }], yaml: entry });
  for (let i = 0; i < 300; i++) expect((await mesh.call({ host: 'flaky.example' })).status).toBe(200);
  expect(requests).toBeGreaterThanOrEqual(300);
});

test('B11: after its ejection an instance gets one request, and what becomes of that decides on the others', async () => {
  const clock = new ManualClock();
  const held: ((isWell: boolean) => void)[] = [];
  const sick: Instance = {
    service: 'reviews',
    version: 'sick',
    respond: (request, response, backend) => {
      const answer = (isWell: boolean): void =>
        isWell ? echo(request, response, backend) : void response.writeHead(500).end();
      if (request.headers['x-held'] === undefined) answer(held.length > 0);
      else held.push(answer);
    },
  };
  const detection =
    'outlierDetection: { consecutive5xxErrors: 2, interval: 1s, baseEjectionTime: 10s, maxEjectionPercent: 50 }';
  const yaml = destinationRule('reviews', `trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN }, ${detection} }`);
  const instances = [{ service: 'reviews', version: 'well' }, sick];
  const mesh = await LiveMesh.start({ instances, yaml, client: { clock } });
  const onlyWell = { 'reviews-well': 10 };

  expect(await mesh.share(4)).toEqual({ 'reviews-well': 2, '500': 2 });
  expect(await mesh.share(10), 'ejected').toEqual(onlyWell);

  const details = { headers: { 'x-held': 'yes' } };
  clock.advance(11_000);
  const answers = Promise.all([mesh.call(details), mesh.call(details)]);
  await until(() => held.length === 1);
  expect(await mesh.share(10, details), 'nobody knows yet').toEqual(onlyWell);
  held[0]?.(false);
  expect(new Set((await answers).map(({ status }) => status))).toEqual(new Set([200, 500]));
  expect(await mesh.share(10), 'ejected again').toEqual(onlyWell);
  clock.advance(11_000);
  expect(await mesh.share(10), 'for longer').toEqual(onlyWell);

  clock.advance(10_000);
  expect(await mesh.share(10), 'well').toEqual({ 'reviews-well': 5, 'reviews-sick': 5 });
});

test('B12: an unknown field is an error with its path and what was probably meant', async () => {
  const mesh = await LiveMesh.start({ instances: [{ service: 'reviews' }] });
  const refusal = await mesh.refusalOf(virtualService('reviews', `[{ tiemout: 1s, ${toReviews} }]`));
  expect(refusal.status).toBe(422);
  expect(refusal.message).toMatch(/spec\.http\[0\]\.tiemout: unknown field.*timeout/);
});

test('B13: every answer of the sidecar itself says why, in a header', async () => {
  const rules = `
  - match: [{ uri: { prefix: /nowhere } }]
    route: [{ destination: { host: nowhere } }]
  - match: [{ uri: { prefix: /slow } }]
    timeout: 30ms
    route: [{ destination: { host: slow } }]
  - match: [{ uri: { prefix: /dead } }]
    retries: { attempts: 0 }
    route: [{ destination: { host: dead } }]
  - match: [{ uri: { prefix: /fault } }]
    fault: { abort: { httpStatus: 418, percentage: { value: 100 } } }
    ${toReviews}
  - match: [{ uri: { prefix: /empty } }]
    route: [{ destination: { host: reviews, subset: empty } }]`;
  const yaml =
    virtualService('reviews', rules) +
    destinationRule('reviews', 'subsets: [{ name: empty, labels: { version: none } }]');
  const instances: Instance[] = [
    { service: 'reviews' },
    { service: 'slow', respond: () => {} },
    { service: 'dead', respond: 'refuses' },
  ];
  const mesh = await LiveMesh.start({ instances, yaml });
  const reasons: Record<string, string> = {};
  for (const path of ['/nowhere', '/slow', '/dead', '/fault', '/empty', '/none']) {
    const host = path === '/none' ? 'unknown' : 'reviews';
    const { headers, status } = await mesh.call({ path, host });
    reasons[path] = `${status} ${String(headers['x-heddle-reason'])}`;
  }
  expect(reasons).toEqual({
    '/nowhere': expect.stringMatching(/^503 NC .*nowhere/),
    '/slow': expect.stringMatching(/^504 UT .*30 ms/),
    '/dead': expect.stringMatching(/^503 UF .+/),
    '/fault': expect.stringMatching(/^418 FI .+/),
    '/empty': expect.stringMatching(/^503 UH .*empty/),
    '/none': expect.stringMatching(/^404 NR .+/),
  });
});

test('B14: a RateLimit lets so many requests through and answers the rest with 429 RL and what is left', async () => {
  const limit = `
---
apiVersion: networking.heddle.dev/v1alpha1
kind: RateLimit
metadata: { name: reviews, namespace: default }
spec: { host: reviews, requests: 3, interval: 60s }
`;
  const mesh = await LiveMesh.start({ instances: [{ service: 'reviews' }], yaml: limit });
  expect(await mesh.share(5)).toEqual({ 'reviews-v1': 3, RL: 2 });
  const refused = await mesh.call({});
  expect(refused).toMatchObject({ status: 429, headers: { 'x-ratelimit-limit': '3', 'x-ratelimit-remaining': '0' } });
  await mesh.apply(limit.replace('interval: 60s', 'interval: 60s, mode: SHADOW'));
  expect(await mesh.share(5)).toEqual({ 'reviews-v1': 5 });
});

test('B15: a series that nothing counts in any more leaves, and beyond 2,000 of a metric the rest share one', async () => {
  const clock = new ManualClock();
  const services = ['reviews', 'ratings', 'details'];
  const respond: Responder = ({ url = '' }, response) => void response.writeHead(Number(url.slice(1))).end();
  // A 503 is repeated otherwise.
  const http = (host: string): string => `[{ route: [{ destination: { host: ${host} } }], retries: { attempts: 0 } }]`;
  const yaml = services.map((host) => virtualService(host, http(host), { name: host })).join('');
  const instances = services.map((service) => ({ service, respond }));
  const mixer = closeAfterTest(new MixerServer({ grpcPort: 0, metricsPort: 0, logger: silentLogger, clock }));
  await mixer.start();
  const pilot = { mixerAddress: { address: '127.0.0.1', port: mixer.grpcPort } };
  const mesh = await LiveMesh.start({ instances, yaml, client: { clock }, pilot });
  const callFor = async (host: string, ...codes: readonly number[]): Promise<void> => {
    const connection = closeAfterTest(await RawConnection.open(mesh.outboundPort));
    for (const code of codes) {
      connection.send(`GET /${code} HTTP/1.1\r\nhost: ${host}\r\n\r\n`);
      expect((await connection.readResponse()).status).toBe(code);
    }
  };
  /** Requests by host and code, as a sidecar or the mixer tells Prometheus. */
  const counts = async (url: string): Promise<Record<string, number>> => {
    // Of 2,000 series the histograms have 200,000 lines.
    const lines = (await fetchText(url)).split('\n').filter((line) => /^(# TYPE )?istio_requests_total\b/.test(line));
    const samples = parsePrometheusText(`${lines.join('\n')}\n`).get('istio_requests_total')?.samples ?? [];
    return Object.fromEntries(
      samples.map(({ labels, value }) => [`${labels['destination_service_name']} ${labels['response_code']}`, value]),
    );
  };
  const pages = [`${mesh.adminUrl}/stats/prometheus`, `http://127.0.0.1:${mixer.metricsPort}/metrics`];
  const seriesLeft = async (): Promise<string[]> => (await Promise.all(pages.map(counts))).flatMap(Object.keys);

  await callFor('reviews', 200, 404);
  let minutes = 0;
  await eventually(async () => {
    clock.advance(60_000);
    minutes += 1;
    await callFor('reviews', 200);
    return (await seriesLeft()).join() === 'reviews 200,reviews 200' ? true : undefined;
  });
  expect(minutes).toBeGreaterThanOrEqual(15);
  const codes = Array.from({ length: 700 }, (_, i) => 200 + i);
  for (const host of services) await callFor(host, ...codes);
  const [many = {}] = await Promise.all(pages.map(counts));
  expect(Object.keys(many)).toHaveLength(2_001);
  expect(many['overflow overflow']).toBe(100);
});

test('B3: subsets and the routes to them, applied together and taken away together, never cost a request', async () => {
  const mesh = await LiveMesh.start({ instances: reviewsV1AndV2 });
  const stopped = new AbortController();
  const statuses: number[] = [];
  const talk = async (): Promise<void> => {
    while (!stopped.signal.aborted) statuses.push((await mesh.call({})).status);
  };
  const talking = Promise.all([talk(), talk()]);
  for (let i = 0; i < 12; i++) {
    const subset = `round-${i}`;
    const version = i % 2 === 0 ? 'v1' : 'v2';
    // The route of the round before and its subset go at the same time as the next ones come.
    await mesh.apply(
      virtualService('reviews', `[{ route: [{ destination: { host: reviews, subset: ${subset} } }] }]`) +
        destinationRule('reviews', `subsets: [{ name: ${subset}, labels: { version: ${version} } }]`),
    );
    expect((await mesh.call({})).landed).toBe(`reviews-${version}`);
  }
  stopped.abort();
  await talking;
  expect(statuses.length).toBeGreaterThan(50);
  expect(statuses.filter((status) => status !== 200)).toEqual([]);
});

besideEachSidecar(() => {
  test('B7: a WebSocket goes through the sidecar and outlives every rule that is pushed', async () => {
    const mesh = await LiveMesh.start({ instances: reviewsV1AndV2, yaml: reviewsSubsets });
    for (const { server, name } of mesh.backends) {
      const sockets = closeAfterTest(new WebSocketServer({ server }));
      sockets.on('connection', (socket) =>
        socket.on('message', (data: Buffer) => socket.send(`${name} ${data.toString()}`)),
      );
    }
    const to = (subset: string, rest = ''): string =>
      virtualService('reviews', `[{ ${rest}route: [{ destination: { host: reviews, subset: ${subset} } }] }]`);
    await mesh.apply(to('v1', 'timeout: 1s, '));
    const socket = closeAfterTest(
      new WebSocket(`ws://127.0.0.1:${mesh.outboundPort}/chat`, { headers: { host: 'reviews' } }),
    );
    const messages: string[] = [];
    const ends: unknown[] = [];
    socket.on('message', (data: Buffer) => messages.push(data.toString()));
    socket.on('close', (code) => ends.push(code));
    socket.on('error', (error) => ends.push(error));
    await once(socket, 'open');
    for (let i = 0; i < 6; i++) {
      await mesh.apply(to('v2', `timeout: ${i + 1}s, `) + destinationRule('reviews', withoutV1, { name: 'rule' }));
      await mesh.apply(to('v2') + reviewsSubsets);
      socket.send(String(i));
      await until(() => messages.length === i + 1);
    }
    // Longer than the timeout of the route that it came by.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    socket.send('after');
    await until(() => messages.at(-1) === 'reviews-v1 after');
    expect((await mesh.call({})).landed).toBe('reviews-v2');
    expect(ends).toEqual([]);
  });
});

const withoutV1 = 'subsets: [{ name: v2, labels: { version: v2 } }]';
