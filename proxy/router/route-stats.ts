/** Statistics of the requests of one route, for those that have a `stat_prefix` (Envoy docs `router_filter`, route statistics). */
import type { Stat, StatsStore } from '../common/stats.ts';
import { ResponseStats } from '../upstream/response-stats.ts';

export class RouteStats {
  readonly requests: Stat;
  readonly timeouts: Stat;
  readonly retries: Stat;
  readonly retrySuccess: Stat;
  readonly retryOverflow: Stat;
  readonly retryLimitExceeded: Stat;
  readonly responses: ResponseStats;

  constructor(stats: StatsStore, virtualHost: string, statPrefix: string) {
    const prefix = `vhost.${virtualHost}.route.${statPrefix}.`;
    const counter = (name: string): Stat => stats.counter(prefix + name);
    this.requests = counter('upstream_rq_total');
    this.timeouts = counter('upstream_rq_timeout');
    this.retries = counter('upstream_rq_retry');
    this.retrySuccess = counter('upstream_rq_retry_success');
    this.retryOverflow = counter('upstream_rq_retry_overflow');
    this.retryLimitExceeded = counter('upstream_rq_retry_limit_exceeded');
    this.responses = new ResponseStats(stats, prefix, (stat) => stat);
  }
}
