/**
 * Envoy's circuit breaker of a cluster: four limits, each on a number that the statistics count anyway. Beyond a limit
 * requests fail at once instead of piling up in front of a service that cannot keep pace.
 */
import type { CircuitBreakers } from '../api/circuit-breakers.ts';
import type { Stat, StatsStore } from '../common/stats.ts';
import type { ClusterStats } from './cluster-stats.ts';

export class CircuitBreaker {
  readonly #limits: CircuitBreakers;
  readonly #stats: ClusterStats;
  /** Retries that are under way, from the decision until the attempt ends. Kept by the router. */
  activeRetries = 0;

  constructor(limits: CircuitBreakers, stats: ClusterStats) {
    this.#limits = limits;
    this.#stats = stats;
  }

  get hasRoomForConnection(): boolean {
    return this.#stats.connectionsActive.value < this.#limits.maxConnections;
  }

  get hasRoomForPendingRequest(): boolean {
    return this.#stats.pendingRequestsActive.value < this.#limits.maxPendingRequests;
  }

  get hasRoomForRequest(): boolean {
    return this.#stats.requestsActive.value < this.#limits.maxRequests;
  }

  get hasRoomForRetry(): boolean {
    return this.activeRetries < this.#maxRetries;
  }

  /** A budget grows with the requests that are under way or wait, so that retries never become the load. */
  get #maxRetries(): number {
    const { retryBudget, maxRetries } = this.#limits;
    if (retryBudget === undefined) return maxRetries;
    const requests = this.#stats.requestsActive.value + this.#stats.pendingRequestsActive.value;
    return Math.max(retryBudget.minRetryConcurrency, Math.floor((requests * retryBudget.percent) / 100));
  }

  /**
   * Gauges under Envoy's names, read when somebody looks: `…_open` is 1 while a limit is reached, `remaining_…`, on
   * request of the configuration, is what is left of it.
   */
  publish(stats: StatsStore, clusterName: string): Stat[] {
    const { connectionsActive, pendingRequestsActive, requestsActive } = this.#stats;
    const limits = this.#limits;
    const resources = [
      { name: 'cx', limit: () => limits.maxConnections, used: () => connectionsActive.value },
      { name: 'rq_pending', limit: () => limits.maxPendingRequests, used: () => pendingRequestsActive.value },
      { name: 'rq', limit: () => limits.maxRequests, used: () => requestsActive.value },
      { name: 'rq_retry', limit: () => this.#maxRetries, used: () => this.activeRetries },
    ];
    const prefix = `cluster.${clusterName}.circuit_breakers.default.`;
    return resources.flatMap(({ name, limit, used }) => {
      const open = stats.reading(`${prefix}${name}_open`, () => (used() < limit() ? 0 : 1));
      if (!limits.isRemainingTracked) return [open];
      const remaining = stats.reading(`${prefix}${remainingNames[name] ?? name}`, () => Math.max(0, limit() - used()));
      return [open, remaining];
    });
  }
}

const remainingNames: Readonly<Record<string, string>> = {
  cx: 'remaining_cx',
  rq_pending: 'remaining_pending',
  rq: 'remaining_rq',
  rq_retry: 'remaining_retries',
};
