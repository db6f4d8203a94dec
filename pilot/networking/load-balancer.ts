/** Load balancing of a cluster, from a DestinationRule's `loadBalancer`. */
import type { ConsistentHash, LoadBalancerSettings } from '../../crds/traffic-policy.ts';
import type { Cluster, Cluster_LbPolicy, Cluster_SlowStartConfig as SlowStart } from '../../proxy/api/envoy.gen.ts';
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
export function buildLoadBalancer(settings: LoadBalancerSettings | undefined): Cluster {
  if (settings?.consistentHash !== undefined) return buildConsistentHash(settings.consistentHash);
  const lb_policy = lbPolicies[settings?.simple ?? 'UNSPECIFIED'] ?? 'LEAST_REQUEST';
  const slow_start_config = buildSlowStart(settings);
  if (slow_start_config === undefined) return { lb_policy };
  if (lb_policy === 'ROUND_ROBIN') return { lb_policy, round_robin_lb_config: { slow_start_config } };
  return lb_policy === 'LEAST_REQUEST' ? { lb_policy, least_request_lb_config: { slow_start_config } } : { lb_policy };
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
