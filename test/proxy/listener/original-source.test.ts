/**
 * `original_src`: upstream connections have the address of the client. Loopback has all of 127.0.0.0/8, so that no pod is
 * needed to call from several addresses; to bind to them as to somebody else's takes root all the same.
 */
import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { beforeEach, describe, expect, test, type TestContext } from 'vitest';
import type { Cluster, Listener, OriginalSrc } from '../../../proxy/api/envoy.gen.ts';
import { findClientSocketFault } from '../../../proxy/common/client-socket.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { httpListener, routeConfiguration, routeTo, staticCluster, tcpListener } from '../../support/envoy-json.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { skipOrFail } from '../../support/peers.ts';
import { Authority } from '../../support/pki.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { TlsBackend } from '../../support/tls-backend.ts';
import { until } from '../../support/turns.ts';
import { unusedPort } from '../../support/unused-port.ts';

beforeEach((context: TestContext) => {
  const fault = findClientSocketFault(0);
  if (fault !== undefined) skipOrFail(context, 'original-source', fault);
});

const overTls: Cluster = {
  transport_socket: {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      common_tls_context: {},
    },
  },
};

/** Answers each request with the address that it came from, and counts connections. */
async function startServer(): Promise<{ readonly port: number; readonly connections: string[] }> {
  const connections: string[] = [];
  const server = http.createServer(({ socket }, response) => response.end(socket.remoteAddress));
  server.on('connection', ({ remoteAddress = '' }: Socket) => connections.push(remoteAddress));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closeAfterTest({ close: () => (server.closeAllConnections(), server.close()) });
  return { port: (server.address() as AddressInfo).port, connections };
}

const originalSource = (config: OriginalSrc = {}): Listener => ({
  listener_filters: [
    {
      name: 'envoy.filters.listener.original_src',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.filters.listener.original_src.v3.OriginalSrc',
        ...config,
      },
    },
  ],
});

const throughHttp = (name: string, rest: Listener): Listener => ({
  ...httpListener({ name, routes: routeConfiguration([]) }),
  ...rest,
});

function startProxy(port: number, cluster: Cluster = {}, clock?: ManualClock): Promise<ProxyParts> {
  return closeAfterTest(
    new ProxyParts({
      routes: routeConfiguration([routeTo('backend')]),
      clusters: [staticCluster('backend', [port], cluster)],
      listeners: [
        throughHttp('named', originalSource()),
        throughHttp('marked', originalSource({ mark: 1337 })),
        throughHttp('plain', {}),
        tcpListener({ name: 'tcp', proxy: { cluster: 'backend' }, ...originalSource() }),
      ],
      ...(clock && { clock }),
    }),
  ).start();
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

/** On a connection of its own, from that address. */
function ask(port: number, localAddress: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, localAddress, agent: false }, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => (body += text));
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on('error', reject).end();
  });
}

describe('a request', () => {
  test('comes to the server from its client, with and without a mark; elsewhere from the proxy', async () => {
    const proxy = await startProxy((await startServer()).port);
    for (const name of ['named', 'marked', 'tcp']) {
      for (const from of ['127.0.0.8', '127.0.0.9']) {
        expect(await ask(proxy.port(name), from)).toEqual({ status: 200, body: from });
      }
    }
    expect((await ask(proxy.port('plain'), '127.0.0.8')).body).toBe('127.0.0.1');
  });

  test("comes from its client whatever the cluster's own source is", async () => {
    const bind = { source_address: { address: '127.0.0.6', port_value: 0 } };
    const proxy = await startProxy((await startServer()).port, { upstream_bind_config: bind });
    expect((await ask(proxy.port('named'), '127.0.0.8')).body).toBe('127.0.0.8');
    expect((await ask(proxy.port('plain'), '127.0.0.8')).body).toBe('127.0.0.6');
  });

  test('shares a connection with others of its client, and of that alone', async () => {
    const { port, connections } = await startServer();
    const proxy = await startProxy(port);
    for (const from of ['127.0.0.8', '127.0.0.9', '127.0.0.8', '127.0.0.9']) {
      expect((await ask(proxy.port('named'), from)).body).toBe(from);
    }
    expect(connections).toEqual(['127.0.0.8', '127.0.0.9']);
    await ask(proxy.port('marked'), '127.0.0.8');
    await ask(proxy.port('plain'), '127.0.0.8');
    expect(connections.slice(2)).toEqual(['127.0.0.8', '127.0.0.1']);
  });

  test('gets a connection in the name of its client where those of others use up max_connections', async () => {
    const thresholds = [{ max_connections: 1 }];
    const proxy = await startProxy((await startServer()).port, { circuit_breakers: { thresholds } });
    expect((await ask(proxy.port('plain'), '127.0.0.8')).body).toBe('127.0.0.1');
    expect((await ask(proxy.port('named'), '127.0.0.8')).body).toBe('127.0.0.8');
    expect((await ask(proxy.port('named'), '127.0.0.9')).body).toBe('127.0.0.9');
  });

  test('leaves nothing behind once the connections of its client were idle for too long', async () => {
    const clock = new ManualClock();
    const { port, connections } = await startServer();
    const options = {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      common_http_protocol_options: { idle_timeout: '5s' },
      explicit_http_config: { http_protocol_options: {} },
    };
    const key = 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions';
    const proxy = await startProxy(port, { typed_extension_protocol_options: { [key]: options } }, clock);
    await ask(proxy.port('named'), '127.0.0.8');
    const host = proxy.clusters.get('backend')?.hosts[0];
    expect([host?.activeConnections, host?.downstreamPoolCount]).toEqual([1, 1]);
    clock.advance(7_000);
    await until(() => host?.activeConnections === 0);
    clock.advance(1_000);
    expect(host?.downstreamPoolCount).toBe(0);
    expect((await ask(proxy.port('named'), '127.0.0.8')).body).toBe('127.0.0.8');
    expect(connections).toEqual(['127.0.0.8', '127.0.0.8']);
  });

  test.each([
    ['in plain text', {}],
    ['over TLS', overTls],
  ])('fails where its client is of another family than the server: %s', async (_, cluster) => {
    const { port } = await startServer();
    const proxy = await startProxy(port, cluster);
    const listener = throughHttp('ipv6', originalSource());
    const address = { socket_address: { address: '::1', port_value: 0 } };
    const faults = await proxy.replaceListeners([{ ...listener, address }]);
    expect(faults).toEqual([]);
    const status = await new Promise((resolve, reject) => {
      http
        .get({ host: '::1', port: proxy.port('ipv6'), agent: false }, (response) => {
          response.resume();
          resolve(response.statusCode);
        })
        .on('error', reject);
    });
    expect(status).toBe(503);
    expect(proxy.finished.at(-1)).toMatchObject({ flag: 'UF' });
  });
});

test('TLS to the server goes over a connection in the name of the client too', async () => {
  const authority = new Authority('root');
  const backend = closeAfterTest(await TlsBackend.start(authority.issue({ names: ['DNS:shop'] })));
  const from: string[] = [];
  backend.onConnection = ({ remoteAddress = '' }) => from.push(remoteAddress);
  const proxy = await startProxy(backend.port, overTls);
  for (const name of ['named', 'tcp']) {
    expect((await ask(proxy.port(name), '127.0.0.8')).status).toBe(200);
  }
  expect(from).toEqual(['127.0.0.8', '127.0.0.8']);
});

test('a server that is not there is a failure to connect, over TLS as in plain text', async () => {
  const port = await unusedPort();
  for (const cluster of [{}, overTls]) {
    const proxy = await startProxy(port, cluster);
    expect((await ask(proxy.port('named'), '127.0.0.8')).status).toBe(503);
    expect(proxy.finished.at(-1)).toMatchObject({ flag: 'UF' });
  }
});

test('a listener without a socket of its own adds its word to that of the one that hands connections over', async () => {
  const { port } = await startServer();
  const proxy = await startProxy(port);
  const taking = tcpListener({ name: 'taking', proxy: { cluster: 'nowhere' }, use_original_dst: true });
  expect(await proxy.replaceListeners([taking])).toEqual([]);
  const address = { socket_address: { address: '127.0.0.1', port_value: proxy.port('taking') } };
  const owning = throughHttp('owning', { address, bind_to_port: false, ...originalSource() });
  expect(await proxy.replaceListeners([taking, owning])).toEqual([]);
  expect((await ask(proxy.port('taking'), '127.0.0.8')).body).toBe('127.0.0.8');
});
