/** Envoy's statistics of the TCP proxy, under Envoy's names (Envoy docs `tcp_proxy_filter`). */
import type { Stat, StatsStore } from '../common/stats.ts';

export class TcpProxyStats {
  readonly connections: Stat;
  /** Closed because no cluster of the filter exists. */
  readonly noRoute: Stat;
  readonly receivedBytes: Stat;
  readonly sentBytes: Stat;
  /** Times that a client was not read from because its server took no more, and was read from again. */
  readonly pausedReading: Stat;
  readonly resumedReading: Stat;
  readonly idleTimeouts: Stat;
  readonly maxDurations: Stat;

  constructor(stats: StatsStore, statPrefix: string) {
    const prefix = `tcp.${statPrefix}.`;
    this.connections = stats.counter(`${prefix}downstream_cx_total`);
    this.noRoute = stats.counter(`${prefix}downstream_cx_no_route`);
    this.receivedBytes = stats.counter(`${prefix}downstream_cx_rx_bytes_total`);
    this.sentBytes = stats.counter(`${prefix}downstream_cx_tx_bytes_total`);
    this.pausedReading = stats.counter(`${prefix}downstream_flow_control_paused_reading_total`);
    this.resumedReading = stats.counter(`${prefix}downstream_flow_control_resumed_reading_total`);
    this.idleTimeouts = stats.counter(`${prefix}idle_timeout`);
    this.maxDurations = stats.counter(`${prefix}max_downstream_connection_duration`);
  }
}
