/** What a stream of cumulative reports has to say: at first everything, then only what changed since it was last said. */
import type { Metric, MetricFamily } from '../api/metrics-service.ts';
import { requestsTotal, standardHistograms, standardUpperBounds } from '../api/standard-metrics.ts';
import type { Clock } from '../common/clock.ts';
import type { Stat, StatsStore } from '../common/stats.ts';
import { helpOf, prometheusName, type PrometheusName } from './envoy-stats.ts';
import type { IstioMetrics, IstioSeries } from './istio-metrics.ts';

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
  /** Requests counted when a series was last said: when this number stands, nothing else of it changed. */
  #saidRequests = new WeakMap<IstioSeries, number>();
  readonly #knownStats = new Map<string, KnownStat>();

  constructor(sources: ReportSources) {
    this.#sources = sources;
  }

  /** A new stream: its receiver may have forgotten everything. */
  restart(): void {
    this.#saidRequests = new WeakMap();
    for (const known of this.#knownStats.values()) known.saidValue = 0;
  }

  /** The last walks on this stream have said all that the series counted. */
  hasSaid(series: IstioSeries): boolean {
    return this.#saidRequests.get(series) === this.#sources.metrics.requestCount(series);
  }

  /** One walk over all series, a message's worth at a time. What it yields counts as said. */
  *changes(): Generator<readonly MetricFamily[], void, undefined> {
    yield* this.#istioChanges();
    yield* this.#statChanges();
  }

  *#istioChanges(): Generator<readonly MetricFamily[], void, undefined> {
    const { metrics } = this.#sources;
    let changed: IstioSeries[] = [];
    for (const series of metrics.series()) {
      if (this.hasSaid(series)) continue;
      this.#saidRequests.set(series, metrics.requestCount(series));
      changed.push(series);
      if (changed.length < maxSeriesPerMessage) continue;
      yield this.#istioFamilies(changed);
      changed = [];
    }
    if (changed.length > 0) yield this.#istioFamilies(changed);
  }

  #istioFamilies(changed: readonly IstioSeries[]): readonly MetricFamily[] {
    const { metrics, startTimeMs } = this.#sources;
    const createdMsOf = ({ createdMs }: IstioSeries): number => createdMs ?? startTimeMs;
    const requests = changed.map((series): Metric => {
      const createdMs = createdMsOf(series);
      return { labels: series.labels, createdMs, value: metrics.requestCount(series), histogram: undefined };
    });
    const histograms = standardHistograms.map((family, index): MetricFamily => {
      const values = changed.map((series): Metric => {
        const { buckets, count, sum } = metrics.histogram(series, index);
        const histogram = { buckets, count, sum, upperBounds: standardUpperBounds };
        const createdMs = createdMsOf(series);
        return { labels: series.labels, createdMs, value: 0, histogram };
      });
      return { ...family, metrics: values };
    });
    return [{ ...requestsTotal, metrics: requests }, ...histograms];
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
