/** How a cluster spreads requests over its hosts, decoded from `envoy.config.cluster.v3.Cluster`, Envoy's defaults filled in. */

/** Envoy's names in `lb_policy`; PEAK_EWMA is an extension there, which only `load_balancing_policy` can name. */
export type LbPolicy = 'ROUND_ROBIN' | 'LEAST_REQUEST' | 'RANDOM' | 'RING_HASH' | 'MAGLEV' | 'PEAK_EWMA';

export interface LoadBalancing {
  /** Points on the ring of RING_HASH; defaults 1,024 and 8,388,608. */
  readonly minimumRingSize: number;
  readonly maximumRingSize: number;
  /** Slots of MAGLEV, a prime; default 65,537. */
  readonly tableSize: number;
  /** When fewer hosts than this are healthy, health is not believed and all hosts are used; 0 = never. Default 50. */
  readonly panicThresholdPercent: number;
  /** Localities get requests in proportion to their own weights; otherwise they only group hosts. */
  readonly isLocalityWeighted: boolean;
  /** Where localities have no weights, for policies that go by neither hash nor latency. */
  readonly zoneAware: ZoneAware;
  /** ROUND_ROBIN and LEAST_REQUEST: how a new host is led up to its weight; undefined = at once. */
  readonly slowStart: SlowStart | undefined;
  /** Set with PEAK_EWMA only. */
  readonly peakEwma: PeakEwma | undefined;
}

/** `envoy.extensions.load_balancing_policies.peak_ewma.v3alpha.PeakEwma`. */
export interface PeakEwma {
  /** Time in which a measurement loses all but 1/e of its weight; default 10,000. */
  readonly decayMs: number;
  /** The latency that a host is believed to have before anything was measured; default 10. */
  readonly defaultRttMs: number;
  /** Cost of a host that was asked and has never answered; default 1,000,000. */
  readonly penalty: number;
}

/**
 * `zone_aware_lb_config`: requests stay in the proxy's locality while that is fair to all hosts. In force where the
 * bootstrap names a local cluster, also for clusters that do not mention it, as in Envoy.
 */
export interface ZoneAware {
  /** Part of the requests that it is done for; default 100. */
  readonly routingEnabledPercent: number;
  /** With fewer healthy hosts localities make no difference; default 6. */
  readonly minClusterSize: number;
  /** In panic nobody is reached, instead of anybody; default false. */
  readonly failsTrafficOnPanic: boolean;
}

export const defaultZoneAware: ZoneAware = {
  routingEnabledPercent: 100,
  minClusterSize: 6,
  failsTrafficOnPanic: false,
};

/** Policies under which localities without weights count. */
export const zoneAwarePolicies: ReadonlySet<LbPolicy> = new Set(['ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM']);

export interface SlowStart {
  /** From a host's arrival until it has its whole weight. */
  readonly windowMs: number;
  /** 1 = in a straight line, more = faster in the beginning; default 1. */
  readonly aggression: number;
  /** Part of its weight that a host has at least; default 10. */
  readonly minWeightPercent: number;
}
