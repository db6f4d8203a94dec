import { describe, expect, test } from 'vitest';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import { decodeClusterLoadAssignment } from '../../../proxy/api/endpoint-decoder.ts';
import type { Cluster, ClusterLoadAssignment, LeastRequest } from '../../../proxy/api/envoy.gen.ts';
import { readJson } from '../../../proxy/api/protojson.ts';
import { formatFieldErrors, requireValue } from '../../../proxy/common/decoded.ts';
import { edsCluster, loadAssignment, peakEwmaPolicy } from '../../support/envoy-json.ts';

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
      zoneAware: { routingEnabledPercent: 100, minClusterSize: 6, failsTrafficOnPanic: false },
      slowStart: undefined,
      peakEwma: undefined,
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

  test('takes zone aware routing, percents rounded as Envoy does', () => {
    const zone_aware_lb_config = { routing_enabled: { value: 49.6 }, min_cluster_size: 0, fail_traffic_on_panic: true };
    const zoneAware = { routingEnabledPercent: 50, minClusterSize: 0, failsTrafficOnPanic: true };
    expect(settingsOf({ common_lb_config: { zone_aware_lb_config } })).toMatchObject({ zoneAware });
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
      'zone aware routing where the hash decides',
      { lb_policy: 'MAGLEV', common_lb_config: { zone_aware_lb_config: {} } },
      /common_lb_config: must not have zone_aware_lb_config with MAGLEV/,
    ],
    [
      'zone aware routing of more than everything',
      { common_lb_config: { zone_aware_lb_config: { routing_enabled: { value: 101 } } } },
      /zone_aware_lb_config\.routing_enabled\.value: must be/,
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

describe('load_balancing_policy', () => {
  const leastRequestPolicy = (config: LeastRequest = {}) => ({
    typed_extension_config: {
      name: 'envoy.load_balancing_policies.least_request',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest',
        ...config,
      },
    },
  });
  const [peakEwma = {}] = peakEwmaPolicy().load_balancing_policy?.policies ?? [];
  const balancingOf = (json: Cluster) => {
    const { lbPolicy, loadBalancing } = requireValue(decode(json), 'cluster');
    return { lbPolicy, ...loadBalancing };
  };

  test('names PEAK_EWMA, with the defaults of Envoy', () => {
    expect(balancingOf(peakEwmaPolicy())).toMatchObject({
      lbPolicy: 'PEAK_EWMA',
      peakEwma: { decayMs: 10_000, defaultRttMs: 10, penalty: 1_000_000 },
      panicThresholdPercent: 50,
    });
    const config = { decay_time: '2s', default_rtt: '0.5s', penalty_value: 7.5 };
    expect(balancingOf(peakEwmaPolicy(config)).peakEwma).toEqual({ decayMs: 2_000, defaultRttMs: 500, penalty: 7.5 });
  });

  test('goes before lb_policy, and of several the first counts', () => {
    expect(balancingOf({ lb_policy: 'RANDOM', ...peakEwmaPolicy() }).lbPolicy).toBe('PEAK_EWMA');
    const policies = [leastRequestPolicy(), peakEwma];
    expect(balancingOf({ load_balancing_policy: { policies } })).toMatchObject({
      lbPolicy: 'LEAST_REQUEST',
      peakEwma: undefined,
    });
    expect(balancingOf({ load_balancing_policy: { policies: policies.toReversed() } }).lbPolicy).toBe('PEAK_EWMA');
  });

  test('may be LEAST_REQUEST with slow start and weights of localities', () => {
    const policy = leastRequestPolicy({
      choice_count: 2,
      slow_start_config: { slow_start_window: '30s' },
      locality_lb_config: { locality_weighted_lb_config: {} },
    });
    expect(balancingOf({ load_balancing_policy: { policies: [policy] } })).toMatchObject({
      lbPolicy: 'LEAST_REQUEST',
      isLocalityWeighted: true,
      slowStart: { windowMs: 30_000, aggression: 1, minWeightPercent: 10 },
    });
  });

  const policyOf = (type: string, config: object): Cluster => {
    const typed_config = { '@type': `type.googleapis.com/envoy.extensions.load_balancing_policies.${type}`, ...config };
    return { load_balancing_policy: { policies: [{ typed_extension_config: { name: 'any', typed_config } }] } };
  };

  test.each<[string, object, object]>([
    [
      'round_robin.v3.RoundRobin',
      { slow_start_config: { slow_start_window: '5s' }, locality_lb_config: { locality_weighted_lb_config: {} } },
      {
        lbPolicy: 'ROUND_ROBIN',
        slowStart: { windowMs: 5_000, aggression: 1, minWeightPercent: 10 },
        isLocalityWeighted: true,
      },
    ],
    ['random.v3.Random', {}, { lbPolicy: 'RANDOM', isLocalityWeighted: false }],
    [
      'ring_hash.v3.RingHash',
      { minimum_ring_size: 10, maximum_ring_size: 20, locality_weighted_lb_config: {} },
      { lbPolicy: 'RING_HASH', minimumRingSize: 10, maximumRingSize: 20, isLocalityWeighted: true },
    ],
    ['maglev.v3.Maglev', { table_size: 503 }, { lbPolicy: 'MAGLEV', tableSize: 503, isLocalityWeighted: false }],
  ])('may be %s', (type, config, expected) => {
    expect(balancingOf(policyOf(type, config))).toMatchObject(expected);
  });

  test('may have zones', () => {
    const zone_aware_lb_config = { min_cluster_size: 2 };
    const policies = [leastRequestPolicy({ locality_lb_config: { zone_aware_lb_config } })];
    expect(settingsOf({ load_balancing_policy: { policies } }).zoneAware).toMatchObject({ minClusterSize: 2 });
  });

  test.each<[string, Cluster, RegExp]>([
    ['a ring too small', policyOf('ring_hash.v3.RingHash', { maximum_ring_size: 9 }), /maximum_ring_size: must be at/],
    [
      'another hash',
      policyOf('ring_hash.v3.RingHash', { hash_function: 'MURMUR_HASH_2' }),
      /hash_function: is not sup/,
    ],
    [
      'bounded loads',
      policyOf('maglev.v3.Maglev', { consistent_hashing_lb_config: {} }),
      /consistent_hashing.*not sup/,
    ],
    ['nothing', { load_balancing_policy: {} }, /load_balancing_policy\.policies: must have at least one policy/],
    [
      'what stands beside another policy',
      { ...peakEwmaPolicy(), common_lb_config: { locality_weighted_lb_config: {} } },
      /common_lb_config: must not have locality_weighted_lb_config beside load_balancing_policy/,
    ],
    ['settings of lb_policy', { ...peakEwmaPolicy(), round_robin_lb_config: {} }, /round_robin_lb_config: is not supp/],
    ['no decay', peakEwmaPolicy({ decay_time: '0s' }), /typed_config\.decay_time: must be more than 0s/],
    [
      'three choices',
      { load_balancing_policy: { policies: [leastRequestPolicy({ choice_count: 3 })] } },
      /choice_count: 3 is not supported, only 2/,
    ],
    [
      'zones that belong to lb_policy',
      { ...peakEwmaPolicy(), common_lb_config: { zone_aware_lb_config: {} } },
      /common_lb_config: must not have zone_aware_lb_config beside load_balancing_policy/,
    ],
  ])('is refused with %s', (_, json, fault) => {
    expect(formatFieldErrors(decode(json).errors ?? [])).toMatch(fault);
  });
});
