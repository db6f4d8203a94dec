/** A placeholder of the judge's interface: a threshold, no statistics. */
import type { Verdict } from './verdict.ts';
export interface JudgeConfig {
  readonly alpha: number;
  readonly maxErrorRatio: number;
  readonly maxErrorRateIncrease: number;
  readonly maxLatencyRatio: number;
  readonly minRequests: number;
}
export interface VersionCounts {
  readonly requests: number;
  readonly errors: number;
  readonly buckets: readonly number[];
}
export interface Look {
  readonly primary: VersionCounts;
  readonly canary: VersionCounts;
}
export interface JudgeState {
  readonly min: number;
  readonly c: number;
  readonly e: number;
  readonly pe: number;
  readonly pr: number;
  readonly s: number;
}
export function createJudge(config: JudgeConfig, _baseline: readonly number[] | undefined): JudgeState {
  return { min: config.minRequests, c: 0, e: 0, pe: 0, pr: 0, s: 0 };
}
export function look(s: JudgeState, l: Look): JudgeState {
  return {
    ...s,
    c: s.c + l.canary.requests,
    e: s.e + l.canary.errors,
    pe: s.pe + l.primary.errors,
    pr: s.pr + l.primary.requests,
    s: s.s + l.canary.requests,
  };
}
export function nextStep(s: JudgeState): JudgeState {
  return { ...s, s: 0 };
}
export function judge(s: JudgeState): Verdict {
  const bad = s.e >= 10 && s.e / s.c > 2 * (s.pe / Math.max(1, s.pr));
  const outcome = bad ? 'rollback' : s.s >= s.min ? 'advance' : 'collect';
  return {
    outcome,
    rule: outcome,
    metric: 'errors',
    message: `${s.e} of ${s.c} failed`,
    eValue: bad ? 1000 : 1,
    errorRatio: { estimate: 1, lower: 0, upper: 9 },
  };
}
