import { describe, expect, test } from 'vitest';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import { decodeClusterLoadAssignment } from '../../../proxy/api/endpoint-decoder.ts';
import type { Cluster, ClusterLoadAssignment } from '../../../proxy/api/envoy.gen.ts';
import { readJson } from '../../../proxy/api/protojson.ts';
import { formatFieldErrors, requireValue } from '../../../proxy/common/decoded.ts';
import { edsCluster, loadAssignment } from '../../support/envoy-json.ts';

function decode(json: Cluster) {
  return decodeCluster(requireValue(readJson('envoy.config.cluster.v3.Cluster', edsCluster('a', json)), 'sample'));
}

const settingsOf = (json: Cluster) => requireValue(decode(json), 'cluster').loadBalancing;

describe('load balancing', () => {
  test('has the defaults of Envoy', () => {
    expect(settingsOf({})).toEqual({
      minimumRingSize: 1_024,
      maximumRingSize: 8_388_608,
      tableSize: 65_537,
      panicThresholdPercent: 50,
      isLocalityWeighted: false,
      slowStart: undefined,
    });
  });

  test('takes the settings of its policy', () => {
    const ring_hash_lb_config = { minimum_ring_size: 10, maximum_ring_size: 20 };
    expect(settingsOf({ lb_policy: 'RING_HASH', ring_hash_lb_config })).toMatchObject({
      minimumRingSize: 10,
      maximumRingSize: 20,
    });
    expect(settingsOf({ lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 503 } }).tableSize).toBe(503);
    const common_lb_config = { healthy_panic_threshold: { value: 12.5 }, locality_weighted_lb_config: {} };
    expect(settingsOf({ common_lb_config })).toMatchObject({ panicThresholdPercent: 12.5, isLocalityWeighted: true });
    expect(settingsOf({ common_lb_config: { healthy_panic_threshold: {} } }).panicThresholdPercent).toBe(0);
  });

  test.each([
    [{}, undefined],
    [{ slow_start_window: '0s' }, undefined],
    [{ slow_start_window: '30s' }, { windowMs: 30_000, aggression: 1, minWeightPercent: 10 }],
    [
      {
        slow_start_window: '30s',
        aggression: { default_value: 2.5, runtime_key: 'a' },
        min_weight_percent: { value: 5 },
      },
      { windowMs: 30_000, aggression: 2.5, minWeightPercent: 5 },
    ],
  ])('slow start of %j is %j', (slow_start_config, expected) => {
    expect(settingsOf({ round_robin_lb_config: { slow_start_config } }).slowStart).toEqual(expected);
    const least_request_lb_config = { slow_start_config, choice_count: 2 };
    expect(settingsOf({ lb_policy: 'LEAST_REQUEST', least_request_lb_config }).slowStart).toEqual(expected);
  });

  test.each<[string, Cluster, RegExp]>([
    ['settings of another policy', { maglev_lb_config: {} }, /maglev_lb_config: is not supported/],
    ['a policy that is not there', { lb_policy: 'CLUSTER_PROVIDED' }, /lb_policy: .*only ROUND_ROBIN.*MAGLEV/],
    [
      'a table size that is no prime',
      { lb_policy: 'MAGLEV', maglev_lb_config: { table_size: 100 } },
      /must be a prime/,
    ],
    ['a ring without room', { lb_policy: 'RING_HASH', ring_hash_lb_config: { minimum_ring_size: 0 } }, /from 1 to/],
    [
      'a ring larger than its largest',
      { lb_policy: 'RING_HASH', ring_hash_lb_config: { maximum_ring_size: 7 } },
      /maximum_ring_size: must be at least minimum_ring_size, 1024, got 7/,
    ],
    [
      'the other hash function',
      { lb_policy: 'RING_HASH', ring_hash_lb_config: { hash_function: 'MURMUR_HASH_2' } },
      /hash_function: is not supported/,
    ],
    [
      'three choices',
      { lb_policy: 'LEAST_REQUEST', least_request_lb_config: { choice_count: 3 } },
      /choice_count: 3 is not supported/,
    ],
    [
      'no aggression at all',
      { round_robin_lb_config: { slow_start_config: { slow_start_window: '1s', aggression: { runtime_key: 'a' } } } },
      /default_value: must be more than 0/,
    ],
    [
      'zone aware routing',
      { common_lb_config: { zone_aware_lb_config: {} } },
      /zone_aware_lb_config: is not supported/,
    ],
  ])('%s is refused', (_, json, message) => {
    expect(formatFieldErrors(decode(json).errors ?? [])).toMatch(message);
  });
});

describe('endpoints', () => {
  const read = (json: ClusterLoadAssignment) =>
    decodeClusterLoadAssignment(
      requireValue(readJson('envoy.config.endpoint.v3.ClusterLoadAssignment', json), 'sample'),
    );

  test('know their locality, its weight and their priority', () => {
    const locality = { region: 'r', zone: 'z', sub_zone: 's' };
    const [group] = loadAssignment('a', [1, 2]).endpoints ?? [];
    const assignment = requireValue(
      read({
        cluster_name: 'a',
        endpoints: [
          { ...group, locality, load_balancing_weight: 3, priority: 1 },
          { ...loadAssignment('a', [3]).endpoints?.[0] },
        ],
        policy: { overprovisioning_factor: 200 },
      }),
      'assignment',
    );
    const [first, second, third] = assignment.endpoints;
    expect(first).toMatchObject({
      priority: 1,
      locality: { region: 'r', zone: 'z', subZone: 's', weight: 3 },
    });
    expect(second?.locality).toBe(first?.locality);
    expect(third).toMatchObject({ priority: 0, locality: { region: '', zone: '', subZone: '', weight: 0 } });
    expect(assignment.overprovisioningFactor).toBe(200);
  });

  test('overprovisioning is 140 by default and never 0; priorities end at 128', () => {
    expect(read(loadAssignment('a', [1])).value?.overprovisioningFactor).toBe(140);
    const none = read({ cluster_name: 'a', policy: { overprovisioning_factor: 0 } });
    expect(formatFieldErrors(none.errors ?? [])).toMatch(/policy\.overprovisioning_factor: must be from 1/);
    const late = read({ cluster_name: 'a', endpoints: [{ priority: 129 }] });
    expect(formatFieldErrors(late.errors ?? [])).toMatch(/endpoints\[0\]\.priority: must be from 0 to 128/);
  });
});
