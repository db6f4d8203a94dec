/** Which connections a proxy has to the authorization services that its filters ask. */
import { describe, expect, test } from 'vitest';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { TimerWheel } from '../../../proxy/common/timer-wheel.ts';
import { AuthorizationClient, type CheckResult } from '../../../proxy/filter/authorization-client.ts';
import { CertificateStore } from '../../../proxy/tls/certificate-store.ts';
import { ClusterManager } from '../../../proxy/upstream/cluster-manager.ts';
import { AuthorizationServer } from '../../support/authorization-server.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { staticCluster } from '../../support/envoy-json.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { TcpRelay } from '../../support/tcp-relay.ts';
import { until } from '../../support/turns.ts';

interface Setting {
  readonly clock: ManualClock;
  readonly client: AuthorizationClient;
  /** One per host of the service. */
  readonly relays: readonly TcpRelay[];
  /** Uses hosts `indexes` of the service from now on, in turn. */
  readonly useHosts: (...indexes: readonly number[]) => void;
  readonly ask: (authority?: string) => Promise<CheckResult>;
}

async function start(hosts: number): Promise<Setting> {
  const service = closeAfterTest(await AuthorizationServer.start(() => ({ status: { code: 0 } })));
  const relays: TcpRelay[] = [];
  for (let i = 0; i < hosts; i += 1) relays.push(closeAfterTest(await TcpRelay.listen(service.port)));
  const clock = new ManualClock();
  const [stats, timers] = [new StatsStore(), new TimerWheel(clock)];
  const certificates = new CertificateStore({ clock });
  const clusters = new ClusterManager({ clock, timers, random: () => 0.5, stats, certificates }, []);
  const useHosts = (...indexes: readonly number[]): void => {
    const ports = indexes.map((index) => relays[index]?.port ?? 0);
    const cluster = staticCluster('authz', ports, { circuit_breakers: { thresholds: [{ max_requests: 2 }] } });
    clusters.replaceClusters([requireValue(decodeCluster(cluster), 'cluster')]);
  };
  useHosts(...relays.keys());
  const client = closeAfterTest(new AuthorizationClient(clusters, clock));
  const ask = (authority = ''): Promise<CheckResult> =>
    new Promise((resolve) => {
      client.check({ clusterName: 'authz', authority, timeoutMs: 5_000 }, new Uint8Array(), resolve);
    });
  return { clock, client, relays, useHosts, ask };
}

const accepted = (relays: readonly TcpRelay[]): number[] => relays.map((relay) => relay.accepted);

describe('a service of two hosts', () => {
  test('is asked over one connection to each, however often their turns change', async () => {
    const { relays, ask } = await start(2);
    for (let i = 0; i < 10; i += 1) expect(await ask()).toHaveProperty('bytes');
    expect(accepted(relays)).toEqual([1, 1]);
  });

  test('loses its connection to one that nobody asked for a minute when a new one is asked', async () => {
    const { relays, useHosts, clock, ask } = await start(3);
    useHosts(0);
    await ask();
    clock.advance(30_000);
    useHosts(1);
    await ask();
    clock.advance(30_000);
    expect(relays.map(({ hasConnections }) => hasConnections)).toEqual([true, true, false]);
    useHosts(2);
    await ask();
    await until(() => relays[0]?.hasConnections === false);
    expect(relays.map(({ hasConnections }) => hasConnections)).toEqual([false, true, true]);
    useHosts(0);
    expect(await ask()).toHaveProperty('bytes');
  });
});

test('two authorities have a connection each', async () => {
  const { relays, ask } = await start(1);
  for (const authority of ['a.test', 'b.test', 'a.test']) expect(await ask(authority)).toHaveProperty('bytes');
  expect(accepted(relays)).toEqual([2]);
});

test('the open questions of all filters count for the circuit breaker, until they are answered', async () => {
  const { ask } = await start(1);
  const first = [ask('a.test'), ask('b.test'), ask()];
  expect(await first[2]).toEqual({ fault: '2 questions are open already' });
  await Promise.all(first);
  expect(await Promise.all([ask(), ask()])).toMatchObject([{ bytes: {} }, { bytes: {} }]);
});

test('after the end of the proxy there is no connection', async () => {
  const { relays, client, ask } = await start(1);
  await ask();
  client.close();
  await until(() => relays[0]?.hasConnections === false);
});
