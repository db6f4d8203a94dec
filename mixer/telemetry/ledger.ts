/**
 * What every instance has reported so far, and by that what a further report adds to the totals. Reports are cumulative
 * since the start of the instance. So a lost message is healed by the next one, a repeated or late one adds nothing,
 * and a restart (another start time) adds to what was counted before. The totals never decrease.
 */
import type { Label } from '../../proxy/common/exposition.ts';
import { Epoch, Instance, type Reported } from './instance.ts';
import type { RejectionReason } from './rejection.ts';
import type { Sample } from './sample.ts';
import { seriesKey, type Totals } from './totals.ts';

export interface LedgerLimits {
  readonly maxInstances: number;
  /** Starts of one instance that are told apart; the one that was silent longest is folded to make room. */
  readonly maxEpochsPerInstance: number;
  readonly maxSeriesPerInstance: number;
  /** Over all instances. */
  readonly maxReportedSeries: number;
  /**
   * An instance without a stream for this long is folded: its counts stay in the totals, what it reported is forgotten.
   * Should it come back after all, counting goes on from what it reports then.
   */
  readonly foldAfterMs: number;
}

/**
 * Hears what happened since instances were met. What an instance had counted before this process met it adds to the
 * totals, but is no traffic of now: the whole first report of an instance is left out.
 */
export interface IncreaseListener {
  /** The values reported before stand in `from`, beginning at `offset`; zero for a series that is new. */
  increased(sample: Sample, from: ArrayLike<number>, offset: number): void;
}

/** Hears what instances had counted before they were met. */
export interface PastListener {
  /** `values` replace what was `reported` before; the series of the totals grows by the difference. */
  caughtUp(reported: Reported, values: readonly number[]): void;
}

export interface LedgerListeners {
  readonly traffic?: IncreaseListener;
  readonly past?: PastListener;
}

interface Arrival {
  readonly sample: Sample;
  readonly nowMs: number;
}

/** The first report of an instance that says nothing twice is over after this time at the latest. */
const firstReportMs = 10_000;

export class Ledger {
  readonly #totals: Totals;
  readonly #limits: LedgerLimits;
  readonly #listeners: LedgerListeners;
  readonly #instances = new Map<string, Instance>();
  /** Folded epochs, oldest first. */
  readonly #folded = new Set<string>();
  #reportedSeries = 0;

  constructor(totals: Totals, limits: LedgerLimits, listeners: LedgerListeners = {}) {
    this.#totals = totals;
    this.#limits = limits;
    this.#listeners = listeners;
  }

  get instanceCount(): number {
    return this.#instances.size;
  }

  /** The instance of a new stream; undefined when there are too many. Every call that returns one needs a `closeStream`. */
  openStream(nodeId: string, nowMs: number): Instance | undefined {
    const instance = this.#instances.get(nodeId) ?? this.#addInstance(nodeId, nowMs);
    if (instance === undefined) return undefined;
    instance.openStreams += 1;
    instance.streamCount += 1;
    instance.lastSeenMs = nowMs;
    return instance;
  }

  /** Whether reports of an instance are counted here: what else it says about its traffic must not count again. */
  countsTrafficOf(nodeId: string): boolean {
    return (this.#instances.get(nodeId)?.reportedSeries ?? 0) > 0;
  }

  closeStream(instance: Instance, nowMs: number): void {
    instance.openStreams -= 1;
    instance.lastSeenMs = nowMs;
  }

  /** Adds to the totals what `sample` says that is new, or tells why not. */
  apply(instance: Instance, sample: Sample, nowMs: number): RejectionReason | undefined {
    const memo = sample.series?.memo;
    if (memo !== undefined && memo.epoch.createdMs === sample.createdMs && !memo.epoch.isFolded) {
      return this.#applyNext(instance, memo, { sample, nowMs });
    }
    const key = seriesKey(sample);
    const reported = instance.epochs.get(sample.createdMs)?.find(key);
    if (reported === undefined) return this.#applyFirst(instance, key, { sample, nowMs });
    remember(sample, reported);
    return this.#applyNext(instance, reported, { sample, nowMs });
  }

  #applyNext(instance: Instance, reported: Reported, { sample, nowMs }: Arrival): RejectionReason | undefined {
    reported.epoch.lastSeenMs = nowMs;
    // A report says a series once: said again, it is the next report. A second stream begins with everything anew.
    if (instance.streamCount === 1) instance.isMet = true;
    return this.#increase(instance, reported, { sample, nowMs }) ? undefined : 'decreased';
  }

  /** Folds the instances that are gone for long. */
  sweep(nowMs: number): void {
    for (const instance of this.#instances.values()) {
      const isGone = instance.openStreams === 0 && nowMs - instance.lastSeenMs >= this.#limits.foldAfterMs;
      if (isGone) this.#foldInstance(instance);
    }
  }

  #applyFirst(instance: Instance, key: string, { sample, nowMs }: Arrival): RejectionReason | undefined {
    const epoch = instance.epochs.get(sample.createdMs) ?? this.#addEpoch(instance, sample.createdMs);
    epoch.lastSeenMs = nowMs;
    const { maxSeriesPerInstance, maxReportedSeries } = this.#limits;
    const isFull = instance.reportedSeries >= maxSeriesPerInstance || this.#reportedSeries >= maxReportedSeries;
    const series = isFull ? undefined : this.#totals.findOrAdd(sample, key, nowMs);
    if (series === undefined) return 'series_limit';
    const reported = epoch.add(key, series);
    remember(sample, reported);
    this.#reportedSeries += 1;
    if (epoch.isResumed) epoch.values.set(sample.values, reported.offset);
    else this.#increase(instance, reported, { sample, nowMs });
    return undefined;
  }

  /** False for what says less than was said before. */
  #increase(instance: Instance, reported: Reported, { sample, nowMs }: Arrival): boolean {
    const { epoch, offset } = reported;
    if (hasDecreased(epoch.values, offset, sample.values)) return false;
    if (this.#hasMet(instance, nowMs)) this.#listeners.traffic?.increased(sample, epoch.values, offset);
    else this.#listeners.past?.caughtUp(reported, sample.values);
    increase(reported, sample.values, nowMs);
    return true;
  }

  /** Whether the first report of an instance, which may come in many messages, is over. */
  #hasMet(instance: Instance, nowMs: number): boolean {
    if (!instance.isMet && nowMs - instance.metMs >= firstReportMs) instance.isMet = true;
    return instance.isMet;
  }

  #addInstance(nodeId: string, nowMs: number): Instance | undefined {
    if (this.#instances.size >= this.#limits.maxInstances) {
      const gone = this.#longestGone();
      if (gone === undefined) return undefined;
      this.#foldInstance(gone);
    }
    const instance = new Instance(nodeId, nowMs);
    this.#instances.set(nodeId, instance);
    return instance;
  }

  #longestGone(): Instance | undefined {
    let longest: Instance | undefined;
    for (const instance of this.#instances.values()) {
      if (instance.openStreams > 0) continue;
      if (longest === undefined || instance.lastSeenMs < longest.lastSeenMs) longest = instance;
    }
    return longest;
  }

  #addEpoch(instance: Instance, createdMs: number): Epoch {
    if (instance.epochs.size >= this.#limits.maxEpochsPerInstance) {
      const oldest = instance.oldestEpoch();
      if (oldest !== undefined) this.#foldEpoch(instance, oldest);
    }
    const epoch = new Epoch(createdMs, this.#folded.delete(epochKey(instance, createdMs)));
    instance.epochs.set(createdMs, epoch);
    return epoch;
  }

  #foldInstance(instance: Instance): void {
    for (const epoch of instance.epochs.values()) this.#foldEpoch(instance, epoch);
    this.#instances.delete(instance.nodeId);
  }

  #foldEpoch(instance: Instance, epoch: Epoch): void {
    epoch.fold();
    this.#reportedSeries -= epoch.size;
    instance.epochs.delete(epoch.createdMs);
    this.#folded.add(epochKey(instance, epoch.createdMs));
    if (this.#folded.size <= this.#limits.maxInstances) return;
    const oldest = this.#folded.values().next();
    if (oldest.done !== true) this.#folded.delete(oldest.value);
  }
}

function epochKey({ nodeId }: Instance, createdMs: number): string {
  return `${createdMs} ${nodeId}`;
}

/** The next report of the series needs no key; and its stream shares the labels of the totals, where they are the same. */
function remember({ series, labels }: Sample, reported: Reported): void {
  if (series === undefined) return;
  series.memo = reported;
  if (areSame(labels, reported.series.labelValues)) series.labels = reported.series.labelValues;
}

function areSame(a: readonly Label[], b: readonly Label[]): boolean {
  return a.length === b.length && a.every(({ name, value }, i) => name === b[i]?.name && value === b[i]?.value);
}

function hasDecreased(reported: Float64Array, offset: number, values: readonly number[]): boolean {
  for (let i = 0; i < values.length; i += 1) if ((values[i] ?? 0) < (reported[offset + i] ?? 0)) return true;
  return false;
}

/** Adds what is new in `values`, none of which is below what was reported before. */
function increase({ series, epoch, offset }: Reported, values: readonly number[], nowMs: number): void {
  const reported = epoch.values;
  const totals = series.values;
  for (let i = 0; i < totals.length; i += 1) {
    const value = values[i] ?? 0;
    const added = value - (reported[offset + i] ?? 0);
    if (added === 0) continue;
    totals[i] = (totals[i] ?? 0) + added;
    reported[offset + i] = value;
    series.lastChangedMs = nowMs;
  }
}
