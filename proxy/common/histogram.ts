/** Envoy's kind of histogram: a value falls into the first bucket whose bound it does not exceed. */

/** Envoy's default buckets; milliseconds, for times. */
export const defaultUpperBounds: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

/** In the order in which Envoy's `/stats` shows them. */
const quantiles = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 100];

export class Histogram {
  readonly name: string;
  /** Not cumulative; the last is beyond all bounds. */
  readonly #counts = new Float64Array(defaultUpperBounds.length + 1);
  sum = 0;
  count = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Touches no object: times are short, so the first buckets are looked at first. */
  record(value: number): void {
    let bucket = 0;
    while (bucket < defaultUpperBounds.length && value > (defaultUpperBounds[bucket] ?? 0)) bucket += 1;
    this.#counts[bucket] = (this.#counts[bucket] ?? 0) + 1;
    this.sum += value;
    this.count += 1;
  }

  /** Cumulative, one per bound. */
  get buckets(): number[] {
    let sum = 0;
    return defaultUpperBounds.map((_bound, i) => (sum += this.#counts[i] ?? 0));
  }

  /** `P0(nan,1) P25(nan,1.05) …` as Envoy writes it: nobody keeps the values of the last interval. */
  describe(): string {
    if (this.count === 0) return 'No recorded values';
    const { buckets } = this;
    return quantiles.map((percent) => `P${percent}(nan,${round(this.#quantile(percent / 100, buckets))})`).join(' ');
  }

  /** As if values were spread evenly over their bucket. */
  #quantile(share: number, buckets: readonly number[]): number {
    const rank = share * this.count;
    const bucket = buckets.findIndex((cumulative) => cumulative > 0 && cumulative >= rank);
    if (bucket < 0) return defaultUpperBounds.at(-1) ?? 0;
    const [lower, upper] = [bucket === 0 ? 0 : (defaultUpperBounds[bucket - 1] ?? 0), defaultUpperBounds[bucket] ?? 0];
    const below = bucket === 0 ? 0 : (buckets[bucket - 1] ?? 0);
    return lower + ((upper - lower) * Math.max(0, rank - below)) / ((buckets[bucket] ?? 0) - below);
  }
}

function round(value: number): number {
  return Math.round(value * 1_000) / 1_000;
}
