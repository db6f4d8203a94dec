/** Responses by code, as Envoy counts them for a cluster and for a route: `upstream_rq_completed`, `_2xx`, `_200`, `_time`. */
import type { Histogram } from '../common/histogram.ts';
import type { Stat, StatsStore } from '../common/stats.ts';

/** Codes beyond are counted by class only. */
const codeCount = 600;

export class ResponseStats {
  readonly completed: Stat;
  /** Milliseconds from the end of the request to the end of the response. */
  readonly time: Histogram;
  /** Index 0–5. */
  readonly classes: readonly Stat[];
  readonly #codes: (Stat | undefined)[] = [];
  readonly #stats: StatsStore;
  readonly #prefix: string;
  readonly #keep: (stat: Stat) => Stat;

  /** `prefix` ends with a dot. `keep` hears of every statistic when it is made. */
  constructor(stats: StatsStore, prefix: string, keep: (stat: Stat) => Stat) {
    this.#stats = stats;
    this.#prefix = prefix;
    this.#keep = keep;
    this.completed = keep(stats.counter(`${prefix}upstream_rq_completed`));
    this.classes = [0, 1, 2, 3, 4, 5].map((digit) => keep(stats.counter(`${prefix}upstream_rq_${digit}xx`)));
    this.time = stats.histogram(`${prefix}upstream_rq_time`);
  }

  charge(status: number): void {
    this.completed.value += 1;
    const byClass = this.classes[(status / 100) | 0];
    if (byClass !== undefined) byClass.value += 1;
    const byCode = this.#codes[status] ?? this.#code(status);
    if (byCode !== undefined) byCode.value += 1;
  }

  /** The first response of this code. */
  #code(status: number): Stat | undefined {
    if (status >= codeCount) return undefined;
    return (this.#codes[status] = this.#keep(this.#stats.counter(`${this.#prefix}upstream_rq_${status}`)));
  }
}
