/**
 * Envoy's kind of statistics: named numbers, found once when something is built and incremented by field access on the
 * request path. Names are Envoy's (`cluster.NAME.upstream_rq_total`).
 */
import { Histogram } from './histogram.ts';

export class Stat {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  value = 0;
  #valueAtReset = 0;

  constructor(name: string, kind: 'counter' | 'gauge') {
    this.name = name;
    this.kind = kind;
  }

  /** What the admin pages show: a counter as it went up since somebody reset it. */
  get shownValue(): number {
    return this.value - this.#valueAtReset;
  }

  /** Only what is shown begins at zero again: whoever is told of sums over time must not see one fall. */
  reset(): void {
    if (this.kind === 'counter') this.#valueAtReset = this.value;
  }
}

export class StatsStore {
  readonly #stats = new Map<string, Stat>();
  readonly #readings = new Map<string, () => number>();
  readonly #histograms = new Map<string, Histogram>();

  /** The counter of this name; the same object for the same name. */
  counter(name: string): Stat {
    return this.#find(name, 'counter');
  }

  gauge(name: string): Stat {
    return this.#find(name, 'gauge');
  }

  /** The histogram of this name, with Envoy's default buckets; the same object for the same name. */
  histogram(name: string): Histogram {
    let histogram = this.#histograms.get(name);
    if (histogram === undefined) this.#histograms.set(name, (histogram = new Histogram(name)));
    return histogram;
  }

  /** Sorted by name. */
  histograms(): Histogram[] {
    return [...this.#histograms.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** A gauge that nobody keeps: it is read whenever somebody looks. A later one of the same name replaces it. */
  reading(name: string, read: () => number): Stat {
    this.#readings.set(name, read);
    return this.#find(name, 'gauge');
  }

  #find(name: string, kind: Stat['kind']): Stat {
    let stat = this.#stats.get(name);
    if (stat === undefined) {
      stat = new Stat(name, kind);
      this.#stats.set(name, stat);
    }
    return stat;
  }

  /** All statistics, sorted by name. */
  entries(): Stat[] {
    for (const [name, read] of this.#readings) this.gauge(name).value = read();
    return [...this.#stats.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  /** From now on the admin pages show of every counter what it went up since. */
  resetCounters(): void {
    for (const stat of this.#stats.values()) stat.reset();
  }

  /** Forgets these: a removed cluster leaves no series behind. */
  remove(stats: Iterable<Stat | Histogram>): void {
    for (const { name } of stats) {
      this.#stats.delete(name);
      this.#readings.delete(name);
      this.#histograms.delete(name);
    }
  }
}
