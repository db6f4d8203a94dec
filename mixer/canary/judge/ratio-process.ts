/**
 * Whether events (errors, slow requests) are more frequent in one of two versions, looked at as often as one likes.
 *
 * Of n events in a look, each is the canary's with probability θ(ρ) = ρw / (ρw + 1 − w), where w is the canary's share of the
 * requests and ρ the ratio of the two rates. So the likelihood of every ρ of a grid is known without knowing either
 * rate, whatever the weights were. A mixture over the grid against one ρ is an e-process: Ville's inequality bounds the
 * chance that it ever reaches 1/α by α. Counts of a fixed number of requests vary less than Poisson's, given their sum,
 * which makes e-values smaller (Hoeffding 1963, theorem 4), so the bound holds for shares that are not small too.
 */

/** Ratios from 1/20 to 20; each 7.8 % above the last. */
const steps = 40;
const maxRatio = 20;
export const ratioGrid: readonly number[] = Array.from(
  { length: 2 * steps + 1 },
  (_, k) => maxRatio ** ((k - steps) / steps),
);

/**
 * Events that count of one look. Errors come in bursts, and what comes together says less than as many single ones; the
 * likelihood of a look with more is raised to a power below one, which by Jensen's inequality keeps it an e-process.
 */
const maxEventsPerLook = 5;

/** JSON: the logarithm of the likelihood of each ratio of the grid, and of `nullRatio`, each against that of ρ = 1. */
export interface RatioProcess {
  readonly nullRatio: number;
  readonly nullLog: number;
  readonly logs: readonly number[];
}

export interface EventLook {
  readonly canaryEvents: number;
  readonly primaryEvents: number;
  /** Of the requests, between 0 and 1. */
  readonly canaryShare: number;
}

/** `nullRatio`: the largest one that is no reason for an alarm. */
export function createRatioProcess(nullRatio: number): RatioProcess {
  return { nullRatio, nullLog: 0, logs: ratioGrid.map(() => 0) };
}

/** A look without events, or in which one version had no requests, says nothing. */
export function observeEvents(process: RatioProcess, look: EventLook): RatioProcess {
  const { canaryEvents, primaryEvents, canaryShare } = look;
  const events = canaryEvents + primaryEvents;
  if (!(events > 0) || !(canaryShare > 0 && canaryShare < 1)) return process;
  const power = Math.min(1, maxEventsPerLook / events);
  const add = (log: number, ratio: number): number => {
    const total = ratio * canaryShare + 1 - canaryShare;
    return round(log + power * (canaryEvents * Math.log(ratio) - events * Math.log(total)));
  };
  return {
    nullRatio: process.nullRatio,
    nullLog: add(process.nullLog, process.nullRatio),
    logs: process.logs.map((log, k) => add(log, ratioGrid[k] ?? 1)),
  };
}

/** What is stored is what goes on: a state that went through JSON decides as one that did not. */
function round(log: number): number {
  return Math.round(log * 1e5) / 1e5;
}

/** The e-value against "the ratio is at most `nullRatio`": a uniform mixture of what is above it. */
export function alarmEValue({ nullRatio, nullLog, logs }: RatioProcess): number {
  const above = logs.filter((_, k) => (ratioGrid[k] ?? 0) > nullRatio);
  return Math.exp(logMeanExp(above) - nullLog);
}

/** The e-value against "the ratio is 1", in either direction. */
export function differenceEValue({ logs }: RatioProcess): number {
  return Math.exp(logMeanExp(logs));
}

export interface RatioInterval {
  readonly estimate: number;
  readonly lower: number;
  readonly upper: number;
}

/**
 * The confidence sequence: at every look at once, the ratio is in it with probability 1 − α at least. Ends are widened to the
 * grid; 1/20 and 20 mean "or beyond".
 */
export function ratioInterval({ logs }: RatioProcess, alpha: number): RatioInterval {
  const mixture = logMeanExp(logs);
  const threshold = Math.log(1 / alpha);
  const isInside = (log: number): boolean => mixture - log < threshold;
  const last = logs.length - 1;
  const best = logs.indexOf(Math.max(...logs));
  const isSilent = logs.every((log) => log === 0);
  return {
    estimate: isSilent ? 1 : (ratioGrid[best] ?? 1),
    lower: ratioGrid[Math.max(0, logs.findIndex(isInside) - 1)] ?? 0,
    upper: ratioGrid[Math.min(last, logs.findLastIndex(isInside) + 1)] ?? maxRatio,
  };
}

function logMeanExp(logs: readonly number[]): number {
  const max = Math.max(...logs);
  return max + Math.log(logs.reduce((sum, log) => sum + Math.exp(log - max), 0) / logs.length);
}
