/** What one reporting process said last, series by series. */
import { createHash } from 'node:crypto';
import type { Series } from './totals.ts';

/** A series as one start of an instance reports it, and the series of the totals that it adds to. */
export interface Reported {
  readonly series: Series;
  readonly epoch: Epoch;
  /** Where its cumulative values, as last reported, stand among those of the epoch. */
  readonly offset: number;
}

/** Of a counter or two. */
const initialValues = 16;

/** The reports of one start of an instance. */
export class Epoch {
  readonly createdMs: number;
  /** Came back after folding: the first report of a series only says where to count on. */
  readonly isResumed: boolean;
  lastSeenMs = 0;
  /** Nobody may add to it any more. */
  isFolded = false;
  /** Of all its series, one behind the other: hundreds of them are gone through in one message. */
  values = new Float64Array(initialValues);
  #usedValues = 0;
  readonly #reported = new Map<string, Reported>();
  /** Series that are part of an overflow series; known by a hash, because their long keys are shared with nobody. */
  readonly #overflowed = new Map<string, Reported>();

  constructor(createdMs: number, isResumed: boolean) {
    this.createdMs = createdMs;
    this.isResumed = isResumed;
  }

  get size(): number {
    return this.#reported.size + this.#overflowed.size;
  }

  find(key: string): Reported | undefined {
    const reported = this.#reported.get(key);
    if (reported !== undefined || this.#overflowed.size === 0) return reported;
    return this.#overflowed.get(hashOf(key));
  }

  /** With all values zero. */
  add(key: string, series: Series): Reported {
    const reported: Reported = { series, epoch: this, offset: this.#usedValues };
    this.#usedValues += series.values.length;
    if (this.#usedValues > this.values.length) {
      const grown = new Float64Array(Math.max(this.#usedValues, this.values.length * 2));
      grown.set(this.values);
      this.values = grown;
    }
    series.holders += 1;
    if (series.key === key) this.#reported.set(series.key, reported);
    else this.#overflowed.set(hashOf(key), reported);
    return reported;
  }

  /** Lets go of all series: nothing will change them from here any more. */
  fold(): void {
    this.isFolded = true;
    for (const { series } of this.#reported.values()) series.holders -= 1;
    for (const { series } of this.#overflowed.values()) series.holders -= 1;
  }
}

function hashOf(key: string): string {
  return createHash('sha1').update(key).digest('base64');
}

/** A node, by its id, over all its starts. */
export class Instance {
  readonly nodeId: string;
  readonly epochs = new Map<number, Epoch>();
  /** When it first opened a stream, as far as is remembered. */
  readonly metMs: number;
  /** Its first report, which tells of the time before, is over. */
  isMet = false;
  openStreams = 0;
  /** Ever opened. */
  streamCount = 0;
  lastSeenMs = 0;

  constructor(nodeId: string, metMs: number) {
    this.nodeId = nodeId;
    this.metMs = metMs;
  }

  get reportedSeries(): number {
    let count = 0;
    for (const epoch of this.epochs.values()) count += epoch.size;
    return count;
  }

  /** The epoch that was silent longest. */
  oldestEpoch(): Epoch | undefined {
    let oldest: Epoch | undefined;
    for (const epoch of this.epochs.values()) {
      if (oldest === undefined || epoch.lastSeenMs < oldest.lastSeenMs) oldest = epoch;
    }
    return oldest;
  }
}
