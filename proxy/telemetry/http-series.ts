/** One label set of Istio's metrics of HTTP: its numbers are in the table. */
import type { Label } from '../common/exposition.ts';
import type { GroupedSeries } from './metric-groups.ts';
import type { MetricScope } from './metric-scope.ts';
import { type OwnLabels, ownLabelsOf } from './own-labels.ts';
import type { AgingSeries, SeriesAge, SeriesGenerations } from './series-generations.ts';
import type { SeriesTable } from './series-table.ts';

/** How to take a series out again; undefined: it never is. */
export interface HttpSeriesOrigin {
  /** The last one that counts in it. */
  scope: MetricScope;
  readonly key: string;
}

export class HttpSeries implements AgingSeries, GroupedSeries {
  readonly slot: number;
  readonly labels: readonly Label[];
  readonly origin: HttpSeriesOrigin | undefined;
  readonly createdMs: number | undefined;
  readonly age: SeriesAge;
  readonly #ownLabels: OwnLabels | undefined;
  readonly #table: SeriesTable;

  constructor(
    labels: readonly Label[],
    origin: HttpSeriesOrigin | undefined,
    { table, generations }: { table: SeriesTable; generations: SeriesGenerations },
  ) {
    this.#ownLabels = origin && ownLabelsOf(origin.scope.reporter.rules, labels);
    this.slot = table.add();
    this.labels = labels;
    this.origin = origin;
    this.createdMs = generations.createdMs;
    this.age = generations.newAge();
    this.#table = table;
  }

  labelsOf(metric: string): readonly Label[] {
    return this.#ownLabels?.get(metric) ?? this.labels;
  }

  /** Requests: whatever else is counted is counted with one. */
  get eventCount(): number {
    return this.#table.requestCount(this.slot);
  }

  get isExpendable(): boolean {
    return this.origin !== undefined;
  }
}
