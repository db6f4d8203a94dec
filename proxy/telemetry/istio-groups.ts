/** Istio's metrics as sums of series, for where one of them has labels of its own. */
import { requestsTotal, standardHistograms, tcpMetrics } from '../api/standard-metrics.ts';
import { HttpSeries } from './http-series.ts';
import type { IstioMetrics } from './istio-metrics.ts';
import { MetricGroups } from './metric-groups.ts';
import { tcpMetricValue, type TcpSeries } from './tcp-series.ts';

export interface IstioGroups {
  /** Requests, then the histograms. */
  readonly http: readonly MetricGroups<HttpSeries>[];
  /** In the order of `tcpMetrics`. */
  readonly tcp: readonly MetricGroups<TcpSeries>[];
  /** Before they are. */
  takeOut(all: readonly (HttpSeries | TcpSeries)[]): void;
}

export function createGroups(metrics: IstioMetrics): IstioGroups {
  const series = (): Iterable<HttpSeries> => metrics.series();
  const requests = { family: requestsTotal, series, valuesOf: (each: HttpSeries) => [metrics.requestCount(each)] };
  const histograms = standardHistograms.map((family, index) => {
    const valuesOf = (each: HttpSeries): readonly number[] => {
      const { counts, value } = metrics.observations(each, index);
      return [...counts, value];
    };
    return { family, series, valuesOf };
  });
  const connections = tcpMetrics.map((family) => ({
    family,
    series: () => metrics.allTcpSeries(),
    valuesOf: (each: TcpSeries) => [tcpMetricValue(each, family.name)],
  }));
  const http = [requests, ...histograms].map((metric) => new MetricGroups<HttpSeries>(metric));
  const tcp = connections.map((metric) => new MetricGroups<TcpSeries>(metric));
  return {
    http,
    tcp,
    takeOut(all) {
      // One that has not been told yet goes on for its group.
      for (const groups of [...http, ...tcp]) groups.all();
      for (const each of all) {
        if (each instanceof HttpSeries) for (const groups of http) groups.takeOut(each);
        else for (const groups of tcp) groups.takeOut(each);
      }
    },
  };
}
