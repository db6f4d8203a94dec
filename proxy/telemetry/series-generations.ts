/**
 * The ages of series: which of them nobody has counted in for long, and since when those that begin now count. Who adds up
 * reports tells counts that begin anew by that time.
 */
import type { Label } from '../common/exposition.ts';

/** One label set, in each of the standard metrics of its protocol. */
export interface IstioSeries {
  /** In Istio's order. */
  readonly labels: readonly Label[];
  /** When it began to count, in Unix milliseconds; undefined: with the process. */
  readonly createdMs: number | undefined;
  /** Grows with whatever is counted in it. */
  readonly eventCount: number;
}

/** A series as its keeper sees it. */
export interface AgingSeries extends IstioSeries {
  /** Whether it is ever taken out, and may be now. */
  readonly isExpendable: boolean;
  readonly age: SeriesAge;
}

export interface SeriesAge {
  /** Events at the last sweep, and when there were fewer. */
  sweptCount: number;
  changedMs: number;
}

export interface SweepOptions {
  readonly nowMs: number;
  readonly expireAfterMs: number;
  /** Whether everybody who is told counts knows those of the series. */
  readonly isSaid: (series: IstioSeries) => boolean;
}

/** Receivers remember a limited number of times at which counts began. */
const maxGenerations = 32;

export class SeriesGenerations {
  /** Since the last sweep that took a series out: whatever begins to count now may have counted before. */
  createdMs: number | undefined = undefined;
  #sweptMs = 0;

  /** Of a series that begins now. */
  newAge(): SeriesAge {
    return { sweptCount: 0, changedMs: this.#sweptMs };
  }

  /** Those to take out: nothing was counted in them for `expireAfterMs`. `all` is every series there is. */
  idle<S extends AgingSeries>(all: Iterable<S>, { nowMs, expireAfterMs, isSaid }: SweepOptions): readonly S[] {
    this.#sweptMs = nowMs;
    const generations = new Set<number | undefined>();
    const idle: S[] = [];
    for (const series of all) {
      const { age, eventCount } = series;
      if (eventCount !== age.sweptCount) {
        age.sweptCount = eventCount;
        age.changedMs = nowMs;
      }
      if (series.isExpendable && nowMs - age.changedMs >= expireAfterMs && isSaid(series)) idle.push(series);
      else generations.add(series.createdMs);
    }
    return generations.size < maxGenerations ? idle : [];
  }

  /** Series have been taken out. */
  renew(nowMs: number): void {
    this.createdMs = Math.max(nowMs, (this.createdMs ?? 0) + 1);
  }
}
