/** From outcomes to what a feature costs. Pure. */
import type { Outcome } from '../series.ts';
import { compareWindows, type Spread, spread } from '../summary.ts';
import type { Goal } from './table.ts';

export interface Cost {
  /** CPU µs per request more than the plain hop in the same round, window by window. */
  readonly micros: Spread;
  readonly percent: Spread;
}

/** Only rounds count in which both were measured; undefined when there is none. */
export function costOf(outcomes: readonly Outcome[], plain: readonly Outcome[] | undefined): Cost | undefined {
  const pairs = outcomes.flatMap((outcome, round) => {
    const base = plain?.[round];
    if (base === undefined || 'failure' in base || 'failure' in outcome) return [];
    return [{ own: outcome.measurement, base: base.measurement }];
  });
  if (pairs.length === 0) return undefined;
  return {
    micros: spread(pairs.map(({ own, base }) => compareWindows(own, base, (ours, plains) => ours - plains))),
    percent: spread(
      pairs.map(({ own, base }) => compareWindows(own, base, (ours, plains) => (ours / plains - 1) * 100)),
    ),
  };
}

export type Verdict = 'met' | 'missed' | 'unknown';

/** `ratio`: CPU per request against the reference peer. */
export function judge(goal: Goal, cost: Cost | undefined, ratio: number | undefined): Verdict {
  return verdictOf(goal, goal.kind === 'ratio' ? ratio : cost?.[goal.kind].median);
}

/** `value` in the unit of the goal. */
export function verdictOf({ max }: Goal, value: number | undefined): Verdict {
  if (value === undefined) return 'unknown';
  return value <= max ? 'met' : 'missed';
}

export function formatGoal({ kind, max }: Goal): string {
  if (kind === 'ratio') return `≤ ${max} ×`;
  return kind === 'percent' ? `≤ ${max} %` : `≤ ${max} µs`;
}
