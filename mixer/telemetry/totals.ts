/** The totals of the mesh: one series per label set, summed over every instance that ever reported it. */
import {
  labelNamesOf,
  overflowLabels,
  standardMetrics,
  standardUpperBounds,
} from '../../proxy/api/standard-metrics.ts';
import {
  type Exemplar,
  type ExposedFamily,
  formatLabels,
  type HistogramValue,
  type Label,
} from '../../proxy/common/exposition.ts';
import { type ExposedBuckets, exposedBuckets } from './exposed-buckets.ts';
import type { Sample } from './sample.ts';

export interface TotalsLimits {
  /** Series per family; what comes on top is added up in one series with the label value `overflow`. */
  readonly maxSeriesPerFamily: number;
  /** Families besides Istio's: Envoy's counters have a name each. */
  readonly maxFamilies: number;
  /** A series that did not change for this long is not exposed any more. */
  readonly expireAfterMs: number;
}

export class Series {
  readonly family: Family;
  readonly key: string;
  /** As first sent. */
  readonly labels: string;
  readonly labelValues: readonly Label[];
  readonly values: Float64Array;
  lastChangedMs: number;
  /** Whose further reports would change it. */
  holders = 0;
  /** Of a histogram, the latest of each bucket, the one to infinity last; undefined before the first. */
  exemplars: (Exemplar | undefined)[] | undefined = undefined;

  constructor(family: Family, { key, labels }: { key: string; labels: readonly Label[] }, nowMs: number) {
    this.family = family;
    this.key = key;
    this.labels = formatLabels(labels);
    this.labelValues = labels;
    this.values = new Float64Array(family.width);
    this.lastChangedMs = nowMs;
  }

  /** One more observation of a histogram, which counts `weight` times. */
  observe(value: number, weight: number): void {
    const bounds = standardUpperBounds.length;
    const { values } = this;
    for (let i = bounds - 1; i >= 0 && value <= (standardUpperBounds[i] ?? 0); i -= 1) increase(values, i, weight);
    increase(values, bounds, weight);
    increase(values, bounds + 1, value * weight);
  }

  keepExemplar(exemplar: Exemplar): void {
    const bucket = standardUpperBounds.findIndex((bound) => exemplar.value <= bound);
    this.exemplars ??= [];
    this.exemplars[bucket < 0 ? standardUpperBounds.length : bucket] = exemplar;
  }
}

function increase(values: Float64Array, index: number, by: number): void {
  values[index] = (values[index] ?? 0) + by;
}

export class Family {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'histogram';
  readonly series = new Map<string, Series>();

  constructor(name: string, help: string, type: 'counter' | 'histogram') {
    this.name = name;
    this.help = help;
    this.type = type;
  }

  /** Numbers per series: the value, or the cumulative buckets, the count and the sum. */
  get width(): number {
    return this.type === 'counter' ? 1 : standardUpperBounds.length + 2;
  }
}

export class Totals {
  readonly #limits: TotalsLimits;
  readonly #buckets: ExposedBuckets;
  readonly #families = new Map<string, Family>();

  /** `shownBounds`: of the buckets that `exposed` shows; default all. */
  constructor(limits: TotalsLimits, shownBounds?: readonly number[]) {
    this.#limits = limits;
    this.#buckets = exposedBuckets(shownBounds);
    for (const { name, help, type } of standardMetrics) this.#families.set(name, new Family(name, help, type));
  }

  get seriesCount(): number {
    let count = 0;
    for (const family of this.#families.values()) count += family.series.size;
    return count;
  }

  family(name: string): Family | undefined {
    return this.#families.get(name);
  }

  /** The series of `key`, or the overflow series of its family; undefined when there are too many families. */
  findOrAdd(sample: Omit<Sample, 'createdMs' | 'values'>, key: string, nowMs: number): Series | undefined {
    const family = this.#family(sample);
    if (family === undefined) return undefined;
    const known = family.series.get(key);
    if (known !== undefined) return known;
    if (family.series.size < this.#limits.maxSeriesPerFamily) return add(family, { key, labels: sample.labels }, nowMs);
    const labels = overflowLabelsOf(sample);
    const overflowKey = seriesKey({ name: sample.name, labels });
    return family.series.get(overflowKey) ?? add(family, { key: overflowKey, labels }, nowMs);
  }

  /** Forgets expired series that no instance can change any more. */
  sweep(nowMs: number): void {
    for (const family of this.#families.values()) {
      for (const series of family.series.values()) {
        if (series.holders === 0 && this.#isExpired(series, nowMs)) family.series.delete(series.key);
      }
      if (family.series.size === 0 && !isStandard(family.name)) this.#families.delete(family.name);
    }
  }

  *exposed(nowMs: number): Generator<ExposedFamily, void, undefined> {
    for (const { name, help, type, series } of this.#families.values()) {
      const live = this.#live(series.values(), nowMs);
      if (type === 'counter') yield { name, help, type, series: mapValues(live, counterValue) };
      else
        yield {
          name,
          help,
          type,
          upperBounds: this.#buckets.upperBounds,
          series: mapValues(live, this.#readHistogram),
        };
    }
  }

  readonly #readHistogram = ({ values, exemplars }: Series): HistogramValue => this.#buckets.read(values, exemplars);

  *#live(all: Iterable<Series>, nowMs: number): Generator<Series, void, undefined> {
    for (const series of all) if (!this.#isExpired(series, nowMs)) yield series;
  }

  #isExpired(series: Series, nowMs: number): boolean {
    return nowMs - series.lastChangedMs >= this.#limits.expireAfterMs;
  }

  #family({ name, help }: Pick<Sample, 'name' | 'help'>): Family | undefined {
    const known = this.#families.get(name);
    if (known !== undefined) return known;
    if (this.#families.size >= standardMetrics.length + this.#limits.maxFamilies) return undefined;
    const family = new Family(name, help, 'counter');
    this.#families.set(name, family);
    return family;
  }
}

/** The same for the same labels in any order; for Prometheus an empty label is none. */
export function seriesKey({ name, labels }: Pick<Sample, 'name' | 'labels'>): string {
  const given = labels.filter(({ value }) => value !== '');
  return `${name}{${formatLabels(given.sort((a, b) => (a.name < b.name ? -1 : 1)))}}`;
}

function add(family: Family, identity: { key: string; labels: readonly Label[] }, nowMs: number): Series {
  const series = new Series(family, identity, nowMs);
  family.series.set(series.key, series);
  return series;
}

function overflowLabelsOf({ name, labels }: Pick<Sample, 'name' | 'labels'>): readonly Label[] {
  if (!isStandard(name)) return [{ name: 'overflow', value: 'true' }];
  const reporter = labels.find((label) => label.name === 'reporter')?.value;
  const shown = reporter === 'source' || reporter === 'destination' ? reporter : 'overflow';
  return overflowLabels(shown, labelNamesOf(name));
}

function* mapValues<V>(
  all: Iterable<Series>,
  valueOf: (series: Series) => V,
): Generator<{ labels: string; value: V }, void, undefined> {
  for (const series of all) yield { labels: series.labels, value: valueOf(series) };
}

function counterValue({ values }: Series): number {
  return values[0] ?? 0;
}

function isStandard(name: string): boolean {
  return standardMetrics.some((metric) => metric.name === name);
}
