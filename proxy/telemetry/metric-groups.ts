/**
 * Metrics whose labels are not those of the others: requests are counted once, in series with all labels, and each metric is
 * told as the sums of those that are one series to it. Sums never decrease: what is taken out leaves its counts behind.
 */
import type { StandardMetric } from '../api/standard-metrics.ts';
import { formatLabels, type Label } from '../common/exposition.ts';
import type { IstioSeries } from './series-generations.ts';
import type { SeriesHistogram } from './series-table.ts';

/** A series that may be labelled differently in one metric or another. */
export interface GroupedSeries extends IstioSeries {
  labelsOf(metric: string): readonly Label[];
}

/** One metric, and how to read it. */
export interface GroupedMetric<S extends GroupedSeries> {
  readonly family: StandardMetric;
  readonly series: () => Iterable<S>;
  /** The value of a counter; of a histogram its observations, bucket by bucket, and their sum. */
  readonly valuesOf: (series: S) => readonly number[];
}

/** One series of one metric, as it is told. */
export class MetricGroup<S extends GroupedSeries = GroupedSeries> implements IstioSeries {
  readonly labels: readonly Label[];
  readonly createdMs: number | undefined;
  readonly #valuesOf: (series: S) => readonly number[];
  readonly #members = new Set<S>();
  /** Of members that were taken out. */
  #past: readonly number[] = [];
  #pastEvents = 0;

  constructor(first: S, labels: readonly Label[], valuesOf: (series: S) => readonly number[]) {
    this.labels = labels;
    this.createdMs = first.createdMs;
    this.#valuesOf = valuesOf;
  }

  get eventCount(): number {
    let count = this.#pastEvents;
    for (const member of this.#members) count += member.eventCount;
    return count;
  }

  get isEmpty(): boolean {
    return this.#members.size === 0;
  }

  get values(): readonly number[] {
    let sum = this.#past;
    for (const member of this.#members) sum = add(sum, this.#valuesOf(member));
    return sum;
  }

  add(member: S): void {
    this.#members.add(member);
  }

  takeOut(member: S): void {
    this.#past = add(this.#past, this.#valuesOf(member));
    this.#pastEvents += member.eventCount;
    this.#members.delete(member);
  }
}

function add(a: readonly number[], b: readonly number[]): readonly number[] {
  return a.length === 0 ? b : a.map((value, i) => value + (b[i] ?? 0));
}

/** Of the values of a histogram: its observations, bucket by bucket, and their sum. */
export function histogramOf(values: readonly number[]): SeriesHistogram {
  let count = 0;
  const cumulative = values.slice(0, -1).map((observations) => (count += observations));
  return { buckets: cumulative.slice(0, -1), count, sum: values.at(-1) ?? 0 };
}

/** The groups of one metric. */
export class MetricGroups<S extends GroupedSeries> {
  readonly metric: GroupedMetric<S>;
  readonly #byLabels = new Map<string, MetricGroup<S>>();
  readonly #byMember = new WeakMap<S, MetricGroup<S>>();

  constructor(metric: GroupedMetric<S>) {
    this.metric = metric;
  }

  /** All that counted something. */
  all(): Iterable<MetricGroup<S>> {
    for (const series of this.metric.series()) this.of(series);
    return this.#byLabels.values();
  }

  of(series: S): MetricGroup<S> {
    const known = this.#byMember.get(series);
    if (known !== undefined) return known;
    const { family, valuesOf } = this.metric;
    const labels = series.labelsOf(family.name);
    const key = formatLabels(labels);
    const group = this.#byLabels.get(key) ?? new MetricGroup(series, labels, valuesOf);
    this.#byLabels.set(key, group);
    this.#byMember.set(series, group);
    group.add(series);
    return group;
  }

  /** Before the series is taken out, while it can be read; when all that there are have found their groups. */
  takeOut(series: S): void {
    const group = this.#byMember.get(series);
    if (group === undefined) return;
    group.takeOut(series);
    this.#byMember.delete(series);
    if (group.isEmpty) this.#byLabels.delete(formatLabels(group.labels));
  }
}
