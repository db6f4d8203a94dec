/**
 * Looks taken together where traffic is thin. A look compares nothing unless both versions had requests, and what came in
 * others is lost: at one request per second and 1 % it would be nearly all, and of a canary's error the primary's requests
 * of the same second alone would bear witness. So looks are gathered until the rarer version may be expected to have had a
 * request.
 *
 * How many, is settled before the first of them, from the requests of the step so far. Which requests are the canary's is
 * then still a matter of chance with one weight, whenever errors came, and the mean share of its errors is its share of the
 * requests. Nobody decides for the canary between two looks that are gathered; who changes the weight then, loses them.
 */
import type { Look, Totals, VersionCounts } from './counts.ts';

export interface Gathering {
  readonly looks: number;
  /** With so many looks it is complete. */
  readonly wanted: number;
  readonly primary: VersionCounts;
  readonly canary: VersionCounts;
}

/** Faults that come together within so many looks count as one at most, and no decision is later by more. */
const mostLooks = 30;
const none: VersionCounts = { requests: 0, errors: 0, buckets: [] };

/** `looks` and the totals are those of the step so far. */
export function startGathering(looks: number, primary: Totals, canary: Totals): Gathering {
  const rarer = Math.min(primary.requests, canary.requests);
  const wanted = Math.min(mostLooks, Math.ceil((looks + 1) / (rarer + 1)));
  return { looks: 0, wanted, primary: none, canary: none };
}

export function gather({ looks, wanted, primary, canary }: Gathering, came: Look): Gathering {
  const isFirst = looks === 0;
  return {
    looks: looks + 1,
    wanted,
    primary: isFirst ? came.primary : add(primary, came.primary),
    canary: isFirst ? came.canary : add(canary, came.canary),
  };
}

/** One look may know latencies and another not. */
function add(a: VersionCounts, b: VersionCounts): VersionCounts {
  const [longer, shorter] = a.buckets.length >= b.buckets.length ? [a.buckets, b.buckets] : [b.buckets, a.buckets];
  return {
    requests: a.requests + b.requests,
    errors: a.errors + b.errors,
    buckets: longer.map((count, i) => count + (shorter[i] ?? 0)),
  };
}
