import { describe, expect, test } from 'vitest';
import { slowStartFactor } from '../../../proxy/upstream/slow-start.ts';
import { HostedCluster } from './hosts.ts';

const config = { windowMs: 60_000, aggression: 1, minWeightPercent: 10 };

describe('the factor of a host’s weight', () => {
  test('grows in a straight line from the minimum to 1', () => {
    const factors = [0, 3_000, 30_000, 45_000, 60_000, 90_000].map((age) => slowStartFactor(age, config));
    expect(factors).toEqual([0.1, 0.1, 0.5, 0.75, 1, 1]);
  });

  test('with more aggression is larger in the beginning', () => {
    expect(slowStartFactor(15_000, { ...config, aggression: 2 })).toBe(0.5);
    expect(slowStartFactor(15_000, { ...config, aggression: 0.5 })).toBe(0.1);
  });

  test('is never 0', () => {
    expect(slowStartFactor(0, { ...config, windowMs: 1e9, minWeightPercent: 0 })).toBeGreaterThan(0);
  });
});

const slow_start_config = { slow_start_window: '60s' };

describe.each([
  ['ROUND_ROBIN', { round_robin_lb_config: { slow_start_config } }],
  ['LEAST_REQUEST', { least_request_lb_config: { slow_start_config } }],
] as const)('%s with slow start', (policy, options) => {
  function shareOfNewHost(cluster: HostedCluster): number {
    const { 3: count = 0 } = cluster.count(3_000);
    return count / 3_000;
  }

  test('gives a new host little, then more with every second, then its share', () => {
    const cluster = new HostedCluster(policy, [1, 2], options);
    cluster.clock.advance(60_000);
    cluster.setEndpoints([1, 2, 3]);
    const shares = [shareOfNewHost(cluster)];
    for (let step = 0; step < 4; step++) {
      cluster.clock.advance(15_000);
      cluster.cluster.sweepIdle(cluster.clock.monotonicMs());
      shares.push(shareOfNewHost(cluster));
    }
    expect(shares[0]).toBeLessThan(0.06);
    expect(shares.toSorted((a, b) => a - b)).toEqual(shares);
    expect(Math.abs((shares.at(-1) ?? 0) - 1 / 3)).toBeLessThan(0.03);
  });

  test('is over with its window: hosts take their turns as if it had never been', () => {
    const cluster = new HostedCluster('ROUND_ROBIN', [1, 2, 3], { round_robin_lb_config: { slow_start_config } });
    cluster.clock.advance(61_000);
    cluster.cluster.sweepIdle(cluster.clock.monotonicMs());
    for (let round = 0; round < 20; round++) {
      const picked = [1, 2, 3].map(() => {
        cluster.clock.advance(1_000);
        cluster.cluster.sweepIdle(cluster.clock.monotonicMs());
        return cluster.pick();
      });
      expect(new Set(picked)).toEqual(new Set([1, 2, 3]));
    }
  });

  test('leaves hosts alone that all came together', () => {
    const cluster = new HostedCluster(policy, [1, 2, 3], options);
    expect(Math.abs(shareOfNewHost(cluster) - 1 / 3)).toBeLessThan(0.03);
  });
});
