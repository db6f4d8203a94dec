/** Services of HTTP/1.1 that sidecars speak HTTP/2 about with each other, so that gRPC is not the only one to share connections. */
import { once } from 'node:events';
import http2 from 'node:http2';
import { beforeEach, describe, expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { destinationRule, kubernetesService } from '../simulation/yaml.ts';
import { Backend } from '../support/backend.ts';
import { closeAfterTest } from '../support/closing.ts';
import { AccessLogFile } from '../support/grpc/access-log-file.ts';
import { addWorkload, startGrpcMesh, untilEndpoints } from '../support/grpc/grpc-mesh.ts';
import { call } from '../support/http-call.ts';
import { eventually } from '../support/mesh.ts';
import { requirePeers } from '../support/peers.ts';
import { besideEachSidecar, type LiveMesh, type Sidecar } from './live-mesh.ts';

const cluster = 'outbound|80||reviews.default.svc.cluster.local';
const rule = (http: string): string =>
  destinationRule('reviews', `trafficPolicy: { connectionPool: { http: { ${http} } } }`);

interface Started {
  readonly mesh: LiveMesh;
  readonly application: Backend;
  /** What was spoken with the client's sidecar, between both, and with the application. */
  readonly spoken: () => Promise<string>;
}

/** `reviews` on a port of HTTP, beside a sidecar; its application says in which version it was asked. */
async function start(kind: Sidecar, yaml: string): Promise<Started> {
  const log = new AccessLogFile();
  const application = closeAfterTest(
    await Backend.start('reviews', ({ httpVersion }, response) => void response.end(`HTTP/${httpVersion}`)),
  );
  const meshConfig = {
    accessLogFile: log.path,
    accessLogFormat: '%UPSTREAM_CLUSTER_RAW% %PROTOCOL% %UPSTREAM_PROTOCOL%\n',
  };
  const service = kubernetesService('reviews', '[{ name: http, port: 80 }]');
  const started = await startGrpcMesh({ yaml: service + yaml, pilot: { meshConfig } });
  await addWorkload(started, kind, { service: 'reviews', version: 'v1', appPort: application.port });
  await untilEndpoints(started.mesh, 1, cluster);
  const spoken = (): Promise<string> =>
    eventually(async () => {
      const lines = (await log.lines()).map((line) => line.split(' '));
      const [client, toSidecar] = protocolsOf('outbound', lines);
      const [fromSidecar, toApplication] = protocolsOf('inbound', lines);
      expect(fromSidecar).toBe(toSidecar);
      return toSidecar && [client, toSidecar, toApplication].join(' > ');
    });
  return { mesh: started.mesh, application, spoken };
}

/** Of the first request that went in this direction. */
function protocolsOf(direction: string, lines: readonly string[][]): readonly string[] {
  return lines.find(([name = '']) => name.startsWith(direction))?.slice(1) ?? [];
}

/** One request in HTTP/2 with prior knowledge. */
async function callInHttp2(port: number): Promise<string> {
  const session = http2.connect(`http://127.0.0.1:${port}`);
  try {
    const stream = session.request({ ':method': 'GET', ':path': '/', ':authority': 'reviews' });
    let body = '';
    stream.on('data', (bytes: Buffer) => (body += bytes.toString()));
    await once(stream, 'end');
    return body;
  } finally {
    session.close();
  }
}

besideEachSidecar((sidecar) => {
  describe.each(['heddle', 'envoy'] as const)('to an application beside %s:', (kind) => {
    beforeEach((context) => {
      if (kind === 'envoy') requirePeers(context, 'envoy');
    });

    test('without a rule the sidecars speak what the port declares', async () => {
      const { mesh, spoken } = await start(kind, '');
      expect((await call(mesh.outboundPort, { host: 'reviews' })).body).toBe('HTTP/1.1');
      expect(await spoken()).toBe('HTTP/1.1 > HTTP/1.1 > HTTP/1.1');
    });

    test('a client of HTTP/2 is served in HTTP/2 all the same', async () => {
      const { mesh, spoken } = await start(kind, '');
      expect(await callInHttp2(mesh.outboundPort)).toBe('HTTP/1.1');
      expect(await spoken()).toBe('HTTP/2 > HTTP/1.1 > HTTP/1.1');
    });

    test('h2UpgradePolicy: UPGRADE has the sidecars speak HTTP/2, of which neither application hears', async () => {
      const { mesh, application, spoken } = await start(kind, rule('h2UpgradePolicy: UPGRADE'));
      const answers = await Promise.all(Array.from({ length: 20 }, () => call(mesh.outboundPort, { host: 'reviews' })));
      expect(new Set(answers.map(({ status, body }) => `${status} ${body}`))).toEqual(new Set(['200 HTTP/1.1']));
      expect(await spoken()).toBe('HTTP/1.1 > HTTP/2 > HTTP/1.1');
      expect(application.requests).toBe(20);
      expect(await mesh.stat(`cluster.${cluster}.upstream_cx_total`)).toBe(1);
    });

    test('useClientProtocol: true has them speak what the client spoke, each time', async () => {
      for (const [ask, expected] of [
        [async (port: number) => (await call(port, { host: 'reviews' })).body, 'HTTP/1.1 > HTTP/1.1 > HTTP/1.1'],
        [callInHttp2, 'HTTP/2 > HTTP/2 > HTTP/1.1'],
      ] as const) {
        const { mesh, spoken } = await start(kind, rule('useClientProtocol: true'));
        expect(await ask(mesh.outboundPort)).toBe('HTTP/1.1');
        expect(await spoken()).toBe(expected);
      }
    });

    // An Envoy asks for a WebSocket in HTTP/2 too (RFC 8441), which sidecars take from nobody, in Istio neither (istio #27078).
    if (sidecar === 'envoy') return;

    test('a WebSocket gets through where the sidecars speak HTTP/2 otherwise', async () => {
      const { mesh, application } = await start(kind, rule('h2UpgradePolicy: UPGRADE'));
      const server = closeAfterTest(new WebSocketServer({ server: application.server }));
      server.on('connection', (socket) =>
        socket.on('message', (data: Buffer) => socket.send(`heard ${data.toString()}`)),
      );
      expect((await call(mesh.outboundPort, { host: 'reviews' })).status).toBe(200);
      const socket = closeAfterTest(
        new WebSocket(`ws://127.0.0.1:${mesh.outboundPort}/chat`, { headers: { host: 'reviews' } }),
      );
      await once(socket, 'open');
      socket.send('hello');
      const [answer] = (await once(socket, 'message')) as [Buffer];
      expect(answer.toString()).toBe('heard hello');
    });
  });
});
