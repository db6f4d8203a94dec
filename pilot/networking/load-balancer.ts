/** Load balancing of a cluster, from a DestinationRule's `loadBalancer` and what stands beside it. */
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { PeakEwmaSettings } from '../../crds/peak-ewma.ts';
import type { ConsistentHash, LoadBalancerSettings } from '../../crds/traffic-policy.ts';
import type {
  Cluster,
  Cluster_CommonLbConfig,
  Cluster_LbPolicy,
  Cluster_SlowStartConfig as SlowStart,
  LeastRequest,
  PeakEwma,
} from '../../proxy/api/envoy.gen.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import { formatProtoDuration } from '../../proxy/common/duration.ts';
import type { PolicyBlocks } from '../model/destination-rules.ts';
import { weighsLocalities } from './placement.ts';
import { protoDurationOf } from './proto-duration.ts';

const lbPolicies: Readonly<Record<NonNullable<LoadBalancerSettings['simple']>, Cluster_LbPolicy | undefined>> = {
  UNSPECIFIED: undefined,
  LEAST_CONN: 'LEAST_REQUEST',
  LEAST_REQUEST: 'LEAST_REQUEST',
  ROUND_ROBIN: 'ROUND_ROBIN',
  RANDOM: 'RANDOM',
  PASSTHROUGH: undefined,
};

/** LEAST_REQUEST unless the rule says otherwise, as in Istio. */
export function buildLoadBalancer(policy: PolicyBlocks): Cluster {
  const { loadBalancer: settings } = policy;
  const peakEwma = peakEwmaOf(policy);
  if (peakEwma !== undefined) return buildPeakEwma(peakEwma);
  if (settings?.consistentHash !== undefined) return buildConsistentHash(settings.consistentHash);
  const lb_policy = lbPolicies[settings?.simple ?? 'UNSPECIFIED'] ?? 'LEAST_REQUEST';
  const slow_start_config = buildSlowStart(settings);
  if (slow_start_config === undefined) return { lb_policy };
  if (lb_policy === 'ROUND_ROBIN') return { lb_policy, round_robin_lb_config: { slow_start_config } };
  return lb_policy === 'LEAST_REQUEST' ? { lb_policy, least_request_lb_config: { slow_start_config } } : { lb_policy };
}

/**
 * What counts for all policies. With outlier detection there is no panic mode unless `minHealthPercent` asks for one (D7).
 * Envoy refuses weights of localities beside a policy that is an extension; there only priorities are in force.
 */
export function buildCommonLoadBalancing(
  policy: PolicyBlocks,
  meshConfig: MeshConfig,
): Pick<Cluster, 'common_lb_config'> {
  const { outlierDetection } = policy;
  const common = {
    ...(outlierDetection === undefined
      ? {}
      : { healthy_panic_threshold: { value: outlierDetection.minHealthPercent ?? 0 } }),
    ...buildLocalities(policy, meshConfig),
  };
  return Object.keys(common).length === 0 ? {} : { common_lb_config: common };
}

const notZoneAware = { routing_enabled: { value: 0 } };

/**
 * With a local cluster in its bootstrap an Envoy keeps requests in its zone unless it is told not to. Where a hash or
 * latency decides it has no say in that.
 */
function buildLocalities(policy: PolicyBlocks, meshConfig: MeshConfig): Cluster_CommonLbConfig {
  if (peakEwmaOf(policy) !== undefined) return {};
  if (weighsLocalities(policy, meshConfig)) return { locality_weighted_lb_config: {} };
  const { consistentHash, zoneAwareLbSetting } = policy.loadBalancer ?? {};
  if (consistentHash !== undefined) return {};
  const { enabled = zoneAwareLbSetting !== undefined, minClusterSize } = zoneAwareLbSetting ?? {};
  return {
    zone_aware_lb_config: {
      ...(enabled ? {} : notZoneAware),
      ...(minClusterSize === undefined ? {} : { min_cluster_size: minClusterSize }),
    },
  };
}

/** A subset of another rule may want something else. */
function peakEwmaOf({ peakEwma, loadBalancer }: PolicyBlocks): PeakEwmaSettings | undefined {
  const { simple = 'UNSPECIFIED', consistentHash, localityLbSetting, zoneAwareLbSetting } = loadBalancer ?? {};
  const hasShares = (localityLbSetting?.distribute?.length ?? 0) > 0 || zoneAwareLbSetting !== undefined;
  const isElse = simple !== 'UNSPECIFIED' || consistentHash !== undefined || hasShares;
  return isElse ? undefined : peakEwma;
}

/**
 * Envoy has the policy in its contrib build, where it also needs its HTTP filter to measure; any other takes the next one
 * of the list. Envoy believes that a host takes 10 ms before it has answered, and faster hosts would keep it from ever
 * being asked; with nothing it is asked at once, and then not again before it has answered (as in Finagle).
 */
function buildPeakEwma({ decayMs }: PeakEwmaSettings): Cluster {
  const decay = decayMs === undefined ? {} : { decay_time: formatProtoDuration(decayMs) };
  const config: PeakEwma = { ...decay, default_rtt: '0s' };
  const fallback: LeastRequest = { locality_lb_config: { zone_aware_lb_config: notZoneAware } };
  return {
    load_balancing_policy: {
      policies: [
        {
          typed_extension_config: {
            name: 'envoy.load_balancing_policies.peak_ewma',
            typed_config: {
              '@type': typeUrlOf('envoy.extensions.load_balancing_policies.peak_ewma.v3alpha.PeakEwma'),
              ...config,
            },
          },
        },
        {
          typed_extension_config: {
            name: 'envoy.load_balancing_policies.least_request',
            typed_config: {
              '@type': typeUrlOf('envoy.extensions.load_balancing_policies.least_request.v3.LeastRequest'),
              ...fallback,
            },
          },
        },
      ],
    },
  };
}

/** A ring unless Maglev is asked for; 0 stands for the default (D9). */
function buildConsistentHash({ maglev, ringHash, minimumRingSize }: ConsistentHash): Cluster {
  if (maglev !== undefined) {
    const { tableSize = 0 } = maglev;
    return { lb_policy: 'MAGLEV', ...(tableSize === 0 ? {} : { maglev_lb_config: { table_size: tableSize } }) };
  }
  const size = ringHash?.minimumRingSize ?? minimumRingSize ?? 0;
  return { lb_policy: 'RING_HASH', ...(size === 0 ? {} : { ring_hash_lb_config: { minimum_ring_size: size } }) };
}

/** `warmupDurationSecs` is the older spelling of `warmup.duration`. */
function buildSlowStart(settings: LoadBalancerSettings | undefined): SlowStart | undefined {
  const { warmup, warmupDurationSecs } = settings ?? {};
  const duration = warmup?.duration ?? warmupDurationSecs;
  if (duration === undefined) return undefined;
  const { minimumPercent, aggression } = warmup ?? {};
  return {
    slow_start_window: protoDurationOf(duration),
    ...(minimumPercent === undefined ? {} : { min_weight_percent: { value: minimumPercent } }),
    ...(aggression === undefined ? {} : { aggression: { default_value: aggression, runtime_key: aggressionKey } }),
  };
}

/** Envoy wants a key for everything that its runtime could override. */
const aggressionKey = 'upstream.slow_start.aggression';
