/** Envoy's statistics of a listener, under Envoy's names. */
import type { Listener } from '../api/listener.ts';
import type { Stat, StatsStore } from '../common/stats.ts';

export class ListenerStats {
  /** Those that a filter chain serves, handed over by another listener or not. */
  readonly connections: Stat;
  /** Those of which the first bytes are waited for. */
  readonly preConnectionsActive: Stat;
  /** Closed because no filter chain serves them. */
  readonly noFilterChainMatch: Stat;
  /** Closed because the process has as many connections as it may. */
  readonly globalOverflow: Stat;
  /** Connections whose first bytes did not come in time. */
  readonly inspectionTimeouts: Stat;
  readonly httpFound: Stat;
  readonly httpNotFound: Stat;

  constructor(stats: StatsStore, listener: Listener) {
    const prefix = prefixOf(listener);
    this.connections = stats.counter(`${prefix}downstream_cx_total`);
    this.preConnectionsActive = stats.gauge(`${prefix}downstream_pre_cx_active`);
    this.noFilterChainMatch = stats.counter(`${prefix}no_filter_chain_match`);
    this.globalOverflow = stats.counter(`${prefix}downstream_global_cx_overflow`);
    this.inspectionTimeouts = stats.counter(`${prefix}downstream_pre_cx_timeout`);
    this.httpFound = stats.counter('http_inspector.http1_found');
    this.httpNotFound = stats.counter('http_inspector.http_not_found');
  }
}

/**
 * `count`: the connections of all listeners on that address, those of earlier versions too. They are counted when somebody
 * looks: whoever serves them knows them anyway.
 */
export function readActiveConnections(stats: StatsStore, listener: Listener, count: () => number): void {
  stats.reading(`${prefixOf(listener)}downstream_cx_active`, count);
}

function prefixOf({ address, port }: Listener): string {
  return `listener.${address}_${port}.`;
}
