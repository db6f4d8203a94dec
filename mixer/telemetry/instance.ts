/** What one reporting process said last, series by series. */
import { createHash } from 'node:crypto';
import type { Label } from '../../proxy/common/exposition.ts';
import type { Sample } from './sample.ts';
import { seriesKey, type Series } from './totals.ts';

/** The cumulative values of a series as last reported, and the series of the totals that they were added to. */
export interface Reported {
  readonly series: Series;
  readonly values: number[];
}

/** The reports of one start of an instance. */
export class Epoch {
  readonly createdMs: number;
  /** Came back after folding: the first report of a series only says where to count on. */
  readonly isResumed: boolean;
  lastSeenMs = 0;
  readonly #reported = new Map<string, Reported>();
  /** Series that are part of an overflow series; known by a hash, because their long keys are shared with nobody. */
  readonly #overflowed = new Map<string, Reported>();
  /** The way around building a key: a stream's decoder keeps the label array of a series. */
  readonly #byLabels = new WeakMap<readonly Label[], Reported>();

  constructor(createdMs: number, isResumed: boolean) {
    this.createdMs = createdMs;
    this.isResumed = isResumed;
  }

  get size(): number {
    return this.#reported.size + this.#overflowed.size;
  }

  find(sample: Sample): Reported | undefined {
    const known = this.#byLabels.get(sample.labels);
    if (known?.series.family.name === sample.name) return known;
    const reported = this.#findByKey(seriesKey(sample));
    if (reported !== undefined) this.#byLabels.set(sample.labels, reported);
    return reported;
  }

  add(key: string, reported: Reported): void {
    reported.series.holders += 1;
    if (reported.series.key === key) this.#reported.set(reported.series.key, reported);
    else this.#overflowed.set(hashOf(key), reported);
  }

  /** Lets go of all series: nothing will change them from here any more. */
  release(): void {
    for (const { series } of this.#reported.values()) series.holders -= 1;
    for (const { series } of this.#overflowed.values()) series.holders -= 1;
  }

  #findByKey(key: string): Reported | undefined {
    const reported = this.#reported.get(key);
    if (reported !== undefined || this.#overflowed.size === 0) return reported;
    return this.#overflowed.get(hashOf(key));
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
