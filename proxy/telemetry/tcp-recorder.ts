/** Counts connections of the TCP proxy in Istio's metrics, from the side of the listener's traffic direction. */
import type { Listener } from '../api/listener.ts';
import type { TcpConnection } from '../tcp/tcp-connection.ts';
import type { TcpObserver } from '../tcp/tcp-proxy.ts';
import type { IstioMetrics } from './istio-metrics.ts';
import type { TcpSeries } from './tcp-series.ts';
import { outboundScope } from './traffic-scopes.ts';

/**
 * A connection counts in one series from its first report to its end, as in Istio: with the flags that it had by then, which
 * are those of its end where it was short. The opened and the closed ones of a series can therefore be compared.
 */
export function createTcpRecorder(metrics: IstioMetrics, direction: Listener['trafficDirection']): TcpObserver {
  // Bytes without TLS carry no word about who sent them: at its destination, the source of a connection is unknown.
  const scopeOf =
    direction === 'INBOUND'
      ? () => metrics.inboundScope('')
      : (connection: TcpConnection) => outboundScope(metrics, connection);
  const open = (connection: TcpConnection): TcpSeries => {
    const series = metrics.tcpSeries(scopeOf(connection), connection.responseFlags);
    series.openedCount += 1;
    return (connection.counted.series = series);
  };
  const report = (connection: TcpConnection): TcpSeries => {
    const { counted, requestBytes, responseBytes } = connection;
    const series = counted.series ?? open(connection);
    series.receivedBytes += requestBytes - counted.requestBytes;
    series.sentBytes += responseBytes - counted.responseBytes;
    counted.requestBytes = requestBytes;
    counted.responseBytes = responseBytes;
    return series;
  };
  return {
    ignoresAddresses: true,
    onProgress: report,
    onComplete: (connection) => {
      report(connection).closedCount += 1;
    },
  };
}
