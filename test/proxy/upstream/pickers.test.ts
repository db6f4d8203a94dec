import { describe, expect, test } from 'vitest';
import type { LbPolicy } from '../../../proxy/api/load-balancing.ts';
import { pickers } from '../../../proxy/upstream/picker.ts';
import { HostedCluster } from './hosts.ts';

const policies = Object.keys(pickers) as LbPolicy[];

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

  test('the same random numbers make the same choices', () => {
    const picks = (seed: number): (number | undefined)[] => {
      const cluster = new HostedCluster(policy, [1, 2, 3, 4, 5], { seed });
      return Array.from({ length: 50 }, () => cluster.pick());
    };
    expect(picks(3)).toEqual(picks(3));
    expect(picks(3)).not.toEqual(picks(4));
  });
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
