/** Envoy's cluster statistics, under Envoy's names. */
import type { Histogram } from '../common/histogram.ts';
import type { Stat, StatsStore } from '../common/stats.ts';
import { ConnectionEndStats } from './connection-end-stats.ts';
import { ResponseStats } from './response-stats.ts';

export class ClusterStats {
  readonly requests: Stat;
  readonly requestsActive: Stat;
  readonly retries: Stat;
  /** Requests that a retry saved. */
  readonly retrySuccess: Stat;
  /** Retries that did not happen because the budget was spent, or all of them had been used up. */
  readonly retryOverflow: Stat;
  readonly retryLimitExceeded: Stat;
  readonly retryBackoffExponential: Stat;
  readonly retryBackoffRateLimited: Stat;
  /** Requests whose body became too large to be kept for a retry. */
  readonly retryAbandoned: Stat;
  readonly perTryTimeouts: Stat;
  readonly perTryIdleTimeouts: Stat;
  readonly resets: Stat;
  readonly timeouts: Stat;
  readonly noHealthy: Stat;
  readonly connections: Stat;
  readonly http1Connections: Stat;
  readonly http2Connections: Stat;
  readonly connectionsActive: Stat;
  /** Requests that did not fit into the limit of connections. */
  readonly connectionOverflow: Stat;
  /** Connections closed because they had carried, or lived for, as much as is allowed. */
  readonly connectionMaxRequests: Stat;
  readonly connectionMaxDuration: Stat;
  readonly connectionIdleTimeout: Stat;
  readonly pendingRequests: Stat;
  readonly pendingRequestsActive: Stat;
  /** Requests that failed because the circuit breaker was open. */
  readonly pendingOverflow: Stat;
  readonly pendingFailures: Stat;
  readonly connectFailures: Stat;
  readonly connectTimeouts: Stat;
  /** Of connections for requests; what checks of health send and get is not among it. */
  readonly receivedBytes: Stat;
  readonly sentBytes: Stat;
  readonly membershipTotal: Stat;
  readonly membershipHealthy: Stat;
  /** Updates by which hosts came or went. */
  readonly membershipChange: Stat;
  /** Requests that were balanced while too few hosts were healthy to believe it. */
  readonly healthyPanic: Stat;
  /** Of hosts by EDS or DNS: what was asked, what was answered, and of that what changed nothing. */
  readonly updateAttempt: Stat;
  readonly updateSuccess: Stat;
  readonly updateFailure: Stat;
  readonly updateNoRebuild: Stat;
  readonly responses: ResponseStats;
  /** Milliseconds until a connection was there. */
  readonly connectTime: Histogram;
  readonly connectionEnds: ConnectionEndStats;
  readonly #all: (Stat | Histogram)[] = [];

  constructor(stats: StatsStore, clusterName: string) {
    const prefix = `cluster.${clusterName}.`;
    const counter = (name: string): Stat => this.#keep(stats.counter(prefix + name));
    const gauge = (name: string): Stat => this.#keep(stats.gauge(prefix + name));
    this.requests = counter('upstream_rq_total');
    this.requestsActive = gauge('upstream_rq_active');
    this.retries = counter('upstream_rq_retry');
    this.retrySuccess = counter('upstream_rq_retry_success');
    this.retryOverflow = counter('upstream_rq_retry_overflow');
    this.retryLimitExceeded = counter('upstream_rq_retry_limit_exceeded');
    this.retryBackoffExponential = counter('upstream_rq_retry_backoff_exponential');
    this.retryBackoffRateLimited = counter('upstream_rq_retry_backoff_ratelimited');
    this.retryAbandoned = counter('retry_or_shadow_abandoned');
    this.perTryTimeouts = counter('upstream_rq_per_try_timeout');
    this.perTryIdleTimeouts = counter('upstream_rq_per_try_idle_timeout');
    this.resets = counter('upstream_rq_rx_reset');
    this.timeouts = counter('upstream_rq_timeout');
    this.noHealthy = counter('upstream_cx_none_healthy');
    this.connections = counter('upstream_cx_total');
    this.http1Connections = counter('upstream_cx_http1_total');
    this.http2Connections = counter('upstream_cx_http2_total');
    this.connectionsActive = gauge('upstream_cx_active');
    this.connectionOverflow = counter('upstream_cx_overflow');
    this.connectionMaxRequests = counter('upstream_cx_max_requests');
    this.connectionMaxDuration = counter('upstream_cx_max_duration_reached');
    this.connectionIdleTimeout = counter('upstream_cx_idle_timeout');
    this.pendingRequests = counter('upstream_rq_pending_total');
    this.pendingRequestsActive = gauge('upstream_rq_pending_active');
    this.pendingOverflow = counter('upstream_rq_pending_overflow');
    this.pendingFailures = counter('upstream_rq_pending_failure_eject');
    this.connectFailures = counter('upstream_cx_connect_fail');
    this.connectTimeouts = counter('upstream_cx_connect_timeout');
    this.receivedBytes = counter('upstream_cx_rx_bytes_total');
    this.sentBytes = counter('upstream_cx_tx_bytes_total');
    this.membershipTotal = gauge('membership_total');
    this.membershipHealthy = gauge('membership_healthy');
    this.membershipChange = counter('membership_change');
    this.healthyPanic = counter('lb_healthy_panic');
    this.updateAttempt = counter('update_attempt');
    this.updateSuccess = counter('update_success');
    this.updateFailure = counter('update_failure');
    this.updateNoRebuild = counter('update_no_rebuild');
    this.responses = new ResponseStats(stats, prefix, (stat) => this.#keep(stat));
    this.connectTime = stats.histogram(`${prefix}upstream_cx_connect_ms`);
    this.connectionEnds = new ConnectionEndStats(counter);
    this.#all.push(this.responses.time, this.connectTime);
  }

  /** Further ones of the same cluster, which go with it. */
  add(stats: readonly Stat[]): void {
    this.#all.push(...stats);
  }

  /** Every one of them, for when the cluster goes. */
  get all(): readonly (Stat | Histogram)[] {
    return this.#all;
  }

  #keep(stat: Stat): Stat {
    this.#all.push(stat);
    return stat;
  }
}
