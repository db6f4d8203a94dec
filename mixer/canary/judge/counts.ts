/** What came since the last look, and whether it can be believed. */
import { standardUpperBounds } from '../../../proxy/api/standard-metrics.ts';

export interface VersionCounts {
  readonly requests: number;
  /** Failed requests, those that reached no endpoint included. */
  readonly errors: number;
  /**
   * Requests that did not fail, per bucket of latency: not cumulative, bounds are `standardUpperBounds`, the last bucket
   * is above all of them. Empty where latencies are unknown.
   */
  readonly buckets: readonly number[];
}

/** Counts since the last look. */
export interface Look {
  readonly primary: VersionCounts;
  readonly canary: VersionCounts;
  /**
   * The canary's share of requests, 0..1, that the weights in force should yield; undefined where it is not known
   * (sticky users, requests of test users): then the split is not checked.
   */
  readonly expectedShare?: number;
}

export interface Totals {
  readonly requests: number;
  readonly errors: number;
}

export interface BothTotals {
  readonly primary: Totals;
  readonly canary: Totals;
}

export const noTotals: BothTotals = { primary: { requests: 0, errors: 0 }, canary: { requests: 0, errors: 0 } };

/** The counts of a look that can be believed: whole numbers >= 0, errors <= requests, buckets all there or none. */
export function isSound({ primary, canary, expectedShare }: Look): boolean {
  const isShare = expectedShare === undefined || (expectedShare >= 0 && expectedShare <= 1);
  return isShare && isSoundVersion(primary) && isSoundVersion(canary);
}

function isSoundVersion({ requests, errors, buckets }: VersionCounts): boolean {
  if (!isCount(requests) || !isCount(errors) || errors > requests) return false;
  return buckets.length === 0 || (buckets.length === standardUpperBounds.length + 1 && buckets.every(isCount));
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}

export function addTotals(totals: BothTotals, { primary, canary }: Look): BothTotals {
  return { primary: add(totals.primary, primary), canary: add(totals.canary, canary) };
}

function add(totals: Totals, { requests, errors }: VersionCounts): Totals {
  return { requests: totals.requests + requests, errors: totals.errors + errors };
}
