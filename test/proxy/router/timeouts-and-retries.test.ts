import net from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Cluster, Route, RouteAction } from '../../../proxy/api/envoy.gen.ts';
import type { HttpFilter } from '../../../proxy/http/filter.ts';
import { Backend, echoOf } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { type PartsOptions, ProxyParts } from '../../support/proxy-parts.ts';
import { RawConnection } from '../../support/raw-connection.ts';
import { until } from '../../support/turns.ts';
import { unusedPort } from '../../support/unused-port.ts';

const connectFailure: RouteAction = { retry_policy: { retry_on: 'connect-failure', num_retries: 2 } };
const roundRobin: Cluster = { lb_policy: 'ROUND_ROBIN' };

const startBackend = async (name = 'backend'): Promise<Backend> => closeAfterTest(await Backend.start(name));

interface Setting extends Pick<PartsOptions, 'clock' | 'filters'> {
  readonly action?: RouteAction;
  readonly route?: Route;
  readonly cluster?: Cluster;
}

async function proxyTo(
  ports: readonly number[],
  { action = {}, route = {}, cluster = {}, ...rest }: Setting = {},
): Promise<ProxyParts> {
  return closeAfterTest(
    new ProxyParts({
      routes: routeConfiguration([routeTo('backend', action, route)]),
      clusters: [staticCluster('backend', ports, cluster)],
      ...rest,
    }),
  ).start();
}

describe('the timeout of a route', () => {
  test('answers 504, flag UT, and closes the connection to the host that kept silent', async () => {
    const clock = new ManualClock();
    const backend = await startBackend();
    backend.respond = () => {};
    const proxy = await proxyTo([backend.port], { action: { timeout: '2s' }, clock });
    const answer = call(proxy.port());
    await until(() => backend.requests === 1);
    clock.advance(1_990);
    expect(proxy.finished).toEqual([]);
    clock.advance(50);
    expect(await answer).toMatchObject({
      status: 504,
      headers: { 'x-heddle-reason': 'UT no response within 2000 ms' },
    });
    expect(proxy.finished).toMatchObject([{ status: 504, flag: 'UT' }]);
    expect(proxy.stat('cluster.backend.upstream_rq_timeout')).toBe(1);
    await until(() => backend.sockets.size === 0);
    expect(proxy.stat('cluster.backend.upstream_rq_active')).toBe(0);
  });

  test('starts when the request is complete, however long that took', async () => {
    const clock = new ManualClock();
    const backend = await startBackend();
    let finish: (() => void) | undefined;
    backend.respond = (request, response) => {
      request.resume().on('end', () => (finish = () => response.end('in time')));
    };
    const proxy = await proxyTo([backend.port], { action: { timeout: '1s' }, clock });
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    client.send('POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 4\r\n\r\nab');
    await until(() => backend.requests === 1);
    clock.advance(10_000);
    client.send('cd');
    await until(() => finish !== undefined);
    clock.advance(900);
    finish?.();
    expect(await client.readResponse()).toMatchObject({ status: 200, body: 'in time' });
  });

  test('breaks a response off that has begun: the client sees no end', async () => {
    const clock = new ManualClock();
    const backend = await startBackend();
    backend.respond = (_request, response) => void response.write('the beginning');
    const proxy = await proxyTo([backend.port], { action: { timeout: '1s' }, clock });
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    client.send('GET / HTTP/1.1\r\nhost: test\r\n\r\n');
    await until(() => client.unread.includes('the beginning'));
    clock.advance(1_100);
    await client.waitForEnd();
    expect(client.unread).not.toContain('\r\n0\r\n\r\n');
    expect(proxy.finished).toMatchObject([{ status: 200, flag: 'UT' }]);
  });

  test('ends with its request: nothing of it reaches the next one on the same stream object', async () => {
    const clock = new ManualClock();
    const backend = await startBackend();
    const proxy = await proxyTo([backend.port], { action: { timeout: '1s' }, clock });
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    await client.get();
    clock.advance(5_000);
    await client.get();
    expect(proxy.finished).toMatchObject([
      { status: 200, flag: '-' },
      { status: 200, flag: '-' },
    ]);
    expect(proxy.stat('cluster.backend.upstream_rq_timeout')).toBe(0);
  });

  test('counts for each request anew', async () => {
    const clock = new ManualClock();
    const backend = await startBackend();
    const proxy = await proxyTo([backend.port], { action: { timeout: '1s' }, clock });
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    expect((await client.get()).status).toBe(200);
    clock.advance(900);
    backend.respond = (_request, response) => void setTimeout(() => response.end(), 20);
    const answer = client.get();
    await until(() => backend.requests === 2);
    clock.advance(900);
    expect((await answer).status).toBe(200);
  });
});

describe('a host that refuses connections', () => {
  test('is passed over: the request goes to another one', async () => {
    const backend = await startBackend();
    const dead = await unusedPort();
    const proxy = await proxyTo([dead, backend.port], { action: connectFailure, cluster: roundRobin });
    for (let i = 0; i < 10; i++) expect((await call(proxy.port(), { method: 'POST', body: `b${i}` })).status).toBe(200);
    expect(backend.requests).toBe(10);
    expect(proxy.stat('cluster.backend.upstream_rq_retry')).toBeGreaterThanOrEqual(4);
    expect(proxy.stat('cluster.backend.upstream_cx_connect_fail')).toBeGreaterThanOrEqual(4);
  });

  test('without a retry policy is 503, flag UF, with the address and the reason', async () => {
    const dead = await unusedPort();
    const proxy = await proxyTo([dead]);
    const answer = await call(proxy.port());
    expect(answer.status).toBe(503);
    expect(answer.headers['x-heddle-reason']).toBe(`UF connecting to 127.0.0.1:${dead} failed (ECONNREFUSED)`);
    expect(proxy.finished).toMatchObject([{ flag: 'UF', host: `127.0.0.1:${dead}` }]);
  });

  test('where no other is left is tried as often as the policy says, then 503, flags UF and URX', async () => {
    const dead = await unusedPort();
    const proxy = await proxyTo([dead], { action: connectFailure });
    expect((await call(proxy.port())).status).toBe(503);
    expect(proxy.finished).toMatchObject([{ flag: 'UF,URX' }]);
    expect(proxy.stat('cluster.backend.upstream_rq_total')).toBe(3);
    expect(proxy.stat('cluster.backend.upstream_rq_retry')).toBe(2);
    expect(proxy.stat('cluster.backend.upstream_rq_active')).toBe(0);
    expect(proxy.stat('cluster.backend.upstream_cx_active')).toBe(0);
  });

  test('keeps the whole body for the next attempt, chunked or not', async () => {
    const backend = await startBackend();
    const dead = await unusedPort();
    const proxy = await proxyTo([dead, backend.port], { action: connectFailure, cluster: roundRobin });
    for (let i = 0; i < 4; i++) {
      const headers = i % 2 === 0 ? {} : { 'transfer-encoding': 'chunked' };
      const body = 'x'.repeat(200_000 + i);
      const answer = await call(proxy.port(), { method: 'POST', headers, body });
      expect(answer.status).toBe(200);
      expect(echoOf(answer).body).toHaveLength(body.length);
    }
  });
});

test('a host that does not accept within the connect timeout: 503, flag UF', async () => {
  const clock = new ManualClock();
  const backend = await startBackend();
  // Called in the turn in which connecting began: it cannot be over yet.
  const hurry: HttpFilter = { decodeFlush: () => clock.advance(550) };
  const proxy = await proxyTo([backend.port], { cluster: { connect_timeout: '0.5s' }, clock, filters: [() => hurry] });
  expect(await call(proxy.port())).toMatchObject({
    status: 503,
    headers: { 'x-heddle-reason': `UF 127.0.0.1:${backend.port} did not accept within 500 ms` },
  });
  expect(proxy.stat('cluster.backend.upstream_cx_connect_timeout')).toBe(1);
  expect(backend.requests).toBe(0);
});

test('a host that accepts just within the connect timeout is fine', async () => {
  const clock = new ManualClock();
  const backend = await startBackend();
  const hurry: HttpFilter = { decodeFlush: () => clock.advance(490) };
  const proxy = await proxyTo([backend.port], { cluster: { connect_timeout: '0.5s' }, clock, filters: [() => hurry] });
  expect((await call(proxy.port())).status).toBe(200);
});

describe('a connection that the host closes', () => {
  /** Answers one request per connection, announces that it keeps it, and resets it at the next request. */
  const answersOnce = (): net.Server =>
    net.createServer((socket) => {
      let requests = 0;
      socket.on('error', () => {});
      socket.on('data', () => {
        requests += 1;
        if (requests > 1) socket.resetAndDestroy();
        else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n');
      });
    });

  test('under a repeatable request on a reused connection costs nothing: it is sent again on a new one', async () => {
    const proxy = await proxyTo([await listen(answersOnce())]);
    for (let i = 0; i < 5; i++) expect((await call(proxy.port())).status).toBe(200);
    expect(proxy.stat('cluster.backend.upstream_rq_retry')).toBeGreaterThan(0);
  });

  test('under a POST is 503, flag UC: it may have been done already', async () => {
    const proxy = await proxyTo([await listen(answersOnce())]);
    expect((await call(proxy.port())).status).toBe(200);
    expect((await call(proxy.port(), { method: 'POST' })).status).toBe(503);
    expect(proxy.finished.at(-1)).toMatchObject({ method: 'POST', flag: 'UC' });
  });

  test('without having answered on a new one is 503, flag UC, and is not tried again', async () => {
    let connections = 0;
    const closes = net.createServer((socket) => {
      connections += 1;
      socket.on('data', () => socket.destroy());
    });
    const proxy = await proxyTo([await listen(closes)]);
    expect((await call(proxy.port())).status).toBe(503);
    expect(proxy.finished).toMatchObject([{ flag: 'UC' }]);
    expect(connections).toBe(1);
  });

  test('after it took more of the body than may be kept is 503, flag UC, also with the policy `reset`', async () => {
    const bodies: number[] = [];
    const takes = net.createServer((socket) => {
      bodies.push(0);
      const nth = bodies.length - 1;
      socket.on('error', () => {});
      socket.on('data', (bytes) => {
        bodies[nth] = (bodies[nth] ?? 0) + bytes.length;
        if ((bodies[nth] ?? 0) > 50_000) socket.resetAndDestroy();
      });
    });
    const proxy = await proxyTo([await listen(takes)], {
      action: { retry_policy: { retry_on: 'reset' } },
      route: { per_request_buffer_limit_bytes: 40_000 },
    });
    // The head alone opens the connection; the body follows on it.
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    client.send('PUT / HTTP/1.1\r\nhost: test\r\ncontent-length: 60000\r\n\r\n');
    await until(() => (bodies[0] ?? 0) > 0);
    client.send('x'.repeat(60_000));
    expect((await client.readResponse()).status).toBe(503);
    expect(proxy.finished).toMatchObject([{ flag: 'UC' }]);
    expect(bodies).toHaveLength(1);
  });

  test('within a response head is tried again with the policy `reset`, and nothing of the first head is left', async () => {
    let connections = 0;
    const stumbles = net.createServer((socket) => {
      connections += 1;
      const isFirst = connections === 1;
      socket.on('error', () => {});
      socket.on('data', () => {
        if (isFirst) socket.end('HTTP/1.1 500 Broken\r\nx-first: 1\r\ncontent-length: 7\r\n');
        else socket.write('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok');
      });
    });
    const proxy = await proxyTo([await listen(stumbles)], { action: { retry_policy: { retry_on: 'reset' } } });
    const answer = await call(proxy.port());
    expect(answer).toMatchObject({ status: 200, body: 'ok' });
    expect(answer.headers).not.toHaveProperty('x-first');
  });

  test('within a response breaks the response off: the client must not take it for whole', async () => {
    const breaks = net.createServer((socket) => {
      socket.on('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf'));
    });
    const proxy = await proxyTo([await listen(breaks)]);
    await expect(call(proxy.port())).rejects.toThrow(/aborted|ECONNRESET/);
    expect(proxy.finished).toMatchObject([{ status: 200, flag: 'UC' }]);
  });
});

test('a response that is no HTTP: 502, flag UPE', async () => {
  const garbage = net.createServer((socket) => socket.on('data', () => socket.end('SSH-2.0-OpenSSH\r\n\r\n')));
  const proxy = await proxyTo([await listen(garbage)]);
  expect((await call(proxy.port())).status).toBe(502);
  expect(proxy.finished).toMatchObject([{ flag: 'UPE' }]);
});

describe('a client that goes away', () => {
  test('while it waits ends the request upstream, flag DC', async () => {
    const backend = await startBackend();
    backend.respond = () => {};
    const proxy = await proxyTo([backend.port]);
    const client = await RawConnection.open(proxy.port());
    client.send('GET / HTTP/1.1\r\nhost: test\r\n\r\n');
    await until(() => backend.requests === 1);
    client.reset();
    await until(() => proxy.finished.length === 1 && backend.sockets.size === 0);
    expect(proxy.finished).toMatchObject([{ status: 0, flag: 'DC' }]);
    expect(proxy.stat('cluster.backend.upstream_rq_active')).toBe(0);
  });

  test('within its body ends the request without an answer that nobody asked for', async () => {
    const backend = await startBackend();
    const proxy = await proxyTo([backend.port]);
    const socket = net.connect({ port: proxy.port(), host: '127.0.0.1' });
    let received = '';
    socket.on('data', (bytes: Buffer) => (received += bytes.toString('latin1')));
    socket.on('error', () => {});
    socket.end('POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nhalf');
    await until(() => proxy.finished.length === 1 && socket.closed);
    expect(received).toBe('');
    expect(proxy.finished).toMatchObject([{ status: 0, flag: 'DC' }]);
    expect(proxy.stat('http.test.downstream_rq_rx_reset')).toBe(1);
  });
});

function listen(server: net.Server): Promise<number> {
  const sockets = new Set<net.Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return new Promise((resolve) =>
    server.listen(0, '127.0.0.1', () => resolve((server.address() as net.AddressInfo).port)),
  );
}
