import { describe, expect, test } from 'vitest';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import { decodeClusterLoadAssignment } from '../../../proxy/api/endpoint-decoder.ts';
import type { Cluster } from '../../../proxy/api/envoy.gen.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { TimerWheel } from '../../../proxy/common/timer-wheel.ts';
import { ClusterManager } from '../../../proxy/upstream/cluster-manager.ts';
import { decodeSecret } from '../../../proxy/api/secret-decoder.ts';
import { CertificateStore } from '../../../proxy/tls/certificate-store.ts';
import type { CheckResult } from '../../../proxy/upstream/health-check/prober.ts';
import { ads, secretJson, typed } from '../api/samples.ts';
import { Backend, echoOf } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { edsCluster, loadAssignment, routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { until } from '../../support/turns.ts';

const checks = (interval: string): Cluster => ({
  health_checks: [
    { timeout: '1s', interval, unhealthy_threshold: 1, healthy_threshold: 1, http_health_check: { path: '/healthz' } },
  ],
});

/** Clusters whose hosts, known by their ports, are checked with the results that the test gives. */
class Warming {
  readonly clock = new ManualClock();
  readonly stats = new StatsStore();
  readonly certificates = new CertificateStore({ clock: this.clock });
  readonly clusters: ClusterManager;
  /** Of hosts that were asked and have not answered. */
  readonly asked = new Map<number, (result: CheckResult) => void>();
  aborted = 0;

  constructor() {
    const { clock, stats, certificates } = this;
    const context = { clock, timers: new TimerWheel(clock), random: seededRandom(1), stats, certificates };
    const createProber = () => ({
      check: ({ port }: { port: number }, onResult: (result: CheckResult) => void) =>
        void this.asked.set(port, onResult),
      abort: () => void (this.aborted += 1),
    });
    this.clusters = new ClusterManager({ ...context, createProber }, []);
  }

  replace(...clusters: Cluster[]): void {
    this.clusters.replaceClusters(clusters.map((cluster) => requireValue(decodeCluster(cluster), 'cluster')));
  }

  /** SDS sends an authority. */
  sendSecret(name: string): void {
    const secret = requireValue(decodeSecret(secretJson(name, '/etc/ssl/certs/ca-certificates.crt')), 'secret');
    expect(this.certificates.updateSecret(secret)).toEqual([]);
  }

  setEndpoints(...ports: number[]): void {
    const json = loadAssignment('reviews', ports);
    this.clusters.updateAssignment(requireValue(decodeClusterLoadAssignment(json), 'eds'));
  }

  /** Has a host that was asked answer. */
  answer(port: number, result: CheckResult): void {
    this.clock.advance(0);
    this.asked.get(port)?.(result);
  }

  /** The interval of the checks of the cluster that serves, which tells one from another; undefined when none does. */
  get servingMs(): number | undefined {
    return this.clusters.get('reviews')?.config.healthCheck?.intervals.healthyMs;
  }

  get available(): number[] {
    const hosts = this.clusters.get('reviews')?.hosts ?? [];
    return hosts.filter(({ isAvailable }) => isAvailable).map(({ endpoint }) => endpoint.port);
  }
}

describe('a new cluster with health checks', () => {
  test('is there when each of its hosts has had a result, and only the healthy ones take requests', () => {
    const warming = new Warming();
    warming.replace(edsCluster('reviews', checks('5s')));
    warming.setEndpoints(1, 2);
    warming.answer(1, 'success');
    expect([warming.servingMs, warming.clusters.isWarming]).toEqual([undefined, true]);
    warming.answer(2, 'failure');
    expect([warming.servingMs, warming.clusters.isWarming]).toEqual([5_000, false]);
    expect(warming.available).toEqual([1]);
  });

  test('does not wait for hosts where there are none, but for its endpoints', () => {
    const warming = new Warming();
    warming.replace(edsCluster('reviews', checks('5s')));
    expect(warming.servingMs).toBeUndefined();
    warming.setEndpoints();
    expect(warming.servingMs).toBe(5_000);
  });

  test('waits 5 s for hosts that say nothing, and for endpoints that never come, not longer', () => {
    const silent = new Warming();
    silent.replace(edsCluster('reviews', { health_checks: [{ ...checks('5s').health_checks?.[0], timeout: '60s' }] }));
    silent.setEndpoints(1);
    const lost = new Warming();
    lost.replace(edsCluster('reviews', checks('5s')));
    for (const warming of [silent, lost]) {
      warming.clock.advance(4_999);
      expect(warming.servingMs).toBeUndefined();
      warming.clock.advance(1);
      expect(warming.servingMs).toBe(5_000);
    }
    expect(silent.available, 'somebody has to take requests').toEqual([1]);
  });

  test('that goes again before it is warm leaves nothing behind', () => {
    const warming = new Warming();
    let isWarm = false;
    warming.replace(edsCluster('reviews', checks('5s')));
    warming.setEndpoints(1);
    warming.clock.advance(0);
    warming.clusters.onceWarm(() => (isWarm = true));
    warming.replace();
    expect([isWarm, warming.aborted, warming.clock.pendingTimers]).toEqual([true, 1, 0]);
    expect(warming.stats.entries().filter(({ name }) => name.startsWith('cluster.reviews.'))).toEqual([]);
    warming.answer(1, 'success');
    expect(warming.servingMs).toBeUndefined();
  });
});

test('a cluster without health checks is there at once', () => {
  const warming = new Warming();
  warming.replace(edsCluster('reviews'));
  expect(warming.clusters.get('reviews')).toBeDefined();
  expect(warming.clusters.isWarming).toBe(false);
});

describe('a changed cluster with health checks', () => {
  function serving(): Warming {
    const warming = new Warming();
    warming.replace(edsCluster('reviews', checks('5s')));
    warming.setEndpoints(1);
    warming.answer(1, 'success');
    warming.asked.clear();
    return warming;
  }

  test('is served by its predecessor, which hears of endpoints too, until it is warm', () => {
    const warming = serving();
    warming.replace(edsCluster('reviews', checks('7s')));
    warming.setEndpoints(1, 2);
    expect([warming.servingMs, warming.available]).toEqual([5_000, [1]]);
    warming.clock.advance(0);
    warming.answer(1, 'success');
    warming.answer(2, 'success');
    expect([warming.servingMs, warming.available]).toEqual([7_000, [1, 2]]);
    const stat = (name: string) => warming.stats.entries().find((each) => each.name === `cluster.reviews.${name}`);
    expect([stat('membership_healthy')?.value, stat('health_check.healthy')?.value]).toEqual([2, 2]);
  });

  test('that changes again warms anew; when it changes back its predecessor stays as it is', () => {
    const warming = serving();
    const before = warming.clusters.get('reviews');
    warming.replace(edsCluster('reviews', checks('7s')));
    warming.replace(edsCluster('reviews', checks('9s')));
    warming.replace(edsCluster('reviews', checks('9s')), edsCluster('other'));
    expect(warming.servingMs).toBe(5_000);
    warming.replace(edsCluster('reviews', checks('5s')));
    expect(warming.clusters.isWarming).toBe(false);
    warming.clock.advance(6_000);
    expect(warming.clusters.get('reviews')).toBe(before);
  });

  test('does not start to warm anew with a push that does not change it', () => {
    const warming = serving();
    warming.replace(edsCluster('reviews', checks('7s')));
    warming.clock.advance(0);
    const answer = warming.asked.get(1);
    warming.replace(edsCluster('reviews', checks('7s')), edsCluster('other'));
    answer?.('success');
    expect(warming.servingMs).toBe(7_000);
  });

  test('that goes takes its predecessor along', () => {
    const warming = serving();
    warming.replace(edsCluster('reviews', checks('7s')));
    warming.replace();
    expect([warming.servingMs, warming.clock.pendingTimers]).toEqual([undefined, 0]);
  });
});

test('who waits for warm clusters waits for all of them, and not at all when none is', () => {
  const warming = new Warming();
  const called: string[] = [];
  warming.clusters.onceWarm(() => called.push('none'));
  warming.replace(edsCluster('reviews', checks('5s')), edsCluster('other', checks('5s')));
  warming.setEndpoints(1);
  warming.clusters.onceWarm(() => called.push('both'));
  warming.answer(1, 'success');
  expect(called).toEqual(['none']);
  warming.clock.advance(5_000);
  expect(called).toEqual(['none', 'both']);
});

test('no request meets a host that its check finds unwell, when checks begin under load', async () => {
  const [well, unwell] = [closeAfterTest(await Backend.start('well')), closeAfterTest(await Backend.start('unwell'))];
  let checked = 0;
  unwell.respond = (request, response) => {
    checked += 1;
    response.statusCode = 503;
    response.end(request.url);
  };
  const first = staticCluster('reviews', [well.port]);
  const options = { routes: routeConfiguration([routeTo('reviews')]), clusters: [first] };
  const proxy = await closeAfterTest(new ProxyParts(options)).start();
  const answers = [echoOf(await call(proxy.port())).name];
  proxy.replaceClusters([staticCluster('reviews', [well.port, unwell.port], checks('60s'))]);
  while (proxy.clusters.isWarming) answers.push(echoOf(await call(proxy.port())).name);
  await until(() => checked === 1);
  for (let i = 0; i < 20; i++) answers.push(echoOf(await call(proxy.port())).name);
  expect(new Set(answers)).toEqual(new Set(['well']));
  expect([checked, proxy.clusters.get('reviews')?.hosts.length]).toEqual([1, 2]);
});

describe('a cluster whose TLS has secrets of SDS', () => {
  const trusting = (authority: string, rest: Cluster = {}): Cluster => {
    const named = { name: authority, sds_config: ads };
    const common_tls_context = { validation_context_sds_secret_config: named };
    const type = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
    const transport_socket = { name: 'envoy.transport_sockets.tls', typed_config: typed(type, { common_tls_context }) };
    return staticCluster('reviews', [1], { transport_socket, ...rest });
  };
  const start = async (): Promise<Warming> => {
    const warming = new Warming();
    closeAfterTest({ close: () => warming.clusters.close() });
    await warming.clusters.start();
    return warming;
  };
  const serves = ({ clusters }: Warming): boolean => clusters.get('reviews') !== undefined;

  test('takes requests when they have come, and says until then that it is not warm', async () => {
    const warming = await start();
    warming.replace(trusting('ROOTCA'));
    let isWarm = false;
    warming.clusters.onceWarm(() => (isWarm = true));
    warming.sendSecret('another');
    expect([serves(warming), warming.clusters.isWarming, isWarm]).toEqual([false, true, false]);
    warming.sendSecret('ROOTCA');
    expect([serves(warming), warming.clusters.isWarming, isWarm]).toEqual([true, false, true]);
  });

  test('takes them at once where they are there already', async () => {
    const warming = await start();
    warming.sendSecret('ROOTCA');
    warming.replace(trusting('ROOTCA'));
    expect(serves(warming)).toBe(true);
  });

  test('leaves them to its predecessor until then', async () => {
    const warming = await start();
    warming.replace(staticCluster('reviews', [1]));
    warming.replace(trusting('ROOTCA'));
    expect(warming.clusters.get('reviews')?.config.tls).toBeUndefined();
    warming.sendSecret('ROOTCA');
    expect(warming.clusters.get('reviews')?.config.tls).toBeDefined();
  });

  test('waits for the checks of its hosts besides', async () => {
    const warming = await start();
    warming.replace(trusting('ROOTCA', checks('5s')));
    warming.answer(1, 'success');
    expect(serves(warming)).toBe(false);
    warming.sendSecret('ROOTCA');
    expect(serves(warming)).toBe(true);
    warming.replace(trusting('other', checks('6s')));
    warming.sendSecret('other');
    expect(warming.servingMs).toBe(5_000);
    warming.answer(1, 'success');
    expect(warming.servingMs).toBe(6_000);
  });

  test('waits no longer than 15 s for secrets that nobody sends', async () => {
    const warming = await start();
    warming.replace(trusting('ROOTCA'));
    warming.clock.advance(14_999);
    expect(serves(warming)).toBe(false);
    warming.clock.advance(1);
    expect(serves(warming)).toBe(true);
  });

  test('waits anew for a secret that had been forgotten because nothing referred to it', async () => {
    const warming = await start();
    warming.sendSecret('ROOTCA');
    warming.replace(trusting('ROOTCA'));
    warming.certificates.retainSecrets(new Set(['ROOTCA']));
    expect(serves(warming)).toBe(true);
    warming.replace();
    warming.certificates.retainSecrets(new Set());
    warming.replace(trusting('ROOTCA'));
    expect(serves(warming)).toBe(false);
    warming.sendSecret('ROOTCA');
    expect(serves(warming)).toBe(true);
  });

  test('keeps what it was built from when the secret is forgotten', async () => {
    const warming = await start();
    warming.sendSecret('ROOTCA');
    warming.replace(trusting('ROOTCA'));
    warming.certificates.retainSecrets(new Set());
    expect(warming.clusters.get('reviews')?.tls?.current).toBeDefined();
  });
});
