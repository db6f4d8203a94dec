/** Limits of a cluster, decoded from `envoy.config.cluster.v3.CircuitBreakers`, thresholds of the DEFAULT priority. */
export interface CircuitBreakers {
  /** Open connections to all hosts together. Envoy's default is 1,024. */
  readonly maxConnections: number;
  /** Requests that wait for a connection. Envoy's default is 1,024. */
  readonly maxPendingRequests: number;
  /** Requests under way. Envoy's default is 1,024. */
  readonly maxRequests: number;
  /** Retries under way. Envoy's default is 3. */
  readonly maxRetries: number;
  /** Replaces `maxRetries` where it is given. */
  readonly retryBudget: RetryBudget | undefined;
  /** Whether gauges tell how much is left of each limit. */
  readonly isRemainingTracked: boolean;
}

/** How many retries may be under way, in proportion to the requests that are active or waiting. */
export interface RetryBudget {
  /** Envoy's default is 20. */
  readonly percent: number;
  /** So many are always allowed. Envoy's default is 3. */
  readonly minRetryConcurrency: number;
}

/** How long a connection to an endpoint lives, and what keeps it alive. */
export interface ConnectionLifetime {
  /** Close an idle connection after this long; 0 = never. Envoy's default is 3,600,000. */
  readonly idleTimeoutMs: number;
  /** Take no new request on a connection that is this old; 0 = no limit, the default. */
  readonly maxConnectionDurationMs: number;
  /** Close a connection after so many requests; 0 = no limit, the default. */
  readonly maxRequestsPerConnection: number;
}

/** Probes by TCP that find dead peers (SO_KEEPALIVE). */
export interface TcpKeepalive {
  /** First probe after this long without traffic; 0 = the system's default. */
  readonly timeMs: number;
  /** Between probes; 0 = the system's default. */
  readonly intervalMs: number;
  /** So many without an answer end the connection; 0 = the system's default. */
  readonly probes: number;
}
