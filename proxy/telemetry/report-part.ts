/** One message of a stream of reports while it is made: of each series all that is known, or its number and what is new. */
import type { Metric, MetricFamily, SeriesUpdate, StreamMetricsMessage } from '../api/metrics-service.ts';
import type { SeriesReferences } from './series-references.ts';

export type ReportPart = Omit<StreamMetricsMessage, 'node'>;

/** How a series is said. */
interface Sayings<S> {
  readonly update: (series: S) => Omit<SeriesUpdate, 'reference'>;
  readonly whole: (series: S) => Metric;
}

export class PartBuilder {
  readonly #references: SeriesReferences;
  readonly #takesReferences: boolean;
  readonly #updates: SeriesUpdate[] = [];

  constructor(references: SeriesReferences, takesReferences: boolean) {
    this.#references = references;
    this.#takesReferences = takesReferences;
  }

  /** Those to be said in full; of the others what they say now is taken. `metric` is an index among those of a series. */
  add<S extends object>(all: readonly S[], metric: number, { update, whole }: Sayings<S>): readonly Metric[] {
    if (!this.#takesReferences) return all.map(whole);
    const said: Metric[] = [];
    for (const series of all) {
      const known = this.#references.find(series, metric);
      if (known !== undefined) {
        this.#updates.push({ reference: known, ...update(series) });
        continue;
      }
      const reference = this.#references.give(series, metric);
      said.push(reference === undefined ? whole(series) : { ...whole(series), reference });
    }
    return said;
  }

  build(families: readonly MetricFamily[]): ReportPart {
    return { families: families.filter(({ metrics }) => metrics.length > 0), updates: this.#updates };
  }
}
