/**
 * Decodes `envoy.config.cluster.v3.LoadBalancingPolicy`: policies in order of preference, of which the first that a client
 * knows counts. Source: Envoy's `cluster.proto`.
 */
import type {
  LeastRequest as LeastRequestJson,
  LoadBalancingPolicy as LoadBalancingPolicyJson,
  LocalityLbConfig as LocalityLbConfigJson,
  PeakEwma as PeakEwmaJson,
} from './envoy.gen.ts';
import type { Fields, TypeTable } from './fields.ts';
import type { LbPolicy, LoadBalancing, PeakEwma } from './load-balancing.ts';
import { readRing, readSlowStartConfig, readTableSize, readZoneAware } from './policy-settings-decoder.ts';

interface ExtensionPolicy extends Partial<Omit<LoadBalancing, 'panicThresholdPercent'>> {
  readonly lbPolicy: LbPolicy;
}

const policyTypes: TypeTable<ExtensionPolicy> = {
  'envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest': readLeastRequest,
  'envoy.extensions.load_balancing_policies.maglev.v3.Maglev': (fields) => ({
    lbPolicy: 'MAGLEV',
    tableSize: readTableSize(fields),
    isLocalityWeighted: fields.message('locality_weighted_lb_config') !== undefined,
  }),
  'envoy.extensions.load_balancing_policies.peak_ewma.v3alpha.PeakEwma': (fields) => ({
    lbPolicy: 'PEAK_EWMA',
    peakEwma: readPeakEwma(fields),
  }),
  'envoy.extensions.load_balancing_policies.random.v3.Random': (fields) => ({
    lbPolicy: 'RANDOM',
    ...readLocality(fields.message('locality_lb_config')),
  }),
  'envoy.extensions.load_balancing_policies.ring_hash.v3.RingHash': (fields) => ({
    lbPolicy: 'RING_HASH',
    ...readRing(fields),
    isLocalityWeighted: fields.message('locality_weighted_lb_config') !== undefined,
  }),
  'envoy.extensions.load_balancing_policies.round_robin.v3.RoundRobin': (fields) => {
    const slowStart = fields.message('slow_start_config');
    return {
      lbPolicy: 'ROUND_ROBIN',
      ...readLocality(fields.message('locality_lb_config')),
      slowStart: slowStart && readSlowStartConfig(slowStart),
    };
  },
};

const fallback: ExtensionPolicy = { lbPolicy: 'LEAST_REQUEST' };

/** Types that are not known are refused when the bytes are read, so the first is the one that counts. */
export function readLoadBalancingPolicy(fields: Fields<LoadBalancingPolicyJson>): ExtensionPolicy {
  const policies = fields.list('policies', (policy) => {
    const extension = policy.required('typed_extension_config');
    extension.name('name');
    return extension.typed('typed_config', policyTypes) ?? fallback;
  });
  const [first] = policies;
  if (first === undefined) fields.fail('policies', 'must have at least one policy');
  return first ?? fallback;
}

/** As in a cluster's `least_request_lb_config`: two choices, and no other bias than weights. */
function readLeastRequest(fields: Fields<LeastRequestJson>): ExtensionPolicy {
  fields.only('choice_count', 2);
  fields.only('selection_method', 'N_CHOICES');
  fields.only('enable_full_scan', false);
  const slowStart = fields.message('slow_start_config');
  return {
    lbPolicy: 'LEAST_REQUEST',
    ...readLocality(fields.message('locality_lb_config')),
    slowStart: slowStart && readSlowStartConfig(slowStart),
  };
}

/** Localities have weights, or requests stay in their own. */
function readLocality(
  fields: Fields<LocalityLbConfigJson> | undefined,
): Pick<LoadBalancing, 'isLocalityWeighted' | 'zoneAware'> {
  return {
    isLocalityWeighted: fields?.message('locality_weighted_lb_config') !== undefined,
    zoneAware: readZoneAware(fields?.message('zone_aware_lb_config')),
  };
}

/** One thread measures and picks, so nothing is gathered from others. */
function readPeakEwma(fields: Fields<PeakEwmaJson>): PeakEwma {
  fields.ignore('aggregation_interval', 'max_samples_per_host');
  const decayMs = fields.durationMs('decay_time', 10_000);
  if (decayMs === 0) fields.fail('decay_time', 'must be more than 0s');
  return {
    decayMs,
    defaultRttMs: fields.durationMs('default_rtt', 10),
    penalty: fields.number('penalty_value', { defaultValue: 1_000_000 }),
  };
}
