/** Decodes what `envoy.config.cluster.v3.Cluster` says about load balancing. */
import type { Cluster as ClusterJson, Cluster_CommonLbConfig as CommonLbConfigJson } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { type LbPolicy, type LoadBalancing, type SlowStart, zoneAwarePolicies } from './load-balancing.ts';
import { readLoadBalancingPolicy } from './load-balancing-policy-decoder.ts';
import {
  defaultRing,
  defaultTableSize,
  readRing,
  readSlowStartConfig,
  readTableSize,
  readZoneAware,
} from './policy-settings-decoder.ts';

export interface Balancing {
  readonly lbPolicy: LbPolicy;
  readonly loadBalancing: LoadBalancing;
}

const lbPolicies = ['ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM', 'RING_HASH', 'MAGLEV'] as const;

/** `load_balancing_policy` supersedes `lb_policy` and what belongs to that. `isClusterProvided`: nothing is balanced, the cluster itself knows the host. */
export function readBalancing(fields: Fields<ClusterJson>, isClusterProvided: boolean): Balancing {
  const { hasZones, ...common } = readCommon(fields.message('common_lb_config'));
  const refuse = (field: string, where: string): void =>
    fields.fail('common_lb_config', `must not have ${field} ${where}`);
  if (isClusterProvided) {
    const value = fields.take('lb_policy') ?? 'none';
    if (value !== 'CLUSTER_PROVIDED') {
      fields.fail('lb_policy', `must be CLUSTER_PROVIDED where hosts are found by destination, got ${value}`);
    }
    return { lbPolicy: lbPolicies[0], loadBalancing: { ...defaults, ...common } };
  }
  const extensions = fields.message('load_balancing_policy');
  if (extensions === undefined) {
    const lbPolicy = fields.choice('lb_policy', lbPolicies);
    if (hasZones && !zoneAwarePolicies.has(lbPolicy)) refuse('zone_aware_lb_config', `with ${lbPolicy}`);
    return { lbPolicy, loadBalancing: { ...common, ...readLoadBalancing(fields, lbPolicy) } };
  }
  fields.ignore('lb_policy');
  if (common.isLocalityWeighted) refuse('locality_weighted_lb_config', 'beside load_balancing_policy');
  if (hasZones) refuse('zone_aware_lb_config', 'beside load_balancing_policy');
  const { lbPolicy, ...settings } = readLoadBalancingPolicy(extensions);
  return { lbPolicy, loadBalancing: { ...defaults, ...common, ...settings } };
}

type PolicySettings = Omit<LoadBalancing, keyof CommonSettings>;

type CommonSettings = Pick<LoadBalancing, 'panicThresholdPercent' | 'isLocalityWeighted' | 'zoneAware'>;

const defaults: PolicySettings = {
  ...defaultRing,
  tableSize: defaultTableSize,
  slowStart: undefined,
  peakEwma: undefined,
};

/** Settings of a policy other than the cluster's own are not taken, and so reported. */
function readLoadBalancing(fields: Fields<ClusterJson>, lbPolicy: LbPolicy): PolicySettings {
  const ring = lbPolicy === 'RING_HASH' ? fields.message('ring_hash_lb_config') : undefined;
  const maglev = lbPolicy === 'MAGLEV' ? fields.message('maglev_lb_config') : undefined;
  return {
    ...defaults,
    ...(ring && readRing(ring)),
    ...(maglev && { tableSize: readTableSize(maglev) }),
    slowStart: readSlowStart(fields, lbPolicy),
  };
}

function readCommon(common: Fields<CommonLbConfigJson> | undefined): CommonSettings & { readonly hasZones: boolean } {
  const panic = common?.message('healthy_panic_threshold');
  const zones = common?.message('zone_aware_lb_config');
  return {
    panicThresholdPercent: panic?.number('value', { defaultValue: 0, max: 100 }) ?? 50,
    isLocalityWeighted: common?.message('locality_weighted_lb_config') !== undefined,
    zoneAware: readZoneAware(zones),
    hasZones: zones !== undefined,
  };
}

/** LEAST_REQUEST draws two hosts: another number, and a bias for what is active, are not taken. */
function readSlowStart(fields: Fields<ClusterJson>, lbPolicy: LbPolicy): SlowStart | undefined {
  const leastRequest = fields.message('least_request_lb_config');
  leastRequest?.only('choice_count', 2);
  const roundRobin = lbPolicy === 'ROUND_ROBIN' ? fields.message('round_robin_lb_config') : undefined;
  const slowStart =
    lbPolicy === 'LEAST_REQUEST'
      ? leastRequest?.message('slow_start_config')
      : roundRobin?.message('slow_start_config');
  return slowStart && readSlowStartConfig(slowStart);
}
