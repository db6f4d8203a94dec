/** Listeners of more than one address, as dual-stack sidecars have them. */
import { createServer, Server } from 'node:net';
import { describe, expect, test, vi } from 'vitest';
import type { Listener } from '../../../proxy/api/envoy.gen.ts';
import { silentLogger } from '../../../proxy/common/log.ts';
import { Backend } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { staticCluster, tcpListener } from '../../support/envoy-json.ts';
import { requireIPv6 } from '../../support/ipv6.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { unusedPort } from '../../support/unused-port.ts';

const at = (address: string, port_value: number) => ({ address: { socket_address: { address, port_value } } });

const dualStack = (port: number, rest: Listener = {}): Listener => ({
  ...tcpListener({ name: 'dual', proxy: { cluster: 'backend' } }),
  ...at('0.0.0.0', port),
  additional_addresses: [at('::', port)],
  ...rest,
});

/** Gets what is meant for the port, from a listener that has a socket. */
const handedOver = (port: number, rest: Listener = {}): Listener => ({
  ...tcpListener({ name: 'handed over', proxy: { cluster: 'other' } }),
  ...at('0.0.0.0', port),
  bind_to_port: false,
  ...rest,
});

async function start(...listeners: readonly Listener[]): Promise<ProxyParts> {
  const backend = closeAfterTest(await Backend.start());
  const other = closeAfterTest(await Backend.start());
  backend.respond = (_, response) => void response.end('own');
  other.respond = (_, response) => void response.end('other');
  const clusters = [staticCluster('backend', [backend.port]), staticCluster('other', [other.port])];
  return closeAfterTest(new ProxyParts({ clusters, listeners })).start();
}

async function get(host: string, port: number): Promise<string> {
  return (await fetch(`http://${host}:${port}/`, { headers: { connection: 'close' } })).text();
}

describe('a listener with an additional address', () => {
  test('takes connections of both families on one port, and counts them under its first address', async (context) => {
    requireIPv6(context);
    const port = await unusedPort();
    const proxy = await start(dualStack(port));
    expect([await get('127.0.0.1', port), await get('[::1]', port)]).toEqual(['own', 'own']);
    expect(proxy.stat(`listener.0.0.0.0_${port}.downstream_cx_total`)).toBe(2);
    const names = proxy.stats.entries().map(({ name }) => name);
    expect(names.filter((name) => name.includes('::'))).toEqual([]);
    expect(proxy.listeners.list()[0]?.addresses).toEqual([
      { address: '0.0.0.0', port },
      { address: '::', port },
    ]);
  });

  test('leaves both when it is removed', async (context) => {
    requireIPv6(context);
    const proxy = await start();
    const port = await unusedPort();
    expect(await proxy.replaceListeners([dualStack(port)])).toEqual([]);
    expect(await get('[::1]', port)).toBe('own');
    expect(await proxy.replaceListeners([])).toEqual([]);
    for (const host of ['127.0.0.1', '[::1]']) await expect(get(host, port)).rejects.toThrow('fetch failed');
  });

  test('is refused as a whole when one of them is taken, which the error names', async (context) => {
    requireIPv6(context);
    const owner = closeAfterTest(createServer());
    await new Promise<void>((resolve) => owner.listen({ host: '::', port: 0, ipv6Only: true }, resolve));
    const { port } = owner.address() as { port: number };
    const proxy = await start();
    expect(await proxy.replaceListeners([dualStack(port)])).toEqual([
      expect.stringMatching(`^dual: cannot listen on :::${port}: .*EADDRINUSE`),
    ]);
    await expect(get('127.0.0.1', port)).rejects.toThrow('fetch failed');
  });

  test('takes IPv4 alone, and says so, where the kernel has no IPv6', async () => {
    const warn = vi.spyOn(silentLogger, 'warn');
    refuseIPv6();
    try {
      const port = await unusedPort();
      await start(dualStack(port));
      expect(await get('127.0.0.1', port)).toBe('own');
      const message = 'this machine has no IPv6: the listener takes IPv4 alone';
      expect(warn.mock.calls).toEqual([[message, { listener: 'dual', address: '::', port }]]);
    } finally {
      vi.restoreAllMocks();
    }
  });
});

/** As a kernel does that was started without it. */
function refuseIPv6(): void {
  const listen = Reflect.get(Server.prototype, 'listen') as (this: Server, ...args: unknown[]) => Server;
  vi.spyOn(Server.prototype, 'listen').mockImplementation(function (this: Server, ...args: unknown[]): Server {
    const { host } = args[0] as { host?: string };
    if (host !== '::') return listen.apply(this, args);
    const error = Object.assign(new Error('listen EAFNOSUPPORT: address family not supported ::'), {
      code: 'EAFNOSUPPORT',
    });
    process.nextTick(() => this.emit('error', error));
    return this;
  });
}

describe('a connection is handed over by the address that it was meant for', () => {
  const redirecting = { use_original_dst: true };

  test('over IPv6 to the listener of all addresses of its port', async (context) => {
    requireIPv6(context);
    const port = await unusedPort();
    await start(dualStack(port, redirecting), handedOver(port, { additional_addresses: [at('::', port)] }));
    expect([await get('127.0.0.1', port), await get('[::1]', port)]).toEqual(['other', 'other']);
  });

  test('over IPv6 to none that stands for IPv4 alone, as in Envoy', async (context) => {
    requireIPv6(context);
    const port = await unusedPort();
    await start(dualStack(port, redirecting), handedOver(port));
    expect([await get('127.0.0.1', port), await get('[::1]', port)]).toEqual(['other', 'own']);
  });

  test('to the listener of an IPv6 address before that of all', async (context) => {
    requireIPv6(context);
    const port = await unusedPort();
    const ofAll = handedOver(port, { name: 'all', additional_addresses: [at('::', port)] });
    const ofOne: Listener = { ...dualStack(port), name: 'one', bind_to_port: false, ...at('::1', port) };
    await start(dualStack(port, redirecting), ofAll, { ...ofOne, additional_addresses: [] });
    expect([await get('127.0.0.1', port), await get('[::1]', port)]).toEqual(['other', 'own']);
  });
});
