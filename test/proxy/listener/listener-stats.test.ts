import { describe, expect, test } from 'vitest';
import type { Listener } from '../../../proxy/api/envoy.gen.ts';
import { closeAfterTest } from '../../support/closing.ts';
import {
  httpListener,
  listenerFilters,
  routeConfiguration,
  routeTo,
  staticCluster,
  tcpChain,
  tcpListener,
} from '../../support/envoy-json.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { turns, until } from '../../support/turns.ts';
import { unusedPort } from '../../support/unused-port.ts';

async function start(listeners: readonly Listener[] = [], clock?: ManualClock) {
  const backend = closeAfterTest(new RawBackend());
  await backend.start();
  const proxy = closeAfterTest(
    new ProxyParts({
      clusters: [staticCluster('backend', [backend.port])],
      routes: routeConfiguration([routeTo('backend')]),
      listeners,
      ...(clock === undefined ? {} : { clock }),
    }),
  );
  await proxy.start();
  const connect = async (port: number): Promise<RawClient> => closeAfterTest(await RawClient.connect(port));
  return { proxy, backend, connect };
}

const at = (port: number, address = '127.0.0.1') => ({ socket_address: { address, port_value: port } });

describe('connections of a listener', () => {
  test('are counted for as long as they are open, those of an earlier version too', async () => {
    const port = await unusedPort();
    const { proxy, backend, connect } = await start();
    const version = (cluster: string) => tcpListener({ name: 'a', address: at(port), proxy: { cluster } });
    const stat = (name: string): number | undefined => proxy.stat(`listener.127.0.0.1_${port}.${name}`);
    expect(await proxy.replaceListeners([version('backend')])).toEqual([]);
    const old = await connect(port);
    await until(() => backend.connections.length === 1);
    const moved = tcpListener({ name: 'b', address: at(await unusedPort()), proxy: { cluster: 'backend' } });
    expect(await proxy.replaceListeners([moved])).toEqual([]);
    expect(stat('downstream_cx_active')).toBe(1);
    expect(await proxy.replaceListeners([moved, version('backend')])).toEqual([]);
    const fresh = await connect(port);
    await until(() => backend.connections.length === 2);
    expect(stat('downstream_cx_active')).toBe(2);
    old.destroy();
    await until(() => stat('downstream_cx_active') === 1);
    fresh.destroy();
    await until(() => stat('downstream_cx_active') === 0);
    expect(stat('downstream_cx_total')).toBe(2);
  });

  test('that was handed over are those of the listener that serves them', async () => {
    const port = await unusedPort();
    const capturing = tcpListener({ name: 'capturing', address: at(port), proxy: { cluster: 'nobody' } });
    const owner = tcpListener({ name: 'owner', address: at(port, '0.0.0.0'), proxy: { cluster: 'backend' } });
    const { proxy, backend, connect } = await start([
      { ...capturing, use_original_dst: true },
      { ...owner, bind_to_port: false },
    ]);
    const client = await connect(port);
    await until(() => backend.connections.length === 1);
    const stat = (address: string, name: string): number | undefined =>
      proxy.stat(`listener.${address}_${port}.${name}`);
    expect(stat('0.0.0.0', 'downstream_cx_active')).toBe(1);
    expect(stat('0.0.0.0', 'downstream_cx_total')).toBe(1);
    expect(stat('127.0.0.1', 'downstream_cx_active')).toBe(0);
    expect(stat('127.0.0.1', 'downstream_cx_total')).toBe(0);
    client.destroy();
    await until(() => stat('0.0.0.0', 'downstream_cx_active') === 0);
  });

  test('that carry requests are counted too', async () => {
    const { proxy, connect } = await start([httpListener({ routes: routeConfiguration([]) })]);
    const client = await connect(proxy.port());
    client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
    await client.untilResponses(1);
    expect(proxy.stat('listener.127.0.0.1_0.downstream_cx_active')).toBe(1);
    client.end();
    await until(() => proxy.stat('listener.127.0.0.1_0.downstream_cx_active') === 0);
  });

  test('that match no filter chain are counted as that and nothing else', async () => {
    const chains = { filter_chains: [tcpChain({ cluster: 'backend' }, { destination_port: 9 })] };
    const { proxy, connect } = await start([{ ...tcpListener({ proxy: {} }), ...chains }]);
    await (await connect(proxy.port())).untilOver();
    expect(proxy.stat('listener.127.0.0.1_0.no_filter_chain_match')).toBe(1);
    expect(proxy.stat('listener.127.0.0.1_0.downstream_cx_total')).toBe(0);
    expect(proxy.stat('listener.127.0.0.1_0.downstream_cx_active')).toBe(0);
  });

  test('of which the first bytes are waited for are counted apart until those have come, or will not', async () => {
    const clock = new ManualClock();
    const listener = tcpListener({
      proxy: { cluster: 'backend' },
      listener_filters: listenerFilters('http_inspector'),
      listener_filters_timeout: '5s',
    });
    const { proxy, backend, connect } = await start([listener], clock);
    const waiting = (): number | undefined => proxy.stat('listener.127.0.0.1_0.downstream_pre_cx_active');
    const [speaks, leaves] = [await connect(proxy.port()), await connect(proxy.port())];
    const silent = await connect(proxy.port());
    await until(() => waiting() === 3);
    expect(proxy.stat('listener.127.0.0.1_0.downstream_cx_active')).toBe(0);
    speaks.send('hello');
    await until(() => backend.connections.length === 1);
    expect(waiting()).toBe(2);
    expect(proxy.stat('listener.127.0.0.1_0.downstream_cx_active')).toBe(1);
    leaves.reset();
    await until(() => waiting() === 1);
    await turns(3);
    clock.advance(5_000);
    await silent.untilOver();
    await until(() => waiting() === 0);
    expect(proxy.stat('listener.127.0.0.1_0.downstream_cx_total')).toBe(1);
  });
});
