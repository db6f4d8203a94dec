/** A machine on which original destinations cannot be known: here one that is no Linux. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Listener } from '../../../proxy/api/envoy.gen.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { listenerFilters, staticCluster, tcpListener } from '../../support/envoy-json.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { unusedPort } from '../../support/unused-port.ts';

const { platform } = process;
const setPlatform = (value: string): unknown => Object.defineProperty(process, 'platform', { value });

beforeAll(() => setPlatform('darwin'));
afterAll(() => setPlatform(platform));

const sentence = "the options of sockets that this needs are Linux's, this is darwin";

const capturing: [string, Listener][] = [
  ['with the original_dst filter', { listener_filters: listenerFilters('original_dst') }],
  ['that hands connections over', { use_original_dst: true }],
  ['that is transparent', { transparent: true }],
];

const partsWith = (listeners: readonly Listener[]): ProxyParts =>
  closeAfterTest(new ProxyParts({ clusters: [staticCluster('backend', [1])], listeners }));

const listener = (rest: Listener): Listener =>
  tcpListener({ name: 'captured', proxy: { cluster: 'backend' }, ...rest });

describe.each(capturing)('a listener %s', (_, rest) => {
  test('is why the start fails', async () => {
    await expect(partsWith([listener(rest)]).start()).rejects.toThrow(`listener captured: ${sentence}`);
  });

  test('is refused, new or changed, and what was there goes on', async () => {
    const proxy = await partsWith([]).start();
    expect(await proxy.replaceListeners([listener(rest)])).toEqual([`captured: ${sentence}`]);
    expect(proxy.listeners.list()).toEqual([]);
    const port_value = await unusedPort();
    const address = { socket_address: { address: '127.0.0.1', port_value } };
    expect(await proxy.replaceListeners([listener({ address })])).toEqual([]);
    expect(await proxy.replaceListeners([listener({ address, ...rest })])).toEqual([`captured: ${sentence}`]);
    expect(proxy.port('captured')).toBe(port_value);
  });

  test('is none of its business without a socket', async () => {
    const proxy = await partsWith([]).start();
    const address = { socket_address: { address: '127.0.0.1', port_value: 1 } };
    expect(await proxy.replaceListeners([listener({ address, bind_to_port: false, ...rest })])).toEqual([]);
  });
});
