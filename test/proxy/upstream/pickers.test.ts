import { describe, expect, test } from 'vitest';
import type { LocalityLbEndpoints } from '../../../proxy/api/envoy.gen.ts';
import type { LbPolicy } from '../../../proxy/api/load-balancing.ts';
import { murmurHash } from '../../../proxy/common/murmur-hash.ts';
import { hashPolicies, pickers } from '../../../proxy/upstream/picker.ts';
import { type EndpointJson, loadAssignment, peakEwmaPolicy } from '../../support/envoy-json.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { HostedCluster } from './hosts.ts';

const policies = Object.keys(pickers) as LbPolicy[];

const group = (endpoints: readonly EndpointJson[], rest: LocalityLbEndpoints = {}): LocalityLbEndpoints => ({
  ...loadAssignment('cluster', endpoints).endpoints?.[0],
  ...rest,
});

const down = (port: number): EndpointJson => ({ port, health_status: 'UNHEALTHY' });

/** What every picker promises, whatever its policy. */
describe.each(policies)('%s', (policy) => {
  test('without hosts there is none to pick', () => {
    const cluster = new HostedCluster(policy);
    expect(cluster.pick()).toBeUndefined();
    expect(cluster.pick()).toBeUndefined();
  });

  test('of one host it is always that one', () => {
    expect(new HostedCluster(policy, [1]).count(20)).toEqual({ 1: 20 });
    expect(new HostedCluster(policy, [{ port: 1, load_balancing_weight: 7 }]).count(20)).toEqual({ 1: 20 });
  });

  test('every host gets its turn', () => {
    const counts = new HostedCluster(policy, [1, 2, 3, 4]).count(4_000);
    expect(Object.keys(counts)).toHaveLength(4);
    for (const count of Object.values(counts))
      expect(Math.abs(count - 1_000)).toBeLessThan(policy === 'RING_HASH' ? 150 : 100);
  });

  test.each(['UNHEALTHY', 'DRAINING', 'TIMEOUT', 'DEGRADED'] as const)(
    'a host that is %s is never picked',
    (health_status) => {
      const cluster = new HostedCluster(policy, [1, { port: 2, health_status }, 3]);
      expect(Object.keys(cluster.count(500))).toEqual(['1', '3']);
    },
  );

  test('when no host is healthy there is none to pick', () => {
    const unhealthy = [{ port: 1, health_status: 'UNHEALTHY' }] as const;
    const common_lb_config = { healthy_panic_threshold: { value: 0 } };
    expect(new HostedCluster(policy, unhealthy, { common_lb_config }).pick()).toBeUndefined();
  });

  test('when hardly any host is healthy all are picked, unless the panic threshold is 0', () => {
    const hosts = [1, { port: 2, health_status: 'UNHEALTHY' }, { port: 3, health_status: 'UNHEALTHY' }] as const;
    const pickedWith = (value: number): string[] =>
      Object.keys(
        new HostedCluster(policy, hosts, { common_lb_config: { healthy_panic_threshold: { value } } }).count(500),
      );
    expect(pickedWith(50)).toEqual(['1', '2', '3']);
    expect(pickedWith(0)).toEqual(['1']);
    // A third is healthy.
    expect(pickedWith(33)).toEqual(['1']);
    expect(Object.keys(new HostedCluster(policy, hosts).count(500))).toEqual(['1', '2', '3']);
  });

  test('weights are shares', () => {
    const cluster = new HostedCluster(policy, [
      { port: 1, load_balancing_weight: 1 },
      { port: 2, load_balancing_weight: 2 },
      { port: 3, load_balancing_weight: 7 },
    ]);
    const { 1: one = 0, 2: two = 0, 3: three = 0 } = cluster.count(10_000);
    // Two choices prefer the host with more room, so LEAST_REQUEST leans towards the heavy ones beyond their share.
    const slack = policy === 'LEAST_REQUEST' ? 0.22 : 0.02;
    expect(Math.abs(one / 10_000 - 0.1)).toBeLessThan(slack);
    expect(Math.abs(two / 10_000 - 0.2)).toBeLessThan(slack);
    expect(Math.abs(three / 10_000 - 0.7)).toBeLessThan(slack);
    expect(one).toBeLessThan(two);
  });

  test('a new list takes effect with the next pick', () => {
    const cluster = new HostedCluster(policy, [1, 2]);
    cluster.count(5);
    cluster.setEndpoints([3, 4]);
    expect(Object.keys(cluster.count(100))).toEqual(['3', '4']);
    cluster.setEndpoints([]);
    expect(cluster.pick()).toBeUndefined();
  });

  test('a host that stays is the same object, and one that returns is a new one', () => {
    const hosted = new HostedCluster(policy, [1, 2]);
    const { cluster } = hosted;
    const [first, second] = cluster.hosts;
    hosted.setEndpoints([1]);
    expect(cluster.hosts).toEqual([first]);
    expect(second?.isRemoved).toBe(true);
    hosted.setEndpoints([1, 2]);
    expect(cluster.hosts[0]).toBe(first);
    expect(cluster.hosts[1]).not.toBe(second);
  });

  test('a repeated attempt goes elsewhere after a few tries when there is an elsewhere', () => {
    const { cluster } = new HostedCluster(policy, [1, 2, 3]);
    for (let hash = 0; hash < 300; hash++) {
      const previous = cluster.pick(hash * 14_316_557);
      const others = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map((attempt) => cluster.pick(hash * 14_316_557, attempt));
      expect(others.some((host) => host !== previous)).toBe(true);
    }
  });

  test('only hosts of the list that may be picked are, whatever lists follow each other', () => {
    const random = seededRandom(7);
    const hosted = new HostedCluster(policy, [], { common_lb_config: { healthy_panic_threshold: { value: 0 } } });
    for (let round = 0; round < 150; round++) {
      const endpoints = Array.from({ length: Math.floor(random() * 7) }, (_, i) => ({
        port: 1 + i * 2 + Math.floor(random() * 2),
        load_balancing_weight: 1 + Math.floor(random() * 5),
        health_status: random() < 0.3 ? ('UNHEALTHY' as const) : ('HEALTHY' as const),
      }));
      hosted.setEndpoints(endpoints);
      const allowed = endpoints.filter((endpoint) => endpoint.health_status === 'HEALTHY').map(({ port }) => port);
      for (let i = 0; i < 20; i++) {
        const host = hosted.cluster.pick(random() < 0.5 ? Math.floor(random() * 2 ** 32) : undefined, i % 4);
        if (allowed.length === 0) expect(host).toBeUndefined();
        else expect(allowed).toContain(host?.endpoint.port);
        if (host !== undefined) {
          host.activeRequests = Math.floor(random() * 3);
          host.latency?.record(random() * 100, hosted.clock.monotonicMs());
        }
        hosted.clock.advance(1);
      }
    }
  });

  test('a host is ejected: the others share its requests, and it has its part again when it returns', () => {
    const hosted = new HostedCluster(policy, [1, 2, 3]);
    const [first] = hosted.cluster.hosts;
    first!.isEjected = true;
    expect(Object.keys(hosted.count(300))).toEqual(['2', '3']);
    first!.isEjected = false;
    expect(Object.keys(hosted.count(300))).toEqual(['1', '2', '3']);
  });

  test('a lower priority is used when the upper one fails, and never otherwise', () => {
    const hosted = new HostedCluster(policy);
    const lower = group([11, 12], { priority: 1 });
    hosted.setAssignment({ cluster_name: 'cluster', endpoints: [group([1, 2]), lower] });
    expect(Object.keys(hosted.count(300))).toEqual(['1', '2']);
    hosted.setAssignment({ cluster_name: 'cluster', endpoints: [group([down(1), down(2)]), lower] });
    expect(Object.keys(hosted.count(300))).toEqual(['11', '12']);
  });

  test('a retry may pass over priorities: the others take its load, and of none left there is no picker', () => {
    const hosted = new HostedCluster(policy);
    const endpoints = [group([1, 2]), group([11, 12], { priority: 1 }), group([down(21)], { priority: 2 })];
    hosted.setAssignment({ cluster_name: 'cluster', endpoints });
    const portsWithout = (...priorities: readonly number[]): (number | undefined)[] | undefined => {
      const picker = hosted.cluster.pickerWithout(new Set(priorities));
      if (picker === undefined) return undefined;
      const ports = Array.from({ length: 200 }, (_, i) => picker.pick(murmurHash(String(i)))?.endpoint.port);
      return [...new Set(ports)].sort((a, b) => (a ?? 0) - (b ?? 0));
    };
    expect(portsWithout(0)).toEqual([11, 12]);
    expect(portsWithout(1)).toEqual([1, 2]);
    expect(portsWithout(0, 1)).toBeUndefined();
    expect(portsWithout(7)).toEqual([1, 2]);
    // A new list forgets what was known about the old one.
    hosted.setAssignment({ cluster_name: 'cluster', endpoints: [group([1]), group([13], { priority: 1 })] });
    expect(portsWithout(0)).toEqual([13]);
  });

  test('one hash has one host where the policy goes by it, and says nothing elsewhere', () => {
    const { cluster } = new HostedCluster(policy, [1, 2, 3, 4, 5]);
    const hosts = new Set(Array.from({ length: 200 }, () => cluster.pick(4_711)));
    expect(hosts.size).toBe(hashPolicies.has(policy) ? 1 : 5);
  });

  test('the same random numbers make the same choices', () => {
    const picks = (seed: number): (number | undefined)[] => {
      const cluster = new HostedCluster(policy, [1, 2, 3, 4, 5], { seed });
      return Array.from({ length: 50 }, () => cluster.pick());
    };
    expect(picks(3)).toEqual(picks(3));
    expect(picks(3)).not.toEqual(picks(4));
  });
});

/** Beside latency Envoy knows no weights of localities, and such a cluster is refused. */
const weighingLocalities = policies.filter((policy) => policy !== 'PEAK_EWMA');

test.each(weighingLocalities)('%s: localities share by their weights', (policy) => {
  const hosted = new HostedCluster(policy, [], { common_lb_config: { locality_weighted_lb_config: {} } });
  const endpoints = [
    group([1], { locality: { zone: 'a' }, load_balancing_weight: 80 }),
    group([11, 12, 13, 14], { locality: { zone: 'b' }, load_balancing_weight: 20 }),
  ];
  hosted.setAssignment({ cluster_name: 'cluster', endpoints });
  const { 1: first = 0 } = hosted.count(4_000);
  expect(Math.abs(first / 4_000 - 0.8)).toBeLessThan(0.04);
});

describe('ROUND_ROBIN', () => {
  test('is exactly fair: in any window of n picks each of n hosts is picked once', () => {
    const cluster = new HostedCluster('ROUND_ROBIN', [1, 2, 3, 4, 5]);
    cluster.count(3);
    for (let round = 0; round < 10; round++) expect(cluster.count(5)).toEqual({ 1: 1, 2: 1, 3: 1, 4: 1, 5: 1 });
  });

  test('with weights is exact over a whole round, and no host waits through another one’s whole share', () => {
    const cluster = new HostedCluster('ROUND_ROBIN', [
      { port: 1, load_balancing_weight: 5 },
      { port: 2, load_balancing_weight: 1 },
      { port: 3, load_balancing_weight: 1 },
    ]);
    const round = (): (number | undefined)[] => Array.from({ length: 7 }, () => cluster.pick());
    const first = round();
    expect(first.filter((port) => port === 1)).toHaveLength(5);
    expect(first.join('')).not.toContain('1111');
    expect(round()).toEqual(first);
  });

  test('does not start at the same host in every proxy', () => {
    const starts = new Set(
      Array.from({ length: 20 }, (_, seed) => new HostedCluster('ROUND_ROBIN', [1, 2, 3, 4], { seed }).pick()),
    );
    expect(starts.size).toBe(4);
  });
});

describe('LEAST_REQUEST', () => {
  test('of two hosts the busy one gets only what chance forces on it', () => {
    const cluster = new HostedCluster('LEAST_REQUEST', [1, 2]);
    cluster.cluster.hosts[0]!.activeRequests = 10;
    const { 1: busy = 0 } = cluster.count(2_000);
    // Both choices fall on it once in four.
    expect(Math.abs(busy / 2_000 - 0.25)).toBeLessThan(0.04);
  });

  test('counts what is active in proportion to the weight', () => {
    const cluster = new HostedCluster('LEAST_REQUEST', [
      { port: 1, load_balancing_weight: 1 },
      { port: 2, load_balancing_weight: 4 },
    ]);
    const [light, heavy] = cluster.cluster.hosts;
    light!.activeRequests = 1;
    heavy!.activeRequests = 4;
    const { 2: count = 0 } = cluster.count(1_000);
    expect(count).toBeGreaterThan(900);
  });

  test('keeps the load of its hosts level', () => {
    const { cluster } = new HostedCluster('LEAST_REQUEST', [1, 2, 3, 4]);
    for (let i = 0; i < 400; i++) cluster.pick()!.activeRequests += 1;
    for (const { activeRequests } of cluster.hosts) expect(Math.abs(activeRequests - 100)).toBeLessThanOrEqual(3);
  });
});

describe('PEAK_EWMA', () => {
  /** Sends `count` requests one after the other; the host at port n answers after `latencyMs[n]`. */
  function serve(
    hosted: HostedCluster,
    count: number,
    latencyMs: Readonly<Record<number, number>>,
  ): Record<number, number> {
    const counts: Record<number, number> = {};
    for (let i = 0; i < count; i++) {
      const host = hosted.cluster.pick();
      const port = host?.endpoint.port ?? 0;
      const rtt = latencyMs[port] ?? 1;
      hosted.clock.advance(rtt);
      host?.latency?.record(rtt, hosted.clock.monotonicMs());
      counts[port] = (counts[port] ?? 0) + 1;
    }
    return counts;
  }

  test('a host that is ten times slower gets hardly anything', () => {
    const hosted = new HostedCluster('PEAK_EWMA', [1, 2, 3, 4]);
    const { 1: slow = 0, ...others } = serve(hosted, 2_000, { 1: 50, 2: 5, 3: 5, 4: 5 });
    expect(slow / 2_000).toBeLessThan(0.02);
    // And at least one, or nobody would know.
    expect(slow).toBeGreaterThan(0);
    for (const count of Object.values(others)) expect(count / 2_000).toBeGreaterThan(0.2);
  });

  test('a host that becomes slow is left at once, and found again when it has recovered', () => {
    const hosted = new HostedCluster('PEAK_EWMA', [1, 2]);
    serve(hosted, 200, { 1: 5, 2: 5 });
    const { 1: stalled = 0 } = serve(hosted, 500, { 1: 500, 2: 5 });
    expect(stalled).toBeLessThan(5);
    const { 1: recovered = 0 } = serve(hosted, 20_000, { 1: 5, 2: 5 });
    expect(recovered).toBeGreaterThan(1_000);
  });

  test('of two equally fast hosts the one with fewer requests is asked', () => {
    const hosted = new HostedCluster('PEAK_EWMA', [1, 2]);
    serve(hosted, 50, { 1: 5, 2: 5 });
    hosted.cluster.hosts[0]!.activeRequests = 10;
    const { 1: busy = 0 } = hosted.count(1_000);
    expect(busy).toBe(0);
  });

  test('a slow idle host is taken before a fast one with a long queue', () => {
    const hosted = new HostedCluster('PEAK_EWMA', [1, 2]);
    serve(hosted, 50, { 1: 5, 2: 20 });
    const [fast, slow] = hosted.cluster.hosts;
    fast?.latency?.record(5, hosted.clock.monotonicMs());
    slow?.latency?.record(20, hosted.clock.monotonicMs());
    fast!.activeRequests = 30;
    expect(hosted.count(200)[2]).toBeGreaterThan(180);
  });

  test('a new host is asked once, and again only when it has answered', () => {
    const hosted = new HostedCluster('PEAK_EWMA', [1, 2]);
    serve(hosted, 100, { 1: 50, 2: 50 });
    hosted.setEndpoints([1, 2, 3]);
    const first = Array.from({ length: 50 }, () => hosted.cluster.pick()).find((host) => host?.endpoint.port === 3);
    first!.activeRequests = 1;
    expect(hosted.count(300)).not.toHaveProperty('3');
    first!.activeRequests = 0;
    first!.latency?.record(5, hosted.clock.monotonicMs());
    expect(hosted.count(300)[3]).toBeGreaterThan(150);
  });

  test('with a default of nothing every new host is asked before others are asked again', () => {
    const hosted = new HostedCluster('PEAK_EWMA', [1, 2, 3, 4], peakEwmaPolicy({ default_rtt: '0s' }));
    serve(hosted, 30, { 1: 1, 2: 1, 3: 1, 4: 1 });
    hosted.setEndpoints([1, 2, 3, 4, 5]);
    expect(Object.keys(serve(hosted, 10, { 1: 1, 2: 1, 3: 1, 4: 1, 5: 1 }))).toContain('5');
    expect(
      Object.keys(serve(new HostedCluster('PEAK_EWMA', [1, 2, 3, 4]), 100, { 1: 1, 2: 1, 3: 1, 4: 1 })),
    ).not.toHaveLength(4);
  });

  test('what is known of a host survives a new list that it is on', () => {
    const hosted = new HostedCluster('PEAK_EWMA', [1, 2]);
    serve(hosted, 100, { 1: 100, 2: 20 });
    hosted.setEndpoints([1, 2, 3]);
    expect(hosted.count(300)).not.toHaveProperty('1');
  });

  test('other policies measure nothing', () => {
    for (const policy of policies) {
      const [host] = new HostedCluster(policy, [1]).cluster.hosts;
      expect(host?.latency === undefined).toBe(policy !== 'PEAK_EWMA');
    }
  });
});
