import { Socket } from 'node:net';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { RouteAction } from '../../../proxy/api/envoy.gen.ts';
import { Backend, echoOf } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { RawConnection } from '../../support/raw-connection.ts';
import { until } from '../../support/turns.ts';

const toMirror: RouteAction = { request_mirror_policies: [{ cluster: 'mirror' }] };

/** A proxy that answers from `backend` and copies to `mirror`. */
async function start(action: RouteAction = toMirror) {
  const backend = closeAfterTest(await Backend.start());
  const mirror = closeAfterTest(new RawBackend());
  await mirror.start();
  const clusters = [staticCluster('backend', [backend.port]), staticCluster('mirror', [mirror.port])];
  const routes = routeConfiguration([routeTo('backend', action)]);
  const proxy = await closeAfterTest(new ProxyParts({ routes, clusters })).start();
  return { proxy, backend, mirror };
}

describe('a mirror', () => {
  test('gets head and body as the destination gets them, but for the Host', async () => {
    const { proxy, mirror } = await start();
    const answer = await call(proxy.port(), { method: 'POST', path: '/a?b', headers: { 'x-one': '1' }, body: 'hello' });
    expect(echoOf(answer).headers['host']).toBe('test');
    await until(() => mirror.requests.length === 1);
    const [copy] = mirror.requests;
    expect(copy?.startLine).toBe('POST /a?b HTTP/1.1');
    expect(copy?.body).toBe('hello');
    expect(mirror.connections[0]?.received).toContain('host: test-shadow\r\n');
    expect(mirror.connections[0]?.received).toContain('x-one: 1\r\n');
  });

  test('keeps the Host where the policy says so', async () => {
    const policy = { cluster: 'mirror', disable_shadow_host_suffix_append: true };
    const { proxy, mirror } = await start({ request_mirror_policies: [policy] });
    await call(proxy.port());
    await until(() => mirror.requests.length === 1);
    expect(mirror.connections[0]?.received).not.toContain('shadow');
  });

  test('gets a chunked body while it streams', async () => {
    const { proxy, mirror } = await start();
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    client.send('POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n');
    await until(() => mirror.connections[0]?.received.includes('abc') === true);
    client.send('3\r\ndef\r\n0\r\n\r\n');
    expect(echoOf(await client.readResponse()).body).toBe('abcdef');
    await until(() => mirror.requests.length === 1);
    expect(mirror.requests[0]?.body).toBe('abcdef');
  });

  test('gets a body of no bytes in chunks whole, and one of many small chunks in few writes', async () => {
    const { proxy, mirror } = await start();
    const writes = vi.spyOn(Socket.prototype, 'write');
    onTestFinished(() => writes.mockRestore());
    for (const chunks of [0, 3_000]) {
      const client = closeAfterTest(await RawConnection.open(proxy.port()));
      const body = `${'1\r\nx\r\n'.repeat(chunks)}0\r\n\r\n`;
      client.send(`POST / HTTP/1.1\r\nhost: test\r\ntransfer-encoding: chunked\r\n\r\n${body}`);
      expect((await client.readResponse()).status).toBe(200);
      await until(() => mirror.requests.at(-1)?.body.length === chunks);
    }
    expect(writes.mock.calls.length).toBeLessThan(100);
  });

  test('uses its connection again for the next copy', async () => {
    const { proxy, mirror } = await start();
    for (let i = 1; i <= 3; i++) {
      await call(proxy.port());
      await until(() => mirror.requests.length === i && proxy.stat('cluster.mirror.upstream_rq_active') === 0);
    }
    expect(mirror.connections).toHaveLength(1);
    expect(proxy.stat('cluster.mirror.upstream_rq_total')).toBe(3);
    expect(proxy.stat('cluster.mirror.upstream_rq_2xx')).toBe(3);
  });

  test('that does not answer neither delays the request nor keeps the next one of the client waiting', async () => {
    const { proxy, mirror } = await start();
    mirror.onRequest = () => {};
    const client = closeAfterTest(await RawConnection.open(proxy.port()));
    for (let i = 0; i < 3; i++) expect((await client.get('/')).status).toBe(200);
    await until(() => mirror.requests.length === 3);
    expect(proxy.stat('cluster.mirror.upstream_rq_active')).toBe(3);
  });

  test('is let go when it takes longer than the timeout of the route', async () => {
    const { proxy, mirror } = await start({ ...toMirror, timeout: '0.1s' });
    mirror.onRequest = () => {};
    expect((await call(proxy.port())).status).toBe(200);
    await until(() => proxy.stat('cluster.mirror.upstream_rq_active') === 0);
    await until(() => mirror.openConnections.length === 0);
    expect(mirror.requests).toHaveLength(1);
  });

  test('that resets its connection, or answers nonsense, does not touch the request', async () => {
    const { proxy, mirror } = await start();
    for (const answer of ['', 'nonsense\r\n\r\n']) {
      mirror.onRequest = ({ socket }) => void (answer === '' ? socket.destroy() : socket.end(answer));
      expect((await call(proxy.port(), { method: 'POST', body: 'x' })).status).toBe(200);
      await until(() => proxy.stat('cluster.mirror.upstream_rq_active') === 0);
    }
    expect(proxy.stat('cluster.mirror.upstream_rq_rx_reset')).toBe(2);
    expect(proxy.finished.map(({ flag }) => flag)).toEqual(['-', '-']);
  });

  test('never gets the end of a request that was broken off', async () => {
    const { proxy, mirror } = await start();
    const client = await RawConnection.open(proxy.port());
    client.send('POST / HTTP/1.1\r\nhost: test\r\ncontent-length: 10\r\n\r\nabc');
    await until(() => mirror.connections[0]?.received.includes('abc') === true);
    client.reset();
    await until(() => mirror.connections[0]?.isClosed === true);
    expect(mirror.requests).toHaveLength(0);
    expect(proxy.stat('cluster.mirror.upstream_rq_active')).toBe(0);
  });

  test('that does not read is given up once a megabyte waits for it, and the request goes its way', async () => {
    const { proxy, mirror } = await start();
    mirror.onBytes = ({ socket }) => void socket.pause();
    const body = 'x'.repeat(30_000_000);
    const answer = await call(proxy.port(), { method: 'PUT', body });
    expect(echoOf(answer).body).toHaveLength(body.length);
    await until(() => proxy.stat('cluster.mirror.upstream_rq_active') === 0);
    expect(mirror.requests).toHaveLength(0);
  });

  test('without an endpoint costs the request nothing', async () => {
    const { proxy, backend } = await start();
    proxy.replaceClusters([staticCluster('backend', [backend.port]), staticCluster('mirror', [])]);
    expect((await call(proxy.port())).status).toBe(200);
    expect(proxy.stat('cluster.mirror.upstream_cx_none_healthy')).toBe(1);
  });
});
