/**
 * Who bets that a share is greater than it may be, and how much of their wealth they stake.
 *
 * A bettor stands for a ratio r of odds, canary : primary. With the stake 0 <= s < 1/mean an outcome `share` multiplies its
 * wealth by 1 + s (share - mean), whose mean is <= 1 whatever s is, as long as s was chosen before the share was known. So
 * every choice here is about speed; none is about validity.
 */
import { logSumExp } from './logarithms.ts';

export interface Bettors {
  /** r of every bettor. */
  readonly ratios: readonly number[];
  /** ln of every bettor's part of what is handed out. */
  readonly logParts: readonly number[];
  /** Share of the wealth that is handed out later: 0 < heldBack < 1. */
  readonly heldBack: number;
}

/** A part of the wealth, around a ratio: `spread` is the standard deviation of ln r. */
export interface Bell {
  readonly part: number;
  readonly ratio: number;
  readonly spread: number;
}

const bettors = 16;
const smallestRatio = 1.1;
const greatestRatio = 50;

/** Equally far from each other on the scale of logarithms. */
const ratios: readonly number[] = Array.from(
  { length: bettors },
  (_, i) => smallestRatio * (greatestRatio / smallestRatio) ** (i / (bettors - 1)),
);

export function createBettors(bells: readonly Bell[], heldBack: number): Bettors {
  const parts = bells.map(({ part, ratio, spread }) => {
    const logs = ratios.map((r) => -((Math.log(r / ratio) / spread) ** 2) / 2);
    const total = logSumExp(logs);
    return logs.map((log) => part * Math.exp(log - total));
  });
  const logParts = ratios.map((_, i) => Math.log(parts.reduce((sum, of) => sum + (of[i] ?? 0), 0)));
  return { ratios, logParts, heldBack };
}

export interface Outcome {
  /** What came, 0..1: of the errors of a look, how many were the canary's. */
  readonly share: number;
  /** 0 < mean < 1: the greatest mean that the share has when the canary is no worse. */
  readonly mean: number;
  /** Of how many it is the share. */
  readonly count: number;
}

/** Beyond this many, they are more likely to have one cause than to be that many. */
const greatestCount = 3;

/**
 * Stakes of those who believe that the canary's odds are r^boldness times as high as when it is no worse: each of `count`
 * events is then by that factor more likely to be the canary's, and where none was, they lose as much as if the events were
 * independent. For one event that is the stake that grows fastest, for more it is within some percent of it. Boldness less
 * than 1 bets less than what grows fastest, and loses less by bad luck.
 */
export function stakesOf({ ratios }: Bettors, { mean, count }: Omit<Outcome, 'share'>, boldness: number): number[] {
  const events = Math.min(count, greatestCount);
  return ratios.map((ratio) => {
    const odds = boldness === 1 ? ratio : ratio ** boldness;
    return (1 - (1 + (odds - 1) * mean) ** -events) / mean;
  });
}
