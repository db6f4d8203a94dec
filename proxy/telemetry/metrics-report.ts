/** What a stream of cumulative reports has to say: at first everything, then only what changed since it was last said. */
import type { Metric, MetricFamily } from '../api/metrics-service.ts';
import { requestsTotal, standardHistograms, standardUpperBounds, tcpMetrics } from '../api/standard-metrics.ts';
import type { Clock } from '../common/clock.ts';
import type { Stat, StatsStore } from '../common/stats.ts';
import { helpOf, prometheusName, type PrometheusName } from './envoy-stats.ts';
import type { HttpSeries } from './http-series.ts';
import type { IstioMetrics } from './istio-metrics.ts';
import type { IstioSeries } from './series-generations.ts';
import { tcpMetricValue, type TcpSeries } from './tcp-series.ts';

export interface ReportSources {
  readonly metrics: IstioMetrics;
  readonly stats: StatsStore | undefined;
  /** When this process began to count; milliseconds since the epoch. */
  readonly startTimeMs: number;
  readonly clock: Clock;
}

/** A message stays below a quarter of gRPC's default limit of 4 MiB, and its encoding below a millisecond or two. */
const maxSeriesPerMessage = 64;

/** A counter of the store under its exported name, and the value last said. */
interface KnownStat extends PrometheusName {
  readonly stat: Stat;
  readonly createdMs: number;
  saidValue: number;
}

export class MetricsReport {
  readonly #sources: ReportSources;
  /** Events counted when a series was last said: when this number stands, nothing of it changed. */
  #saidEvents = new WeakMap<IstioSeries, number>();
  readonly #knownStats = new Map<string, KnownStat>();

  constructor(sources: ReportSources) {
    this.#sources = sources;
  }

  /** A new stream: its receiver may have forgotten everything. */
  restart(): void {
    this.#saidEvents = new WeakMap();
    for (const known of this.#knownStats.values()) known.saidValue = 0;
  }

  /** The last walks on this stream have said all that the series counted. */
  hasSaid(series: IstioSeries): boolean {
    return this.#saidEvents.get(series) === series.eventCount;
  }

  /** One walk over all series, a message's worth at a time. What it yields counts as said. */
  *changes(): Generator<readonly MetricFamily[], void, undefined> {
    yield* this.#istioChanges();
    yield* this.#statChanges();
  }

  *#istioChanges(): Generator<readonly MetricFamily[], void, undefined> {
    const { metrics } = this.#sources;
    for (const changed of this.#changedSeries(metrics.series())) yield this.#httpFamilies(changed);
    for (const changed of this.#changedSeries(metrics.allTcpSeries())) yield this.#tcpFamilies(changed);
  }

  /** A message's worth at a time. */
  *#changedSeries<S extends IstioSeries>(all: Iterable<S>): Generator<readonly S[], void, undefined> {
    let changed: S[] = [];
    for (const series of all) {
      if (this.hasSaid(series)) continue;
      this.#saidEvents.set(series, series.eventCount);
      changed.push(series);
      if (changed.length < maxSeriesPerMessage) continue;
      yield changed;
      changed = [];
    }
    if (changed.length > 0) yield changed;
  }

  #httpFamilies(changed: readonly HttpSeries[]): readonly MetricFamily[] {
    const { metrics } = this.#sources;
    const exported = (name: string) => changed.filter(({ labels }) => metrics.exports(name, labels));
    const requests = exported(requestsTotal.name).map((series) => this.#metric(series, metrics.requestCount(series)));
    const histograms = standardHistograms.map((family, index): MetricFamily => {
      const values = exported(family.name).map((series): Metric => {
        const { buckets, count, sum } = metrics.histogram(series, index);
        return { ...this.#metric(series, 0), histogram: { buckets, count, sum, upperBounds: standardUpperBounds } };
      });
      return { ...family, metrics: values };
    });
    return [{ ...requestsTotal, metrics: requests }, ...histograms];
  }

  #tcpFamilies(changed: readonly TcpSeries[]): readonly MetricFamily[] {
    return tcpMetrics.map((family) => ({
      ...family,
      metrics: changed
        .filter(({ labels }) => this.#sources.metrics.exports(family.name, labels))
        .map((series) => this.#metric(series, tcpMetricValue(series, family.name))),
    }));
  }

  #metric({ labels, createdMs }: IstioSeries, value: number): Metric {
    return { labels, createdMs: createdMs ?? this.#sources.startTimeMs, value, histogram: undefined };
  }

  *#statChanges(): Generator<readonly MetricFamily[], void, undefined> {
    let families = new Map<string, Metric[]>();
    let count = 0;
    for (const known of this.#changedStats()) {
      const metrics = families.get(known.name) ?? [];
      families.set(known.name, metrics);
      metrics.push({ labels: known.labels, createdMs: known.createdMs, value: known.stat.value, histogram: undefined });
      count += 1;
      if (count % maxSeriesPerMessage > 0) continue;
      yield counterFamilies(families);
      families = new Map();
    }
    if (families.size > 0) yield counterFamilies(families);
  }

  /** Counters only: the gauges of a process that is gone mean nothing in a sum. */
  *#changedStats(): Generator<KnownStat, void, undefined> {
    for (const stat of this.#sources.stats?.entries() ?? []) {
      if (stat.kind !== 'counter' || stat.value === 0) continue;
      const known = this.#knownStat(stat);
      if (known.saidValue === stat.value) continue;
      known.saidValue = stat.value;
      yield known;
    }
  }

  /** A statistic that was removed and came back counts from zero again: to the receiver it began then. */
  #knownStat(stat: Stat): KnownStat {
    const known = this.#knownStats.get(stat.name);
    if (known?.stat === stat) return known;
    const { startTimeMs, clock } = this.#sources;
    const createdMs = known === undefined ? startTimeMs : clock.nowMs();
    const created = { ...prometheusName(stat.name), stat, createdMs, saidValue: 0 };
    this.#knownStats.set(stat.name, created);
    return created;
  }
}

function counterFamilies(families: ReadonlyMap<string, readonly Metric[]>): readonly MetricFamily[] {
  return [...families].map(([name, metrics]) => ({ name, help: helpOf(name), type: 'counter', metrics }));
}
