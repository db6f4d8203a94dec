/**
 * What a stream of cumulative reports has to say: at first everything, then only what changed since it was last said; and
 * where the receiver takes references, by the numbers under which it was said.
 */
import type { Metric, MetricFamily, SeriesUpdate } from '../api/metrics-service.ts';
import {
  requestsTotal,
  type StandardMetric,
  standardHistograms,
  standardUpperBounds,
  tcpMetrics,
} from '../api/standard-metrics.ts';
import type { Clock } from '../common/clock.ts';
import type { Stat, StatsStore } from '../common/stats.ts';
import { helpOf, prometheusName, type PrometheusName } from './envoy-stats.ts';
import { HttpSeries } from './http-series.ts';
import type { IstioMetrics } from './istio-metrics.ts';
import type { IstioSeries } from './series-generations.ts';
import { SeriesReferences } from './series-references.ts';
import { PartBuilder, type ReportPart } from './report-part.ts';
import { type GroupedSeries, histogramOf, type MetricGroup, type MetricGroups } from './metric-groups.ts';
import { tcpMetricValue, TcpSeries } from './tcp-series.ts';

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
  readonly #references = new SeriesReferences();

  constructor(sources: ReportSources) {
    this.#sources = sources;
  }

  /** A new stream: its receiver may have forgotten everything. */
  restart(): void {
    this.#saidEvents = new WeakMap();
    this.#references.restart();
    for (const known of this.#knownStats.values()) known.saidValue = 0;
  }

  /** The last walks on this stream have said all that the series counted. */
  hasSaid(series: IstioSeries): boolean {
    const { groups } = this.#sources.metrics;
    if (groups === undefined) return this.#isSaid(series);
    if (series instanceof HttpSeries) return groups.http.every((each) => this.#isSaid(each.of(series)));
    return !(series instanceof TcpSeries) || groups.tcp.every((each) => this.#isSaid(each.of(series)));
  }

  #isSaid(series: IstioSeries): boolean {
    return this.#saidEvents.get(series) === series.eventCount;
  }

  /** One walk over all series, a message's worth at a time. What it yields counts as said. */
  *changes(takesReferences = false): Generator<ReportPart, void, undefined> {
    const { metrics } = this.#sources;
    const { groups } = metrics;
    if (groups === undefined) {
      for (const changed of batches(this.#changedSeries(metrics.series())))
        yield this.#httpPart(changed, takesReferences);
      for (const changed of batches(this.#changedSeries(metrics.allTcpSeries())))
        yield this.#tcpPart(changed, takesReferences);
    } else {
      for (const each of groups.http) yield* this.#groupChanges(each, takesReferences);
      for (const each of groups.tcp) yield* this.#groupChanges(each, takesReferences);
    }
    for (const changed of batches(this.#changedStats())) yield this.#statPart(changed, takesReferences);
  }

  *#changedSeries<S extends IstioSeries>(all: Iterable<S>): Generator<S, void, undefined> {
    for (const series of all) {
      if (this.#isSaid(series)) continue;
      this.#saidEvents.set(series, series.eventCount);
      yield series;
    }
  }

  #httpPart(changed: readonly HttpSeries[], takesReferences: boolean): ReportPart {
    const { metrics } = this.#sources;
    const part = new PartBuilder(this.#references, takesReferences);
    const families = [requestsTotal, ...standardHistograms].map((family, index) => {
      const exported = changed.filter(({ labels }) => metrics.exports(family.name, labels));
      const whole = part.add(exported, index, {
        update: (series) => this.#httpUpdate(series, index),
        whole: (series) => this.#httpMetric(series, index),
      });
      return { ...family, metrics: whole };
    });
    return part.build(families);
  }

  /** `index`: 0 is the number of requests, then come the histograms. */
  #httpUpdate(series: HttpSeries, index: number): Omit<SeriesUpdate, 'reference'> {
    const { metrics } = this.#sources;
    return index === 0
      ? { value: metrics.requestCount(series), counts: noCounts }
      : metrics.observations(series, index - 1);
  }

  #httpMetric(series: HttpSeries, index: number): Metric {
    const { metrics } = this.#sources;
    if (index === 0) return this.#metric(series, metrics.requestCount(series));
    const { buckets, count, sum } = metrics.histogram(series, index - 1);
    return { ...this.#metric(series, 0), histogram: { buckets, count, sum, upperBounds: standardUpperBounds } };
  }

  #tcpPart(changed: readonly TcpSeries[], takesReferences: boolean): ReportPart {
    const { metrics } = this.#sources;
    const part = new PartBuilder(this.#references, takesReferences);
    const families = tcpMetrics.map((family, index) => {
      const exported = changed.filter(({ labels }) => metrics.exports(family.name, labels));
      const whole = part.add(exported, index, {
        update: (series) => ({ value: tcpMetricValue(series, family.name), counts: noCounts }),
        whole: (series) => this.#metric(series, tcpMetricValue(series, family.name)),
      });
      return { ...family, metrics: whole };
    });
    return part.build(families);
  }

  /** Of one metric. */
  *#groupChanges<S extends GroupedSeries>(
    groups: MetricGroups<S>,
    takesReferences: boolean,
  ): Generator<ReportPart, void, undefined> {
    const { family } = groups.metric;
    for (const changed of batches(this.#changedSeries(groups.all()))) {
      const part = new PartBuilder(this.#references, takesReferences);
      const exported = changed.filter(({ labels }) => this.#sources.metrics.exports(family.name, labels));
      const whole = part.add(exported, 0, { update: updateOf, whole: (group) => this.#groupMetric(family, group) });
      yield part.build([{ ...family, metrics: whole }]);
    }
  }

  #groupMetric<S extends GroupedSeries>({ type }: StandardMetric, group: MetricGroup<S>): Metric {
    const { values } = group;
    if (type === 'counter') return this.#metric(group, values[0] ?? 0);
    return { ...this.#metric(group, 0), histogram: { ...histogramOf(values), upperBounds: standardUpperBounds } };
  }

  #metric({ labels, createdMs }: IstioSeries, value: number): Metric {
    return { labels, createdMs: createdMs ?? this.#sources.startTimeMs, value, histogram: undefined };
  }

  #statPart(changed: readonly KnownStat[], takesReferences: boolean): ReportPart {
    const part = new PartBuilder(this.#references, takesReferences);
    const families = [...new Set(changed.map(({ name }) => name))].map((name): MetricFamily => {
      const ofFamily = changed.filter((known) => known.name === name);
      const metrics = part.add(ofFamily, 0, {
        update: ({ stat }) => ({ value: stat.value, counts: noCounts }),
        whole: ({ labels, createdMs, stat }) => ({ labels, createdMs, value: stat.value, histogram: undefined }),
      });
      return { name, help: helpOf(name), type: 'counter', metrics };
    });
    return part.build(families);
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

const noCounts: readonly number[] = [];

/** A message's worth at a time. */
function* batches<T>(all: Iterable<T>): Generator<readonly T[], void, undefined> {
  let batch: T[] = [];
  for (const each of all) {
    if (batch.push(each) < maxSeriesPerMessage) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** The last of a group's values is that of a counter, or the sum of what a histogram's counts stand before. */
function updateOf({ values }: { readonly values: readonly number[] }): Omit<SeriesUpdate, 'reference'> {
  return { value: values.at(-1) ?? 0, counts: values.slice(0, -1) };
}
