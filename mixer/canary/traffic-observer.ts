/**
 * Counts per version of the hosts that releases watch, taken from what sidecars report as it comes in: client side first,
 * because a request that reached nobody is known to its client alone.
 */
import { requestsTotal, standardHistograms, standardUpperBounds } from '../../proxy/api/standard-metrics.ts';
import type { Label } from '../../proxy/common/exposition.ts';
import type { IncreaseListener } from '../telemetry/ledger.ts';
import type { RequestListener } from '../telemetry/log-counts.ts';
import type { Sample } from '../telemetry/sample.ts';
import type { Totals } from '../telemetry/totals.ts';
import type { VersionCounts } from './judge/counts.ts';
import { readRequestLabels, type RequestLabels } from './traffic-labels.ts';

/**
 * Who counts a request. `client`: its client's sidecar, or the server's for a client without one: each request once,
 * failures that reached nobody included. `server`: the server's sidecar, which alone sees mirrored requests.
 */
export type Vantage = 'client' | 'server';

export interface ObservedVersion {
  readonly host: string;
  readonly version: string;
}

interface Tally {
  requests: number;
  errors: number;
  readonly buckets: number[];
}

interface Watched {
  watchers: number;
  readonly tallies: Readonly<Record<Vantage, Tally>>;
}

/** Where a series counts, as long as what is watched stays the same. */
interface Binding {
  readonly tallies: readonly Tally[];
  readonly isFailure: boolean;
}

const durationName = standardHistograms[0]?.name ?? '';
const nowhere: Binding = { tallies: [], isFailure: false };
/** A release watches two versions; what is beyond waits until others are decided. */
const maxWatchedVersions = 4000;

export class TrafficObserver implements IncreaseListener, RequestListener {
  readonly #watched = new Map<string, Watched>();
  /** By the array of labels that streams keep for a series, most of them the same. */
  #bindings = new WeakMap<readonly Label[], Binding>();

  /** Starts counting a version from zero, or goes on where others watch it too. Undefined when too many are watched. */
  watch(version: ObservedVersion): (() => void) | undefined {
    const key = keyOf(version);
    const known = this.#watched.get(key);
    if (known === undefined && this.#watched.size >= maxWatchedVersions) return undefined;
    const watched = known ?? { watchers: 0, tallies: { client: createTally(), server: createTally() } };
    watched.watchers += 1;
    if (known === undefined) this.#rewatch(() => this.#watched.set(key, watched));
    let isWatching = true;
    return () => {
      if (!isWatching) return;
      isWatching = false;
      watched.watchers -= 1;
      if (watched.watchers === 0) this.#rewatch(() => this.#watched.delete(key));
    };
  }

  /** Everything counted since the version is watched; zero for one that is not. */
  read(version: ObservedVersion, vantage: Vantage): VersionCounts {
    const { requests, errors, buckets } = this.#watched.get(keyOf(version))?.tallies[vantage] ?? createTally();
    return { requests, errors, buckets: [...buckets] };
  }

  increased(sample: Sample, from: ArrayLike<number>, offset = 0): void {
    if (this.#watched.size === 0) return;
    const isDuration = sample.name === durationName;
    if (!isDuration && sample.name !== requestsTotal.name) return;
    const { tallies, isFailure } = this.#bindings.get(sample.labels) ?? this.#bind(sample.labels);
    for (const tally of tallies) {
      if (!isDuration) addRequests(tally, increaseOf(sample.values[0], from[offset]), isFailure);
      else if (!isFailure) addDurations(tally.buckets, sample.values, { values: from, offset });
    }
  }

  /** A sampled log counts for what it names: a weight would make more evidence of it than there is. */
  requested(labels: readonly Label[], durationMs: number): void {
    if (this.#watched.size === 0) return;
    const { tallies, isFailure } = this.#bindings.get(labels) ?? this.#bind(labels);
    const bucket = standardUpperBounds.findIndex((bound) => durationMs <= bound);
    for (const tally of tallies) {
      addRequests(tally, 1, isFailure);
      if (!isFailure)
        tally.buckets[bucket < 0 ? standardUpperBounds.length : bucket] = (tally.buckets.at(bucket) ?? 0) + 1;
    }
  }

  #rewatch(change: () => void): void {
    change();
    this.#bindings = new WeakMap();
  }

  #bind(labels: readonly Label[]): Binding {
    const request = readRequestLabels(labels);
    const watched = this.#watched.get(keyOf(request));
    const binding =
      watched === undefined || request.outcome === 'excluded'
        ? nowhere
        : {
            tallies: vantagesOf(request).map((name) => watched.tallies[name]),
            isFailure: request.outcome === 'failed',
          };
    this.#bindings.set(labels, binding);
    return binding;
  }
}

/** Latencies of a version over everything that is remembered: what the time before a release looked like. */
export function latencyHistory(totals: Totals, { host, version }: ObservedVersion): number[] {
  const { buckets } = createTally();
  for (const { labelValues, values } of totals.family(durationName)?.series.values() ?? []) {
    const request = readRequestLabels(labelValues);
    if (request.host !== host || request.version !== version || request.outcome !== 'succeeded') continue;
    if (vantagesOf(request).includes('client')) addDurations(buckets, values, nothing);
  }
  return buckets;
}

function vantagesOf({ reporter, sourceWorkload }: RequestLabels): Vantage[] {
  if (reporter === 'source') return ['client'];
  if (reporter !== 'destination') return [];
  return sourceWorkload === 'unknown' || sourceWorkload === '' ? ['client', 'server'] : ['server'];
}

function keyOf({ host, version }: ObservedVersion): string {
  return `${host} ${version}`;
}

function createTally(): Tally {
  return { requests: 0, errors: 0, buckets: Array.from({ length: standardUpperBounds.length + 1 }, () => 0) };
}

function addRequests(tally: Tally, count: number, isFailure: boolean): void {
  tally.requests += count;
  if (isFailure) tally.errors += count;
}

/** What was counted before, beginning at `offset`. */
interface Before {
  readonly values: ArrayLike<number>;
  readonly offset: number;
}

const nothing: Before = { values: [], offset: 0 };

/** Of cumulative buckets, with the count and the sum behind them. */
function addDurations(buckets: number[], to: ArrayLike<number>, { values: from, offset }: Before): void {
  let below = 0;
  for (let i = 0; i < buckets.length; i += 1) {
    const upTo = Math.max(below, increaseOf(to[i], from[offset + i]));
    buckets[i] = (buckets[i] ?? 0) + upTo - below;
    below = upTo;
  }
}

function increaseOf(to = 0, from = 0): number {
  const added = to - from;
  return added > 0 && Number.isSafeInteger(added) ? added : 0;
}
