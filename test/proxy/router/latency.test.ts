import { describe, expect, test } from 'vitest';
import { Backend, type Responder } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { edsCluster, loadAssignment, peakEwmaPolicy, routeConfiguration, routeTo } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/turns.ts';
import type { Host } from '../../../proxy/upstream/host.ts';

interface Setting {
  readonly clock: ManualClock;
  readonly proxy: ProxyParts;
  readonly backend: Backend;
  /** What the proxy believes that one request takes, in whole milliseconds. */
  readonly rtt: () => number;
}

async function start(respond: Responder): Promise<Setting> {
  const clock = new ManualClock();
  const backend = closeAfterTest(await Backend.start('backend', respond));
  const routes = routeConfiguration([routeTo('reviews', { retry_policy: { num_retries: 0 } })]);
  const clusters = [edsCluster('reviews', peakEwmaPolicy({ default_rtt: '7s' }))];
  const proxy = closeAfterTest(new ProxyParts({ routes, clusters, clock }));
  await proxy.start();
  proxy.updateAssignment(loadAssignment('reviews', [backend.port]));
  const rtt = (): number => Math.round(hostOf(proxy)?.latency?.rttAt(clock.monotonicMs()) ?? -1);
  return { clock, proxy, backend, rtt };
}

const hostOf = (proxy: ProxyParts): Host | undefined => proxy.clusters.get('reviews')?.hosts[0];

describe('the latency of a host is measured', () => {
  test('from the request to the head of the response; the rest of the response does not count', async () => {
    let answer = (): void => {};
    const { clock, proxy, backend, rtt } = await start((_request, response) => {
      answer = () => {
        response.write('head and ');
        answer = () => response.end('body');
      };
    });
    const answered = call(proxy.port());
    await until(() => backend.requests === 1);
    clock.advance(300);
    answer();
    await until(() => rtt() === 300);
    clock.advance(4_000);
    answer();
    expect((await answered).body).toBe('head and body');
    expect(rtt()).toBe(Math.round(300 * Math.exp(-0.4)));
  });

  test('from the end of the request, when that is long in coming', async () => {
    const { clock, proxy, backend, rtt } = await start((request, response) => {
      request.resume();
      request.on('end', () => response.end());
    });
    const client = closeAfterTest(await RawClient.connect(proxy.port()));
    client.send('POST / HTTP/1.1\r\nhost: reviews\r\ncontent-length: 2\r\n\r\na');
    await until(() => backend.requests === 1);
    clock.advance(2_000);
    client.send('b');
    await until(() => client.text.includes('200 OK'));
    expect(rtt()).toBe(0);
  });

  test('not at all when the response comes before the request has ended', async () => {
    const { clock, proxy, backend, rtt } = await start((request, response) => {
      request.resume();
      response.write('early');
      request.on('end', () => response.end());
    });
    const client = closeAfterTest(await RawClient.connect(proxy.port()));
    client.send('POST / HTTP/1.1\r\nhost: reviews\r\ncontent-length: 2\r\n\r\na');
    await until(() => backend.requests === 1 && client.text.includes('early'));
    clock.advance(1_000);
    client.send('b');
    await until(() => client.text.endsWith('0\r\n\r\n'));
    // The default, a second later.
    expect(rtt()).toBe(Math.round(7_000 * Math.exp(-0.1)));
  });

  test('as a failure when the host breaks off: twice of what it was', async () => {
    let isBreaking = false;
    const { clock, proxy, backend, rtt } = await start((request, response) => {
      if (isBreaking) request.socket.destroy();
      else setImmediate(() => response.end());
    });
    const answered = call(proxy.port(), { method: 'POST' });
    await until(() => backend.requests === 1);
    clock.advance(40);
    await answered;
    const before = rtt();
    isBreaking = true;
    expect((await call(proxy.port(), { method: 'POST' })).status).toBe(503);
    expect(rtt()).toBe(Math.max(1, 2 * before));
  });

  test('as at least what was waited for when the client gives up, and never less than was known', async () => {
    const { clock, proxy, backend, rtt } = await start(() => {});
    for (const [waitedMs, expected] of [
      [20_000, 20_000],
      [10, 19_980],
    ] as const) {
      const { requests } = backend;
      const client = closeAfterTest(await RawClient.connect(proxy.port()));
      client.send('GET / HTTP/1.1\r\nhost: reviews\r\n\r\n');
      await until(() => backend.requests === requests + 1);
      clock.advance(waitedMs);
      client.socket.resetAndDestroy();
      await until(() => hostOf(proxy)?.activeRequests === 0);
      expect(rtt()).toBe(expected);
    }
  });

  test('as a failure when nobody listens', async () => {
    const { proxy, backend, rtt } = await start(() => {});
    await backend.close();
    expect((await call(proxy.port())).status).toBe(503);
    expect(rtt()).toBe(14_000);
  });
});
