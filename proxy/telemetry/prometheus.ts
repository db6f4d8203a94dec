/** The sidecar's `/stats/prometheus`: Istio's standard metrics, then Envoy's statistics. */
import { requestsTotal, standardHistograms, standardUpperBounds, tcpMetrics } from '../api/standard-metrics.ts';
import { exposeInSlices, formatLabels, type ExposedFamily, type ExposedSeries } from '../common/exposition.ts';
import type { StatsStore } from '../common/stats.ts';
import { envoyFamilies } from './envoy-stats.ts';
import type { IstioGroups } from './istio-groups.ts';
import type { IstioMetrics } from './istio-metrics.ts';
import { type GroupedSeries, histogramOf, type MetricGroup, type MetricGroups } from './metric-groups.ts';
import type { IstioSeries } from './series-generations.ts';
import { tcpMetricValue } from './tcp-series.ts';

/**
 * Text in Prometheus' exposition format 0.0.4 (`expositionContentType.text`), in slices: requests are served in between.
 * `metrics` may be undefined for a proxy that serves no mesh traffic.
 */
export function prometheusText(
  metrics: IstioMetrics | undefined,
  stats: StatsStore,
): AsyncGenerator<string, void, undefined> {
  const istio = metrics === undefined ? [] : istioFamilies(metrics);
  return exposeInSlices([...istio, ...envoyFamilies(stats)]);
}

function istioFamilies(metrics: IstioMetrics): ExposedFamily[] {
  const { groups } = metrics;
  return groups === undefined ? directFamilies(metrics) : groupedFamilies(metrics, groups);
}

/** Where a metric may have labels of its own. */
function groupedFamilies(metrics: IstioMetrics, { http, tcp }: IstioGroups): ExposedFamily[] {
  return [...http.map((each) => groupedFamily(metrics, each)), ...tcp.map((each) => groupedFamily(metrics, each))];
}

function groupedFamily<S extends GroupedSeries>(metrics: IstioMetrics, groups: MetricGroups<S>): ExposedFamily {
  const { family } = groups.metric;
  function* exported(): Generator<MetricGroup<S>, void, undefined> {
    for (const group of groups.all()) if (metrics.exports(family.name, group.labels)) yield group;
  }
  if (family.type === 'counter') {
    return { ...family, type: 'counter', series: seriesOf(exported(), ({ values }) => values[0] ?? 0) };
  }
  const series = seriesOf(exported(), ({ values }) => histogramOf(values));
  return { ...family, type: 'histogram', upperBounds: standardUpperBounds, series };
}

function directFamilies(metrics: IstioMetrics): ExposedFamily[] {
  function* exported<S extends IstioSeries>(all: Iterable<S>, name: string): Generator<S, void, undefined> {
    for (const series of all) if (metrics.exports(name, series.labels)) yield series;
  }
  return [
    {
      ...requestsTotal,
      type: 'counter',
      series: seriesOf(exported(metrics.series(), requestsTotal.name), (series) => metrics.requestCount(series)),
    },
    ...standardHistograms.map((metric, histogram): ExposedFamily => ({
      ...metric,
      type: 'histogram',
      upperBounds: standardUpperBounds,
      series: seriesOf(exported(metrics.series(), metric.name), (series) => metrics.histogram(series, histogram)),
    })),
    ...tcpMetrics.map((metric): ExposedFamily => ({
      ...metric,
      series: seriesOf(exported(metrics.allTcpSeries(), metric.name), (series) => tcpMetricValue(series, metric.name)),
    })),
  ];
}

function* seriesOf<S extends IstioSeries, V>(
  all: Iterable<S>,
  valueOf: (series: S) => V,
): Generator<ExposedSeries<V>, void, undefined> {
  for (const series of all) yield { labels: formatLabels(series.labels), value: valueOf(series) };
}
