import { describe, expect, test } from 'vitest';
import type { Cluster, LocalityLbEndpoints } from '../../../proxy/api/envoy.gen.ts';
import { type LbPolicy, zoneAwarePolicies } from '../../../proxy/api/load-balancing.ts';
import { pickers } from '../../../proxy/upstream/picker.ts';
import { type EndpointJson, loadAssignment } from '../../support/envoy-json.ts';
import { type ZonedOptions, ZonedClusters } from './hosts.ts';

const down = (port: number): EndpointJson => ({ port, health_status: 'UNHEALTHY' });

function group(zone: string, endpoints: readonly EndpointJson[], rest: LocalityLbEndpoints = {}): LocalityLbEndpoints {
  return { locality: { region: 'r', zone }, ...loadAssignment('x', endpoints).endpoints?.[0], ...rest };
}

/** Callers in a (where the proxy is) and b. */
const callers = (a: number, b: number): LocalityLbEndpoints[] => [
  group(
    'a',
    Array.from({ length: a }, (_, i) => 100 + i),
  ),
  group(
    'b',
    Array.from({ length: b }, (_, i) => 200 + i),
  ),
];

/** Six hosts: ports below 10 in a, the others in b. */
const threeEach = [group('a', [1, 2, 3]), group('b', [11, 12, 13])];

function zoned(
  upstream: readonly LocalityLbEndpoints[],
  local: readonly LocalityLbEndpoints[],
  { policy = 'LEAST_REQUEST', ...options }: ZonedOptions & { policy?: LbPolicy } = {},
): ZonedClusters {
  const clusters = new ZonedClusters(policy, { region: 'r', zone: 'a' }, options);
  clusters.setLocal(local);
  clusters.setUpstream(upstream);
  return clusters;
}

const zoneAware = (config: object): Cluster => ({ common_lb_config: { zone_aware_lb_config: config } });

const others = (Object.keys(pickers) as LbPolicy[]).filter((policy) => !zoneAwarePolicies.has(policy));

/** What every policy promises under which zones count; the others are below. */
describe.each([...zoneAwarePolicies])('%s', (policy) => {
  test('requests stay in the own zone while it has as large a part of the hosts as of the callers', () => {
    const clusters = zoned(threeEach, callers(2, 2), { policy });
    expect(Object.keys(clusters.count(600))).toEqual(['1', '2', '3']);
    expect(clusters.stat('lb_zone_routing_all_directly')).toBe(600);
  });

  test('with more callers than hosts in the zone only the part leaves that would be too much', () => {
    // Three quarters of the callers, half of the hosts: two thirds of the requests stay.
    const clusters = zoned(threeEach, callers(6, 2), { policy });
    expect(Math.abs(clusters.shareOfA(6_000) - 2 / 3)).toBeLessThan(0.02);
    const [sampled, cross] = [clusters.stat('lb_zone_routing_sampled'), clusters.stat('lb_zone_routing_cross_zone')];
    expect(sampled + cross).toBe(6_000);
    expect(Math.abs(sampled / 6_000 - 2 / 3)).toBeLessThan(0.02);
  });

  test('a host of the zone fails: its part of the load goes to the other zone, and comes back with it', () => {
    const clusters = zoned([group('a', [1, 2, 3, 4]), group('b', [11, 12, 13, 14])], callers(2, 2), { policy });
    clusters.setUpstream([group('a', [1, 2, 3, down(4)]), group('b', [11, 12, 13, 14])]);
    // 3 of 7 hosts for half of the callers.
    expect(Math.abs(clusters.shareOfA(6_000) - 6 / 7)).toBeLessThan(0.02);
    clusters.setUpstream([group('a', [1, 2, 3, 4]), group('b', [11, 12, 13, 14])]);
    expect(clusters.shareOfA(300)).toBe(1);
  });

  test('a zone without healthy hosts gets nothing', () => {
    const clusters = zoned([group('a', [down(1)]), group('b', [11, 12, 13]), group('c', [21, 22, 23])], callers(2, 2), {
      policy,
    });
    expect(clusters.shareOfA(300)).toBe(0);
  });

  test('is done for the part of the requests that routing_enabled says', () => {
    const clusters = zoned(threeEach, callers(2, 2), { policy, ...zoneAware({ routing_enabled: { value: 20 } }) });
    // 20 % stay, of the others half.
    expect(Math.abs(clusters.shareOfA(6_000) - 0.6)).toBeLessThan(0.02);
  });
});

describe('localities make no difference', () => {
  const isPlain = (clusters: ZonedClusters): void => {
    expect(Math.abs(clusters.shareOfA(4_000) - 0.5)).toBeLessThan(0.04);
  };

  test('where no local cluster is named', () => {
    isPlain(zoned(threeEach, callers(2, 2), { isLocalKnown: false }));
  });

  test('where the workload has no service, whose local cluster is empty', () => {
    const clusters = zoned(threeEach, []);
    isPlain(clusters);
    expect(clusters.stat('lb_local_cluster_not_ok')).toBe(0);
  });

  test('where all callers are in one zone', () => {
    isPlain(zoned(threeEach, [group('a', [101, 102])]));
  });

  test('where nobody calls from the own zone, which is counted', () => {
    const clusters = zoned(threeEach, [group('b', [101]), group('c', [102])]);
    isPlain(clusters);
    expect(clusters.stat('lb_local_cluster_not_ok')).toBeGreaterThan(0);
  });

  test('with fewer healthy hosts than min_cluster_size, 6 if not set, which is counted', () => {
    const five = [group('a', [1, 2, 3]), group('b', [11, 12, down(13)])];
    const clusters = zoned(five, callers(2, 2));
    expect(clusters.shareOfA(1_000)).toBeLessThan(0.7);
    expect(clusters.stat('lb_zone_cluster_too_small')).toBeGreaterThan(0);
    expect(zoned(five, callers(2, 2), zoneAware({ min_cluster_size: 5 })).shareOfA(1_000)).toBe(1);
  });

  test('with routing_enabled of 0, and then there are no counters of it', () => {
    const clusters = zoned(threeEach, callers(2, 2), zoneAware({ routing_enabled: { value: 0 } }));
    isPlain(clusters);
    expect(clusters.statNames()).not.toContain('lb_zone_routing_cross_zone');
  });

  test('under weights of localities, unless nobody gave any', () => {
    const weighted: Cluster = { common_lb_config: { locality_weighted_lb_config: {} } };
    const weights = [
      group('a', [1, 2, 3], { load_balancing_weight: 1 }),
      group('b', [11, 12, 13], { load_balancing_weight: 1 }),
    ];
    isPlain(zoned(weights, callers(2, 2), weighted));
    expect(zoned(threeEach, callers(2, 2), weighted).shareOfA(300)).toBe(1);
  });

  test.each(others)('under %s', (policy) => {
    const clusters = zoned(threeEach, callers(2, 2), { policy });
    expect(clusters.shareOfA(2_000)).toBeLessThan(0.7);
    expect(clusters.statNames()).not.toContain('lb_zone_routing_all_directly');
  });

  test('below priority 0', () => {
    const lower = { priority: 1 };
    const upper = [group('a', [down(1)]), group('b', [down(11)])];
    isPlain(zoned([...upper, group('a', [2, 3, 4], lower), group('b', [12, 13, 14], lower)], callers(2, 2)));
  });
});

describe('panic', () => {
  const unwellCallers = [group('a', [101, down(102), down(103)]), group('b', [down(201), down(202)])];
  const unwellHosts = [group('a', [1, down(2), down(3)]), group('b', [down(11), down(12), down(13)])];

  test('of the callers: localities make no difference, or nobody is reached if the cluster wants that', () => {
    const clusters = zoned(threeEach, unwellCallers);
    expect(Math.abs(clusters.shareOfA(4_000) - 0.5)).toBeLessThan(0.04);
    expect(clusters.stat('lb_local_cluster_not_ok')).toBe(4_000);
    expect(zoned(threeEach, unwellCallers, zoneAware({ fail_traffic_on_panic: true })).pick()).toBeUndefined();
  });

  test('of the hosts: all are reached, or none if the cluster wants that', () => {
    expect(Object.keys(zoned(unwellHosts, callers(2, 2)).count(600))).toHaveLength(6);
    const strict = zoned(unwellHosts, callers(2, 2), zoneAware({ fail_traffic_on_panic: true }));
    expect(strict.pick()).toBeUndefined();
    expect(strict.stat('lb_healthy_panic')).toBe(1);
    // Also where no callers are known.
    expect(zoned(unwellHosts, [], zoneAware({ fail_traffic_on_panic: true })).pick()).toBeUndefined();
  });
});

test('callers come and go: the next request goes by how many there are now', () => {
  const clusters = zoned(threeEach, callers(2, 2));
  expect(clusters.shareOfA(300)).toBe(1);
  clusters.setLocal(callers(6, 2));
  expect(Math.abs(clusters.shareOfA(6_000) - 2 / 3)).toBeLessThan(0.02);
  clusters.setLocal([]);
  expect(Math.abs(clusters.shareOfA(4_000) - 0.5)).toBeLessThan(0.04);
});
