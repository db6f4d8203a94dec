/** Envoy's statistics of a listener, under Envoy's names. */
import type { Listener } from '../api/listener.ts';
import type { Stat, StatsStore } from '../common/stats.ts';

export class ListenerStats {
  readonly connections: Stat;
  readonly connectionsActive: Stat;
  /** Closed because no filter chain serves them. */
  readonly noFilterChainMatch: Stat;
  /** Connections whose first bytes did not come in time. */
  readonly inspectionTimeouts: Stat;
  readonly httpFound: Stat;
  readonly httpNotFound: Stat;

  constructor(stats: StatsStore, { address, port }: Listener) {
    const prefix = `listener.${address}_${port}.`;
    this.connections = stats.counter(`${prefix}downstream_cx_total`);
    this.connectionsActive = stats.gauge(`${prefix}downstream_cx_active`);
    this.noFilterChainMatch = stats.counter(`${prefix}no_filter_chain_match`);
    this.inspectionTimeouts = stats.counter(`${prefix}downstream_pre_cx_timeout`);
    this.httpFound = stats.counter('http_inspector.http1_found');
    this.httpNotFound = stats.counter('http_inspector.http_not_found');
  }
}
