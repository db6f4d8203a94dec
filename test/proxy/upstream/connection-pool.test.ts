import { describe, expect, test } from 'vitest';
import type { Cluster } from '../../../proxy/api/envoy.gen.ts';
import type { Host } from '../../../proxy/upstream/host.ts';
import { Backend } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawConnection } from '../../support/raw-connection.ts';
import { until } from '../../support/turns.ts';

interface Pool {
  readonly backend: Backend;
  readonly proxy: ProxyParts;
  readonly clock: ManualClock;
  readonly host: Host;
}

async function startPool(cluster: Cluster = {}): Promise<Pool> {
  const clock = new ManualClock();
  const backend = closeAfterTest(await Backend.start());
  const proxy = await closeAfterTest(
    new ProxyParts({
      routes: routeConfiguration([routeTo('backend')]),
      clusters: [staticCluster('backend', [backend.port], cluster)],
      clock,
    }),
  ).start();
  return { backend, proxy, clock, host: proxy.clusters.get('backend')!.hosts[0]! };
}

/** Has `count` requests running at once, and then all answered: as many connections are idle afterwards. */
async function openConnections({ backend, proxy }: Pool, count: number): Promise<void> {
  const { respond, requests } = backend;
  const waiting: (() => void)[] = [];
  backend.respond = (request, response) => void waiting.push(() => respond(request, response, backend));
  const calls = Array.from({ length: count }, () => call(proxy.port()));
  await until(() => backend.requests === requests + count);
  backend.respond = respond;
  for (const answer of waiting) answer();
  await Promise.all(calls);
}

test('one request after another uses one connection', async () => {
  const pool = await startPool();
  for (let i = 0; i < 10; i++) await call(pool.proxy.port());
  expect(pool.backend.connectionsTotal).toBe(1);
  expect(pool.host.activeConnections).toBe(1);
});

test('the connection used last is used next', async () => {
  const pool = await startPool();
  await openConnections(pool, 3);
  expect(pool.backend.connectionsTotal).toBe(3);
  const connections = [pool.host.pool.takeIdle(0), pool.host.pool.takeIdle(0), pool.host.pool.takeIdle(0)];
  expect(new Set(connections).size).toBe(3);
  expect(pool.host.pool.takeIdle(0)).toBeUndefined();
  for (const connection of connections) pool.host.pool.putIdle(connection!);
  expect(pool.host.pool.takeIdle(0)).toBe(connections[2]);
  expect(pool.host.pool.takeIdle(0)).toBe(connections[1]);
  pool.host.pool.putIdle(connections[2]!);
  expect(pool.host.pool.takeIdle(0)).toBe(connections[2]);
});

test('connections that were idle for too long are closed, the others stay', async () => {
  const pool = await startPool({ common_http_protocol_options: { idle_timeout: '10s' } });
  await openConnections(pool, 3);
  pool.clock.advance(6_000);
  await call(pool.proxy.port());
  pool.clock.advance(6_000);
  await until(() => pool.backend.sockets.size === 1 && pool.host.activeConnections === 1);
  pool.clock.advance(6_000);
  await until(() => pool.backend.sockets.size === 0 && pool.host.activeConnections === 0);
  expect((await call(pool.proxy.port())).status).toBe(200);
});

test('one whose time is over is not used even before it was swept', async () => {
  const pool = await startPool();
  pool.backend.respond = (_request, response) => {
    response.setHeader('keep-alive', 'timeout=2');
    response.setHeader('connection', 'keep-alive');
    response.end();
  };
  await call(pool.proxy.port());
  // The server said two seconds; one of them is margin.
  pool.clock.advance(999);
  await call(pool.proxy.port());
  expect(pool.backend.connectionsTotal).toBe(1);
  const idle = pool.host.pool.takeIdle(pool.clock.monotonicMs());
  expect(idle?.isUsable(pool.clock.monotonicMs() + 999)).toBe(true);
  expect(idle?.isUsable(pool.clock.monotonicMs() + 1_001)).toBe(false);
});

test('a connection that the server closes while it is idle is forgotten', async () => {
  const pool = await startPool();
  await openConnections(pool, 2);
  for (const socket of pool.backend.sockets) socket.destroy();
  await until(() => pool.host.activeConnections === 0);
  expect(pool.host.pool.takeIdle(0)).toBeUndefined();
  expect((await call(pool.proxy.port())).status).toBe(200);
});

describe('a connection is not used again', () => {
  test.each([
    ['after Connection: close', 'HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok'],
    [
      'when more bytes came than the response has',
      'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n',
    ],
    ['after an HTTP/1.0 response', 'HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nok'],
  ])('%s', async (_, response) => {
    const pool = await startPool();
    pool.backend.respond = ({ socket }) => void socket.write(response);
    for (let i = 0; i < 3; i++) expect(await call(pool.proxy.port())).toMatchObject({ status: 200, body: 'ok' });
    expect(pool.backend.connectionsTotal).toBe(3);
  });

  test('when the response ended before the request', async () => {
    const pool = await startPool();
    pool.backend.respond = (_request, response) => void response.end('early');
    for (let i = 0; i < 2; i++) {
      const client = closeAfterTest(await RawConnection.open(pool.proxy.port()));
      client.send('POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 5\r\n\r\nhe');
      expect((await client.readResponse()).body).toBe('early');
      await client.waitForEnd();
    }
    expect(pool.backend.connectionsTotal).toBe(2);
  });
});
