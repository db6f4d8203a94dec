/** How the hosts of a cluster are asked whether they are well: decoded from `envoy.config.core.v3.HealthCheck`. */
export interface HealthCheck {
  readonly probe: HttpProbe | TcpProbe;
  /** How long one check may take, connecting included. */
  readonly timeoutMs: number;
  readonly intervals: CheckIntervals;
  /** A random part of this comes before the first check. Default 0. */
  readonly initialJitterMs: number;
  /** A random part of this is added to each interval, and a random part of so many percent of it. Default 0. */
  readonly intervalJitterMs: number;
  readonly intervalJitterPercent: number;
  /** Failures in a row that make a healthy host unhealthy; a wrong HTTP status is enough by itself. */
  readonly unhealthyThreshold: number;
  /** Successes in a row that make an unhealthy host healthy; the first check of all decides alone. */
  readonly healthyThreshold: number;
  /** Whether checks of one host use one connection. Envoy's default is true. */
  readonly isConnectionReused: boolean;
  /** Whether a host that left the endpoints is dropped although its checks succeed. Envoy's default is false. */
  readonly isHealthIgnoredOnRemoval: boolean;
}

/** Milliseconds between checks, depending on the last result. Those that are not set are as the first. */
export interface CheckIntervals {
  readonly healthyMs: number;
  readonly unhealthyMs: number;
  /** While a host that was unhealthy succeeds, and the other way round, and the threshold is not reached. */
  readonly healthyEdgeMs: number;
  readonly unhealthyEdgeMs: number;
  /** For clusters that never had a connection. Envoy's default is 60,000. */
  readonly noTrafficMs: number;
  readonly noTrafficHealthyMs: number;
}

export interface HttpProbe {
  readonly kind: 'http';
  /** Host header of endpoints that have no hostname of their own for checks. */
  readonly host: string;
  readonly path: string;
  readonly method: string;
  readonly headers: readonly { readonly name: string; readonly value: string }[];
  readonly expectedStatuses: readonly StatusRange[];
  /** Not expected, but failures that count towards the threshold. */
  readonly retriableStatuses: readonly StatusRange[];
}

export interface TcpProbe {
  readonly kind: 'tcp';
  readonly send: Uint8Array;
  /** Each must come, in this order, with anything in between. None: that a connection was accepted is enough. */
  readonly receive: readonly Uint8Array[];
}

export interface StatusRange {
  readonly start: number;
  /** The first that is not in it. */
  readonly end: number;
}
