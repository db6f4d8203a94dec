import { describe, expect, test } from 'vitest';
import type { LocalityLbEndpoints } from '../../../proxy/api/envoy.gen.ts';
import { murmurHash } from '../../../proxy/common/murmur-hash.ts';
import { type EndpointJson, loadAssignment } from '../../support/envoy-json.ts';
import { HostedCluster, type HostedClusterOptions } from './hosts.ts';

const down = (port: number): EndpointJson => ({ port, health_status: 'UNHEALTHY' });

function group(zone: string, endpoints: readonly EndpointJson[], rest: LocalityLbEndpoints = {}): LocalityLbEndpoints {
  return { locality: { region: 'r', zone }, ...loadAssignment('x', endpoints).endpoints?.[0], ...rest };
}

function clusterOf(groups: LocalityLbEndpoints[], options: HostedClusterOptions = {}, factor?: number): HostedCluster {
  const cluster = new HostedCluster(options.lb_policy === 'MAGLEV' ? 'MAGLEV' : 'LEAST_REQUEST', [], options);
  const policy = factor === undefined ? {} : { policy: { overprovisioning_factor: factor } };
  cluster.setAssignment({ cluster_name: 'cluster', endpoints: groups, ...policy });
  return cluster;
}

/** Percent of 4,000 requests for the ports below 10, and for the rest. */
function sharesOf(cluster: HostedCluster): [low: number, high: number] {
  const low = Object.entries(cluster.count(4_000)).reduce((sum, [port, n]) => (Number(port) < 10 ? sum + n : sum), 0);
  return [Math.round(low / 40), Math.round((4_000 - low) / 40)];
}

describe('priorities', () => {
  const low = { priority: 1 };

  test('while enough hosts of priority 0 are healthy, priority 1 gets nothing', () => {
    expect(sharesOf(clusterOf([group('b', [11, 12], low), group('a', [1, 2, 3, down(4)])]))).toEqual([100, 0]);
  });

  test('what overprovisioning does not cover spills over', () => {
    const [first, second] = sharesOf(clusterOf([group('a', [1, down(2)]), group('b', [11, 12], low)]));
    expect(Math.abs(first - 70)).toBeLessThan(4);
    expect(Math.abs(second - 30)).toBeLessThan(4);
  });

  test('when priority 0 is down everything fails over, and comes back with it', () => {
    const cluster = clusterOf([group('a', [down(1), down(2)]), group('b', [11, 12], low)]);
    expect(sharesOf(cluster)).toEqual([0, 100]);
    cluster.setAssignment({ cluster_name: 'cluster', endpoints: [group('a', [1, 2]), group('b', [11, 12], low)] });
    expect(sharesOf(cluster)).toEqual([100, 0]);
  });

  test('the factor of the assignment counts', () => {
    const [first] = sharesOf(clusterOf([group('a', [1, down(2)]), group('b', [11, 12], low)], {}, 100));
    expect(Math.abs(first - 50)).toBeLessThan(4);
  });

  test('a hash stays in its priority', () => {
    const cluster = clusterOf([group('a', [1, down(2)]), group('b', [11, 12], low)], { lb_policy: 'MAGLEV' });
    const hashes = Array.from({ length: 2_000 }, (_, i) => murmurHash(String(i)));
    const places = hashes.map((hash) => cluster.pick(hash));
    expect(hashes.map((hash) => cluster.pick(hash))).toEqual(places);
    const spilled = places.filter((port) => port !== undefined && port > 10).length / hashes.length;
    expect(Math.abs(spilled - 0.3)).toBeLessThan(0.04);
  });
});

describe('localities', () => {
  const weighted = { common_lb_config: { locality_weighted_lb_config: {} } };
  const weight = (load_balancing_weight: number): LocalityLbEndpoints => ({ load_balancing_weight });

  test('share by their weights, however many hosts each has', () => {
    const [low, high] = sharesOf(
      clusterOf([group('a', [1], weight(80)), group('b', [11, 12, 13, 14], weight(20))], weighted),
    );
    expect(Math.abs(low - 80)).toBeLessThan(3);
    expect(low + high).toBe(100);
  });

  test('only group hosts when the cluster does not ask for their weights', () => {
    const [low] = sharesOf(clusterOf([group('a', [1], weight(80)), group('b', [11, 12, 13, 14], weight(20))]));
    expect(Math.abs(low - 20)).toBeLessThan(3);
  });

  test('that lose hosts keep their share as far as overprovisioning goes', () => {
    const half = [group('a', [1, down(2)], weight(50)), group('b', [11, 12], weight(50))];
    const [low] = sharesOf(clusterOf(half, weighted));
    // 50 × 0.7 of 50 × 0.7 + 50.
    expect(Math.abs(low - 41)).toBeLessThan(4);
    expect(sharesOf(clusterOf([group('a', [down(1)], weight(50)), group('b', [11], weight(50))], weighted))).toEqual([
      0, 100,
    ]);
  });

  test('without a weight get nothing beside those that have one, and all when none has', () => {
    expect(sharesOf(clusterOf([group('a', [1]), group('b', [11], weight(1))], weighted))).toEqual([0, 100]);
    const [low] = sharesOf(clusterOf([group('a', [1]), group('b', [11])], weighted));
    expect(Math.abs(low - 50)).toBeLessThan(4);
  });

  test('share the hashes in the same way', () => {
    const groups = [group('a', [1], weight(75)), group('b', [11, 12, 13], weight(25))];
    const cluster = clusterOf(groups, { ...weighted, lb_policy: 'MAGLEV' });
    const low = Array.from({ length: 4_000 }, (_, i) => cluster.pick(murmurHash(String(i)))).filter(
      (port) => port === 1,
    );
    expect(Math.abs(low.length / 4_000 - 0.75)).toBeLessThan(0.03);
  });
});
