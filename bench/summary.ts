/** From outcomes to the numbers of the report. Pure. */
import type { Peer } from './peers/peer.ts';
import type { Measurement, Outcome } from './series.ts';

export interface Spread {
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

/** One peer at one body size. A peer is only as good as its worst round: one failure fails the row. */
export type Row =
  | { readonly peer: string; readonly status: 'missing' | 'failed'; readonly reason: string }
  | {
      readonly peer: string;
      readonly status: 'measured';
      readonly cpuMicrosPerRequest: Spread;
      /** Median of the ratios of each round, against the reference peer's windows in the same round; undefined without one. */
      readonly cpuRatio: number | undefined;
      readonly requestsPerSecond: Spread;
      readonly p50Ms: Spread;
      readonly p99Ms: Spread;
      readonly utilization: Spread;
      readonly rounds: readonly Measurement[];
    };

/** `outcomes` holds one per round; `reference` are the reference peer's, undefined when it was not measured. */
export function summarize(peer: string, outcomes: readonly Outcome[], reference: readonly Outcome[] | undefined): Row {
  const rounds: Measurement[] = [];
  for (const outcome of outcomes) {
    if ('failure' in outcome) return { peer, status: 'failed', reason: outcome.failure };
    rounds.push(outcome.measurement);
  }
  if (rounds.length === 0) return { peer, status: 'failed', reason: 'no round was finished' };
  const spreadOf = (key: Exclude<keyof Measurement, 'windows'>): Spread => spread(rounds.map((round) => round[key]));
  return {
    peer,
    status: 'measured',
    cpuMicrosPerRequest: spreadOf('cpuMicrosPerRequest'),
    cpuRatio: cpuRatio(rounds, reference),
    requestsPerSecond: spreadOf('requestsPerSecond'),
    p50Ms: spreadOf('p50Ms'),
    p99Ms: spreadOf('p99Ms'),
    utilization: spreadOf('utilization'),
    rounds,
  };
}

/** The row of a peer that may be missing. */
export function summarizePeer(
  peer: Peer,
  outcomes: readonly Outcome[],
  reference: readonly Outcome[] | undefined,
): Row {
  const probe = peer.probe();
  if ('missing' in probe) return { peer: peer.name, status: 'missing', reason: probe.missing };
  return summarize(peer.name, outcomes, reference);
}

/** Only rounds in which both were measured count. */
function cpuRatio(rounds: readonly Measurement[], reference: readonly Outcome[] | undefined): number | undefined {
  const ratios = rounds.flatMap((round, index) => {
    const other = reference?.[index];
    if (other === undefined || 'failure' in other) return [];
    return [compareWindows(round, other.measurement, (own, base) => own / base)];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}

/** The median of what `compare` says of the CPU time per request in each window that both have. */
export function compareWindows(
  { windows }: Measurement,
  base: Measurement,
  compare: (own: number, base: number) => number,
): number {
  const pairs = windows.slice(0, base.windows.length);
  return median(pairs.map((own, i) => compare(own, base.windows[i] ?? Number.NaN)));
}

export function spread(values: readonly number[]): Spread {
  return { median: median(values), min: Math.min(...values), max: Math.max(...values) };
}

/** The value that an eighth of all lie below: what something costs where little else got in its way. NaN of nothing. */
export function lowerOctile(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 8)] ?? Number.NaN;
}

/** The middle value, or the mean of the two in the middle; NaN of nothing. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  if (sorted.length % 2 === 1) return sorted[Math.floor(middle)] ?? Number.NaN;
  return ((sorted[middle - 1] ?? Number.NaN) + (sorted[middle] ?? Number.NaN)) / 2;
}
