import net, { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import tls from 'node:tls';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Cluster, Listener, TransportSocket } from '../../../proxy/api/envoy.gen.ts';
import { typeUrlOf } from '../../../proxy/api/discovery.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { startEnvoy } from '../../support/envoy.ts';
import {
  bootstrapText,
  httpListener,
  routeConfiguration,
  routeTo,
  staticCluster,
  tcpListener,
} from '../../support/envoy-json.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { requirePeers } from '../../support/peers.ts';
import { Authority, temporaryFolder } from '../../support/pki.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { headerLines, proxyProtocolSocket, readBehindHeaders, startHaproxy } from '../../support/proxy-protocol.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/turns.ts';
import { unusedPort } from '../../support/unused-port.ts';
import { head } from '../http1/request-case.ts';

let authority: Authority;
beforeAll(() => {
  authority = new Authority();
});
afterAll(() => authority.close());

const get = head('GET / HTTP/1.1', 'Host: a');

async function startBackend(): Promise<RawBackend> {
  const backend = closeAfterTest(new RawBackend());
  await backend.start();
  readBehindHeaders(backend);
  return backend;
}

interface Rig {
  readonly proxy: ProxyParts;
  readonly clock: ManualClock;
}

/** Requests and connections go to the cluster `backend` on `port`. */
async function startProxy(port: number, cluster: Cluster, routes = routeConfiguration([routeTo('backend')])) {
  const clock = new ManualClock();
  const listeners: Listener[] = [
    httpListener({ name: 'http', routes: routeConfiguration([]) }),
    tcpListener({ name: 'tcp', proxy: { cluster: 'backend' } }),
  ];
  const clusters = [staticCluster('backend', [port], cluster)];
  const proxy = await closeAfterTest(new ProxyParts({ clusters, listeners, routes, clock })).start();
  return { proxy, clock } satisfies Rig;
}

const connect = async (port: number): Promise<RawClient> => closeAfterTest(await RawClient.connect(port));

/** What is said on behalf of this client. */
const lineOf = ({ socket }: RawClient): string =>
  `PROXY TCP4 127.0.0.1 127.0.0.1 ${socket.localPort} ${socket.remotePort}`;

function tlsSocket(): TransportSocket {
  const type = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
  const validation_context = { trusted_ca: { inline_string: authority.cert } };
  const typed_config = { '@type': typeUrlOf(type), common_tls_context: { validation_context } };
  return { name: 'envoy.transport_sockets.tls', typed_config };
}

describe('requests to a cluster with the PROXY protocol', () => {
  test('go on connections that name their client, which nobody else ever gets', async () => {
    const backend = await startBackend();
    const { proxy } = await startProxy(backend.port, proxyProtocolSocket('V1'));
    await expectConnectionsOfTheirOwn(proxy.port('http'), backend);
  });

  test('go the same way through Envoy', async (context) => {
    requirePeers(context, 'envoy');
    const backend = await startBackend();
    const [port, adminPort] = [await unusedPort(), await unusedPort()];
    const listener = httpListener({ port, routes: routeConfiguration([routeTo('backend')]) });
    const clusters = [staticCluster('backend', [backend.port], proxyProtocolSocket('V1'))];
    const admin = { address: { socket_address: { address: '127.0.0.1', port_value: adminPort } } };
    const bootstrap = { ...(JSON.parse(bootstrapText([listener], clusters)) as object), admin };
    await startEnvoy(join(temporaryFolder(), 'envoy.json'), JSON.stringify(bootstrap), adminPort);
    await expectConnectionsOfTheirOwn(port, backend);
  });

  async function expectConnectionsOfTheirOwn(port: number, backend: RawBackend): Promise<void> {
    const clients = [await connect(port), await connect(port)];
    for (const round of [1, 2, 3]) {
      for (const client of clients) {
        client.send(get);
        expect(await client.untilResponses(round)).toHaveLength(round);
      }
    }
    expect(headerLines(backend)).toEqual(clients.map(lineOf));
    expect(backend.connections.map(({ received }) => received.match(/GET \//g)?.length)).toEqual([3, 3]);
    expect(backend.connections[0]?.received.match(/PROXY/g)).toHaveLength(1);
  }

  test('of two clients at once do not wait for the one connection that the circuit breaker allows', async () => {
    const backend = await startBackend();
    backend.onRequest = () => {};
    const circuit_breakers = { thresholds: [{ max_connections: 1 }] };
    const { proxy } = await startProxy(backend.port, { ...proxyProtocolSocket('V1'), circuit_breakers });
    const clients = [await connect(proxy.port('http')), await connect(proxy.port('http'))];
    for (const client of clients) client.send(get);
    await until(() => backend.requests.length === 2);
    expect(headerLines(backend).sort()).toEqual(clients.map(lineOf).sort());
  });

  test('leave no connection behind when their client has gone', async () => {
    const backend = await startBackend();
    const { proxy, clock } = await startProxy(backend.port, proxyProtocolSocket('V1'));
    const clients = [await connect(proxy.port('http')), await connect(proxy.port('http'))];
    for (const client of clients) {
      client.send(get);
      await client.untilResponses(1);
    }
    clients[0]?.destroy();
    await until(() => proxy.stat('http.test.downstream_cx_active') !== 2);
    await until(() => {
      clock.advance(1_000);
      return backend.openConnections.length === 1;
    });
    const [first, second] = backend.connections;
    expect([first?.isClosed, second?.isClosed]).toEqual([true, false]);
  });

  test('are mirrored on behalf of the proxy, as Envoy does', async () => {
    const backend = await startBackend();
    const shadow = await startBackend();
    const mirrored = routeConfiguration([
      routeTo('backend', { request_mirror_policies: [{ cluster: 'shadow', disable_shadow_host_suffix_append: true }] }),
    ]);
    const { proxy } = await startProxy(backend.port, {}, mirrored);
    proxy.replaceClusters([
      staticCluster('backend', [backend.port]),
      staticCluster('shadow', [shadow.port], proxyProtocolSocket('V1')),
    ]);
    for (const count of [1, 2]) {
      const client = await connect(proxy.port('http'));
      client.send(get);
      await until(() => shadow.requests.length === count);
    }
    const [first] = shadow.connections;
    expect(headerLines(shadow)).toEqual([
      `PROXY TCP4 127.0.0.1 127.0.0.1 ${first?.socket.remotePort} ${first?.socket.localPort}`,
    ]);
    expect(backend.connections[0]?.received).toMatch(/^GET/);
  });

  test('fail where the host breaks the connection off at once, and nothing else does', async () => {
    const server = closeAfterTest(net.createServer((socket) => socket.resetAndDestroy()));
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { proxy } = await startProxy((server.address() as AddressInfo).port, proxyProtocolSocket('V2'));
    const client = await connect(proxy.port('http'));
    client.send(get);
    const [response] = await client.untilResponses(1);
    expect(response?.startLine).toContain('503');
  });
});

describe('connections to a cluster with the PROXY protocol', () => {
  test('begin with the header, before anything that the client says', async () => {
    const backend = await startBackend();
    const { proxy } = await startProxy(backend.port, proxyProtocolSocket('V2'));
    const client = await connect(proxy.port('tcp'));
    await until(() => backend.connections[0] !== undefined && backend.connections[0].received.length >= 28);
    client.send('hello');
    await until(() => backend.connections[0]?.received.endsWith('hello') === true);
    const received = Buffer.from(backend.connections[0]?.received ?? '', 'latin1');
    expect(received.subarray(0, 16).toString('hex')).toBe('0d0a0d0a000d0a515549540a2111000c');
    expect([received.readUInt16BE(24), received.readUInt16BE(26)]).toEqual([
      client.socket.localPort,
      client.socket.remotePort,
    ]);
    expect(received.length).toBe(28 + 'hello'.length);
    expect(proxy.stat('cluster.backend.upstream_cx_tx_bytes_total')).toBe(received.length);
  });

  test('begin with it in plain text before the handshake of TLS', async () => {
    const lines: string[] = [];
    const secure = tls.createServer(authority.issue(), (socket) => socket.pipe(socket));
    const server = net.createServer((socket) => {
      socket.once('data', (bytes: Buffer) => {
        const end = bytes.indexOf('\r\n') + 2;
        lines.push(bytes.toString('latin1', 0, end - 2));
        socket.pause();
        if (bytes.length > end) socket.unshift(bytes.subarray(end));
        secure.emit('connection', socket);
      });
    });
    closeAfterTest(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const { proxy } = await startProxy(port, proxyProtocolSocket('V1', tlsSocket()));
    const client = await connect(proxy.port('tcp'));
    client.send('hello');
    await until(() => client.text === 'hello');
    expect(lines).toEqual([lineOf(client)]);
    client.destroy();
  });
});

test('checks of health are on behalf of nobody but the proxy', async () => {
  const backend = await startBackend();
  const health_checks = [
    {
      timeout: '1s',
      interval: '60s',
      healthy_threshold: 1,
      unhealthy_threshold: 1,
      tcp_health_check: { send: { text: '68690a' }, receive: [{ text: '6f6b' }] },
    },
  ];
  const { clock } = await startProxy(backend.port, { ...proxyProtocolSocket('V1'), health_checks });
  clock.advance(1);
  await until(() => backend.connections[0]?.received.endsWith('hi\n') === true);
  expect(headerLines(backend)).toEqual([
    `PROXY TCP4 127.0.0.1 127.0.0.1 ${backend.connections[0]?.socket.remotePort} ${backend.port}`,
  ]);
});

describe('HAProxy behind accept-proxy', () => {
  test.for(['V1', 'V2'] as const)('learns the address of each client from a header of %s', async (version, context) => {
    requirePeers(context, 'haproxy');
    await expectHaproxyToKnow(await startHaproxy(), proxyProtocolSocket(version));
  });

  test.for(['V1', 'V2'] as const)('learns it over TLS from a header of %s', async (version, context) => {
    requirePeers(context, 'haproxy');
    const port = await startHaproxy(authority.issue());
    await expectHaproxyToKnow(port, proxyProtocolSocket(version, tlsSocket()));
  });

  async function expectHaproxyToKnow(port: number, cluster: Cluster): Promise<void> {
    const { proxy } = await startProxy(port, cluster);
    for (const listener of ['http', 'http', 'tcp']) {
      const client = await connect(proxy.port(listener));
      client.send(get);
      const [response] = await client.untilResponses(1);
      const { localPort, remotePort } = client.socket;
      expect(response?.body).toBe(`127.0.0.1:${localPort}>127.0.0.1:${remotePort}`);
    }
  }
});
