/** Hosts to which no route leads: the system refuses the connect at once instead of the peer. */
import { describe, expect, test } from 'vitest';
import { closeAfterTest } from '../../support/closing.ts';
import { headerOf, statusOf } from '../../support/http-message.ts';
import { routeConfiguration, routeTo, tcpListener, unroutableCluster } from '../../support/envoy-json.ts';
import { type PartsOptions, ProxyParts } from '../../support/proxy-parts.ts';
import { RawClient } from '../../support/raw-client.ts';
import { until } from '../../support/turns.ts';
import { head } from '../http1/request-case.ts';

const startProxy = (options: PartsOptions): Promise<ProxyParts> =>
  closeAfterTest(new ProxyParts({ clusters: [unroutableCluster('nowhere')], ...options })).start();

const connect = async (proxy: ProxyParts): Promise<RawClient> => closeAfterTest(await RawClient.connect(proxy.port()));

function expectNothingLeft(proxy: ProxyParts): void {
  expect(proxy.stat('cluster.nowhere.upstream_cx_active')).toBe(0);
  expect(proxy.stat('cluster.nowhere.upstream_rq_active')).toBe(0);
  expect(proxy.faults).toEqual([]);
}

describe('a host to which no route leads', () => {
  test('is a 503 UF that is counted, for request after request on one connection', async () => {
    const proxy = await startProxy({ routes: routeConfiguration([routeTo('nowhere')]) });
    const client = await connect(proxy);
    for (let count = 1; count <= 3; count++) {
      client.send(head('GET / HTTP/1.1', 'Host: a'));
      const answer = (await client.untilResponses(count))[count - 1];
      expect(answer && statusOf(answer)).toBe(503);
      expect(answer && headerOf(answer, 'x-heddle-reason')).toMatch(/^UF /);
      expect(proxy.stat('cluster.nowhere.upstream_cx_connect_fail')).toBe(count);
    }
    expect(proxy.finished.map(({ flag, details }) => [flag, details])).toEqual(
      Array.from({ length: 3 }, () => [
        'UF',
        'upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Network_is_unreachable}',
      ]),
    );
    expectNothingLeft(proxy);
  });

  test('is tried as often as a retry policy says, and no longer', async () => {
    const retry_policy = { retry_on: 'connect-failure', num_retries: 2 };
    const proxy = await startProxy({ routes: routeConfiguration([routeTo('nowhere', { retry_policy })]) });
    const client = await connect(proxy);
    client.send(head('GET / HTTP/1.1', 'Host: a'));
    const [answer] = await client.untilResponses(1);
    expect(answer && statusOf(answer)).toBe(503);
    expect(proxy.stat('cluster.nowhere.upstream_cx_connect_fail')).toBe(3);
    expectNothingLeft(proxy);
  });

  test('resets a TCP connection, with UF and URX', async () => {
    const proxy = await startProxy({ listeners: [tcpListener({ proxy: { cluster: 'nowhere' } })] });
    const client = await connect(proxy);
    await client.untilOver();
    await until(() => proxy.connections.length === 1);
    expect(client.wasReset).toBe(true);
    expect(proxy.connections[0]).toMatchObject({ responseFlags: 'UF,URX', attemptCount: 1 });
    expect(proxy.stat('cluster.nowhere.upstream_cx_connect_fail')).toBe(1);
    expectNothingLeft(proxy);
  });
});
