/** Looks and judges for tests. */
import type { Look, VersionCounts } from '../../../../mixer/canary/judge/counts.ts';
import { createJudge, type JudgeConfig, type JudgeState, look } from '../../../../mixer/canary/judge/judge.ts';

export const config: JudgeConfig = {
  alpha: 0.01,
  maxErrorRatio: 1.5,
  maxErrorRateIncrease: 0.01,
  maxLatencyRatio: 1.25,
  minRequests: 100,
};

export function counts(requests: number, errors: number, buckets: readonly number[] = []): VersionCounts {
  return { requests, errors, buckets };
}

/** [requests, errors] of the primary and of the canary. */
export function lookOf(primary: readonly [number, number], canary: readonly [number, number]): Look {
  return { primary: counts(...primary), canary: counts(...canary) };
}

export function judgeAfter(looks: readonly Look[], overrides: Partial<JudgeConfig> = {}): JudgeState {
  return looks.reduce(look, createJudge({ ...config, ...overrides }, undefined));
}

export function repeat(look: Look, times: number): Look[] {
  return Array.from({ length: times }, () => look);
}

/** Buckets of a request that took `ms`: bounds 0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, …, and the last above all. */
export function latencies(...shares: readonly (readonly [bucket: number, requests: number])[]): number[] {
  const buckets = Array.from({ length: 20 }, () => 0);
  for (const [bucket, requests] of shares) buckets[bucket] = requests;
  return buckets;
}

/** P(k successes of n), for all k. */
export function binomialLaw(n: number, p: number): number[] {
  const law = [(1 - p) ** n];
  for (let k = 1; k <= n; k++) law.push(((law[k - 1] ?? 0) * (n - k + 1) * p) / (k * (1 - p)));
  return law;
}

/** The mean of `value` over independent canary and primary errors. */
export function expectation(
  { n1, p1, n0, p0 }: { n1: number; p1: number; n0: number; p0: number },
  value: (canary: number, primary: number) => number,
): number {
  const primaryLaw = binomialLaw(n0, p0);
  return binomialLaw(n1, p1).reduce(
    (sum, pc, c) => sum + pc * primaryLaw.reduce((inner, pb, b) => inner + pb * value(c, b), 0),
    0,
  );
}
