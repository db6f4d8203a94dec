import { expect, test } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { staticCluster, tcpListener } from '../../support/envoy-json.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/turns.ts';

test('beyond the limit of the process a connection to any listener is closed at once and counted, until one ends', async () => {
  const backend = closeAfterTest(new RawBackend());
  await backend.start();
  const at = { socket_address: { address: '127.0.0.1', port_value: 0 } };
  const listeners = ['a', 'b'].map((name) => tcpListener({ name, address: at, proxy: { cluster: 'backend' } }));
  const clusters = [staticCluster('backend', [backend.port])];
  const proxy = closeAfterTest(new ProxyParts({ clusters, listeners, maxConnections: 2 }));
  await proxy.start();
  const connect = async (name: string): Promise<RawClient> => closeAfterTest(await RawClient.connect(proxy.port(name)));
  const first = await connect('a');
  await connect('b');
  await until(() => backend.connections.length === 2);
  const overflow = (): number => proxy.stat('listener.127.0.0.1_0.downstream_global_cx_overflow') ?? 0;

  const refused = await connect('b');
  await until(() => overflow() === 1 && refused.isOver);
  expect(backend.connections).toHaveLength(2);

  first.destroy();
  await until(() => proxy.stat('listener.127.0.0.1_0.downstream_cx_active') === 1);
  await connect('a');
  await until(() => backend.connections.length === 3);
  expect(overflow()).toBe(1);
});
