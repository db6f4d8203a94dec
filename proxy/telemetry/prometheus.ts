/** The sidecar's `/stats/prometheus`: Istio's standard metrics, then Envoy's statistics. */
import { requestsTotal, standardHistograms, standardUpperBounds } from '../api/standard-metrics.ts';
import { exposeInSlices, formatLabels, type ExposedFamily, type ExposedSeries } from '../common/exposition.ts';
import type { StatsStore } from '../common/stats.ts';
import { envoyFamilies } from './envoy-stats.ts';
import type { IstioMetrics, IstioSeries } from './istio-metrics.ts';

/**
 * Text in Prometheus' exposition format 0.0.4 (`expositionContentType`), in slices: requests are served in between.
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
  return [
    { ...requestsTotal, type: 'counter', series: seriesOf(metrics, (series) => metrics.requestCount(series)) },
    ...standardHistograms.map((metric, histogram): ExposedFamily => ({
      ...metric,
      type: 'histogram',
      upperBounds: standardUpperBounds,
      series: seriesOf(metrics, (series) => metrics.histogram(series, histogram)),
    })),
  ];
}

function* seriesOf<V>(
  metrics: IstioMetrics,
  valueOf: (series: IstioSeries) => V,
): Generator<ExposedSeries<V>, void, undefined> {
  for (const series of metrics.series()) yield { labels: formatLabels(series.labels), value: valueOf(series) };
}
