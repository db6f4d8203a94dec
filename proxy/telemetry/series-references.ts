/** The numbers by which one stream of reports says its series once it has said them in full. */
import { maxReferences } from '../api/metrics-service.ts';

export class SeriesReferences {
  /** By series, and by the index of the metric among those of the series. */
  #given = new WeakMap<object, (number | undefined)[]>();
  #next = 0;

  /** A new stream. */
  restart(): void {
    this.#given = new WeakMap();
    this.#next = 0;
  }

  find(series: object, metric: number): number | undefined {
    return this.#given.get(series)?.[metric];
  }

  /** Undefined when there are no numbers any more. */
  give(series: object, metric: number): number | undefined {
    if (this.#next >= maxReferences) return undefined;
    let given = this.#given.get(series);
    if (given === undefined) this.#given.set(series, (given = []));
    given[metric] = this.#next;
    this.#next += 1;
    return given[metric];
  }
}
