import { expect, test } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { staticCluster, tcpListener } from '../../support/envoy-json.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/turns.ts';

test('a connection that both ends are done with at the same time is closed whole, with all its bytes', async () => {
  const backend = closeAfterTest(new RawBackend());
  backend.endsWithPeer = false;
  await backend.start();
  const clusters = [staticCluster('backend', [backend.port])];
  const proxy = closeAfterTest(
    new ProxyParts({ clusters, listeners: [tcpListener({ proxy: { cluster: 'backend' } })] }),
  );
  await proxy.start();
  for (let i = 0; i < 20; i++) {
    const client = closeAfterTest(await RawClient.connect(proxy.port('tcp')));
    await until(() => backend.connections.length === i + 1);
    const server = backend.connections[i];
    client.send('question');
    await until(() => server?.received === 'question');
    server?.socket.end('answer');
    client.end();
    await client.untilOver();
    expect(client.text).toBe('answer');
    expect(client.wasReset).toBe(false);
    await until(() => proxy.connections.length === i + 1);
    expect(proxy.connections[i]).toMatchObject({ requestBytes: 8, responseBytes: 6, responseFlags: '-' });
    expect(server?.isEnded).toBe(true);
  }
  expect(proxy.stat('cluster.backend.upstream_cx_active')).toBe(0);
});
