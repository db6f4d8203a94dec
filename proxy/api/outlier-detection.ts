/** When a host that answers badly is taken out of rotation: decoded from `envoy.config.cluster.v3.OutlierDetection`. */
export interface OutlierDetection {
  /** Failures one after the other; the numbers are Envoy's defaults. */
  readonly consecutive5xx: ConsecutiveRule; // 5, 100 %
  readonly consecutiveGatewayFailure: ConsecutiveRule; // 5, 0 %
  readonly consecutiveLocalOriginFailure: ConsecutiveRule; // 5, 100 %
  /** The statuses that are failures; undefined: those from 500 on. */
  readonly errorStatuses: ReadonlySet<number> | undefined;
  readonly successRate: SuccessRateRule;
  readonly failurePercentage: FailurePercentageRule;
  /** Whether failures to reach a host are counted apart from its responses; otherwise they count as 5xx. */
  readonly isLocalOriginSplit: boolean;
  /** Between two looks at all hosts. Envoy's default is 10,000. */
  readonly intervalMs: number;
  /** How long the first ejection lasts; the n-th lasts n times as long. Envoy's default is 30,000. */
  readonly baseEjectionTimeMs: number;
  /** The longest ejection. Envoy's default is 300,000, or the base time if that is longer. */
  readonly maxEjectionTimeMs: number;
  /** A random part of this is added to each ejection. Default 0. */
  readonly maxEjectionTimeJitterMs: number;
  /** Share of the hosts that may be ejected at once. Envoy's default is 10. */
  readonly maxEjectionPercent: number;
  /** Whether a health check that succeeds ends an ejection. Envoy's default is true. */
  readonly isUnejectedByHealthCheck: boolean;
  /** Whether one host may be ejected even if that is more than the share. */
  readonly isOneEjectionAllowed: boolean;
}

export interface ConsecutiveRule {
  /** 0 switches the rule off. */
  readonly threshold: number;
  /** In how many of 100 cases a detected outlier is ejected. */
  readonly enforcingPercent: number;
}

interface VolumeRule {
  /** Hosts with enough requests that there must be. Envoy's default is 5. */
  readonly minimumHosts: number;
  /** Requests in an interval for a host to count. Envoy's default is 100 for success rates and 50 for failures. */
  readonly requestVolume: number;
  readonly enforcingPercent: number;
  readonly enforcingLocalOriginPercent: number;
}

export interface SuccessRateRule extends VolumeRule {
  /** A host is an outlier below mean − factor · standard deviation. Envoy's default is 1.9. */
  readonly stdevFactor: number;
}

export interface FailurePercentageRule extends VolumeRule {
  /** A host is an outlier at this share of failures. Envoy's default is 85. */
  readonly thresholdPercent: number;
}
