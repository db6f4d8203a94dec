/** Counters and histograms of all series in one growing typed array: recording a request touches no object. */
import { standardHistograms, standardUpperBounds } from '../api/standard-metrics.ts';

const bucketCount = standardUpperBounds.length + 1;
/** Buckets (not cumulative, the last is +Inf), then the sum. */
const histogramStride = bucketCount + 1;
/** The number of requests, then the histograms. 64 with Istio's three: one series is eight cache lines. */
const seriesStride = 1 + standardHistograms.length * histogramStride;
const durationOffset = 1;
const requestBytesOffset = durationOffset + histogramStride;
const responseBytesOffset = requestBytesOffset + histogramStride;

/** By the bit length of a value's integer part: the first bucket that a value of this length can fall into. */
const firstBucketByBitLength = Uint8Array.from({ length: 33 }, (_, bits) => {
  const smallest = bits === 0 ? 0 : 2 ** (bits - 1);
  const bucket = standardUpperBounds.findIndex((bound) => smallest <= bound);
  return bucket === -1 ? bucketCount - 1 : bucket;
});
const upperBounds = Float64Array.from(standardUpperBounds);
const highestBound = Math.max(...standardUpperBounds);

/** Index of the first bucket whose upper bound is >= `value`; one or two steps from where the bit length points. */
export function bucketIndex(value: number): number {
  if (value > highestBound) return bucketCount - 1;
  let bucket = firstBucketByBitLength[32 - Math.clz32(value)] ?? 0;
  while (value > (upperBounds[bucket] ?? highestBound)) bucket += 1;
  return bucket;
}

export interface SeriesHistogram {
  /** Cumulative, one per upper bound. */
  readonly buckets: readonly number[];
  readonly count: number;
  readonly sum: number;
}

export interface SeriesObservations {
  /** Not cumulative; the last beyond all bounds. */
  readonly counts: readonly number[];
  /** The sum of what was observed. */
  readonly value: number;
}

export class SeriesTable {
  #values: Float64Array;
  #size = 0;
  readonly #free: number[] = [];

  constructor(initialSeries = 16) {
    this.#values = new Float64Array(initialSeries * seriesStride);
  }

  /** A slot for a new series, all zero. */
  add(): number {
    const freed = this.#free.pop();
    if (freed !== undefined) return freed;
    const slot = this.#size;
    this.#size += 1;
    if (this.#size * seriesStride > this.#values.length) {
      const grown = new Float64Array(this.#values.length * 2);
      grown.set(this.#values);
      this.#values = grown;
    }
    return slot;
  }

  /** The slot is free for another series. */
  remove(slot: number): void {
    this.#values.fill(0, slot * seriesStride, (slot + 1) * seriesStride);
    this.#free.push(slot);
  }

  /** Counts one request. */
  record(slot: number, durationMs: number, requestBytes: number, responseBytes: number): void {
    const values = this.#values;
    const base = slot * seriesStride;
    increment(values, base, 1);
    observe(values, base + durationOffset, durationMs);
    observe(values, base + requestBytesOffset, requestBytes);
    observe(values, base + responseBytesOffset, responseBytes);
  }

  requestCount(slot: number): number {
    return this.#values[slot * seriesStride] ?? 0;
  }

  /** `histogram` is an index of `standardHistograms`. */
  histogram(slot: number, histogram: number): SeriesHistogram {
    const base = slot * seriesStride + 1 + histogram * histogramStride;
    const buckets: number[] = [];
    let count = 0;
    for (let i = 0; i < standardUpperBounds.length; i += 1) {
      count += this.#values[base + i] ?? 0;
      buckets.push(count);
    }
    count += this.#values[base + bucketCount - 1] ?? 0;
    return { buckets, count, sum: this.#values[base + bucketCount] ?? 0 };
  }

  /** The same as it is kept. */
  observations(slot: number, histogram: number): SeriesObservations {
    const base = slot * seriesStride + 1 + histogram * histogramStride;
    const counts = Array.from(this.#values.subarray(base, base + bucketCount));
    return { counts, value: this.#values[base + bucketCount] ?? 0 };
  }
}

function observe(values: Float64Array, base: number, value: number): void {
  // NaN and negative numbers can only come from a clock that was set back: count the request, add nothing.
  const observed = value > 0 ? value : 0;
  increment(values, base + bucketIndex(observed), 1);
  increment(values, base + bucketCount, observed);
}

function increment(values: Float64Array, index: number, by: number): void {
  values[index] = (values[index] ?? 0) + by;
}
