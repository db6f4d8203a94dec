/** `upstream_bind_config`: from where a cluster's connections come. Linux has all of 127.0.0.0/8 on loopback. */
import { createServer, type AddressInfo, type Server } from 'node:net';
import { expect, test, type TestContext } from 'vitest';
import type { Cluster } from '../../../proxy/api/envoy.gen.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, tcpListener } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { skipOrFail } from '../../support/peers.ts';
import { requireIPv6 } from '../../support/ipv6.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';

const from = (address: string, ...extra: string[]): Cluster => ({
  upstream_bind_config: {
    source_address: { address, port_value: 0 },
    ...(extra.length === 0
      ? {}
      : { extra_source_addresses: extra.map((one) => ({ address: { address: one, port_value: 0 } })) }),
  },
});

/** Answers with the address of whoever asks, and remembers who came. */
async function startServer(host: string, callers: (string | undefined)[] = []): Promise<number> {
  const server: Server = createServer((socket) => {
    const { remoteAddress = '' } = socket;
    callers.push(remoteAddress);
    const head = `HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: ${remoteAddress.length}\r\n\r\n`;
    socket.on('error', () => {}).once('data', () => socket.end(head + remoteAddress));
  });
  await new Promise<void>((resolve) => server.listen(0, host, resolve));
  closeAfterTest(server);
  return (server.address() as AddressInfo).port;
}

async function startProxy(host: string, port_value: number, cluster: Cluster): Promise<ProxyParts> {
  const endpoint = { address: { socket_address: { address: host, port_value } } };
  const load_assignment = { cluster_name: 'bound', endpoints: [{ lb_endpoints: [{ endpoint }] }] };
  const routes = routeConfiguration([routeTo('bound')]);
  return closeAfterTest(
    new ProxyParts({ routes, clusters: [{ name: 'bound', type: 'STATIC', load_assignment, ...cluster }] }),
  ).start();
}

function requireLoopback(context: TestContext): void {
  if (process.platform !== 'linux') skipOrFail(context, '127.0.0.6', `${process.platform} has 127.0.0.1 alone`);
}

test('requests come from the address that the cluster names', async (context) => {
  requireLoopback(context);
  const proxy = await startProxy('127.0.0.1', await startServer('127.0.0.1'), from('127.0.0.6'));
  expect((await call(proxy.port())).body).toBe('127.0.0.6');
});

test('each family has its own: the extra address is for hosts of the other', async (context) => {
  requireLoopback(context);
  requireIPv6(context);
  for (const bind of [from('127.0.0.6', '::1'), from('::1', '127.0.0.6')]) {
    for (const [host, source] of [
      ['127.0.0.1', '127.0.0.6'],
      ['::1', '::1'],
    ] as const) {
      const proxy = await startProxy(host, await startServer(host), bind);
      expect((await call(proxy.port())).body).toBe(source);
    }
  }
});

test('connections that nobody looks into come from there too', async (context) => {
  requireLoopback(context);
  const proxy = await startProxy('127.0.0.1', await startServer('127.0.0.1'), from('127.0.0.7'));
  expect(await proxy.replaceListeners([tcpListener({ name: 'opaque', proxy: { cluster: 'bound' } })])).toEqual([]);
  expect((await call(proxy.port('opaque'))).body).toBe('127.0.0.7');
});

test('and so do health checks', async (context) => {
  requireLoopback(context);
  const callers: string[] = [];
  const port = await startServer('127.0.0.1', callers);
  const check = { timeout: '1s', interval: '60s', unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {} };
  await startProxy('127.0.0.1', port, { ...from('127.0.0.8'), health_checks: [check] });
  await expect.poll(() => callers).toEqual(['127.0.0.8']);
});

test('a source that this machine does not have, or of the other family, is a failure to connect', async () => {
  for (const source of ['192.0.2.77', '::1']) {
    const proxy = await startProxy('127.0.0.1', await startServer('127.0.0.1'), from(source));
    expect((await call(proxy.port())).status).toBe(503);
    expect(proxy.finished.at(-1)).toMatchObject({ flag: 'UF' });
    expect(proxy.faults).toEqual([]);
  }
});
