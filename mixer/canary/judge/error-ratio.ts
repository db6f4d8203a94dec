/**
 * A confidence sequence for the ratio of error rates, canary : primary: at every look, all looks together, the true
 * ratio lies outside with probability <= alpha.
 *
 * For counts c and b of errors and the canary's share w of requests in a look, a ratio rho makes an error the canary's
 * with probability theta = rho w / (rho w + 1 - w). A ratio g is excluded from below when the likelihood of all greater
 * ratios of the grid, averaged, is 2/alpha times the likelihood of g, and from above likewise: each of these quotients is
 * a test martingale against "the ratio is g, or beyond". That holds for binomial counts too, with any error rates that may
 * change from look to look: the mean of a product of factors 1 + p x is at most e^(sum of p x), and the exponent vanishes.
 *
 * Errors that come together would count too much: a look counts for `errorsPerLook` errors at most, thinned in
 * proportion (a power <= 1 of a likelihood ratio stays a test martingale).
 */
import type { Look } from './counts.ts';
import { logAdd, logMeanExp } from './logarithms.ts';

export interface RatioEvidence {
  /** ln of the likelihood of each ratio of the grid, relative to that of the ratio 1. */
  readonly logLikelihoods: readonly number[];
  /** Mantel-Haenszel sums over the looks: the estimate does not mix up changes of weight with changes of rates. */
  readonly canarySum: number;
  readonly primarySum: number;
  /** Of the differences: sum of n1 n0 / (n1 + n0). */
  readonly requestSum: number;
}

/** Undefined where nothing is known: no errors, or an end beyond the grid (1/50 to 50). */
export interface RatioEstimate {
  readonly estimate: number | undefined;
  readonly lower: number | undefined;
  readonly upper: number | undefined;
}

/** Errors for which one look counts at most. */
const errorsPerLook = 20;
const greatestLogRatio = Math.log(50);
/** Points on each side of the ratio 1. */
const pointsPerSide = 36;

const grids = new Map<number, readonly number[]>();

/** ln of the ratios: close to each other near 1, further apart far from it; the ratio that must be certified is exact. */
function logRatioGrid(maxErrorRatio: number): readonly number[] {
  const known = grids.get(maxErrorRatio);
  if (known !== undefined) return known;
  const points = Array.from({ length: 2 * pointsPerSide + 1 }, (_, i) => {
    const position = (i - pointsPerSide) / pointsPerSide;
    return Math.sign(position) * greatestLogRatio * Math.abs(position) ** 1.5;
  });
  const grid = [...points, Math.log(maxErrorRatio)].sort((a, b) => a - b);
  if (grids.size < 1000) grids.set(maxErrorRatio, grid);
  return grid;
}

export function startRatioEvidence(maxErrorRatio: number): RatioEvidence {
  const logLikelihoods = logRatioGrid(maxErrorRatio).map(() => 0);
  return { logLikelihoods, canarySum: 0, primarySum: 0, requestSum: 0 };
}

/** Both versions must have had requests. */
export function addRatioEvidence(evidence: RatioEvidence, maxErrorRatio: number, look: Look): RatioEvidence {
  const { primary, canary } = look;
  const requests = primary.requests + canary.requests;
  const share = canary.requests / requests;
  const requestSum = evidence.requestSum + share * primary.requests;
  const errors = primary.errors + canary.errors;
  if (errors === 0) return { ...evidence, requestSum };
  const thinning = Math.min(1, errorsPerLook / errors);
  const grid = logRatioGrid(maxErrorRatio);
  return {
    logLikelihoods: evidence.logLikelihoods.map((log, i) => {
      const logRatio = grid[i] ?? 0;
      const logTotal = Math.log(1 - share + share * Math.exp(logRatio));
      return log + thinning * (canary.errors * logRatio - errors * logTotal);
    }),
    canarySum: evidence.canarySum + canary.errors * (1 - share),
    primarySum: evidence.primarySum + primary.errors * share,
    requestSum,
  };
}

export function estimateRatio(evidence: RatioEvidence, maxErrorRatio: number, alpha: number): RatioEstimate {
  const grid = logRatioGrid(maxErrorRatio);
  const logs = evidence.logLikelihoods;
  const threshold = Math.log(2 / alpha);
  const upper = firstExcluded(logs, threshold);
  const lower = firstExcluded(logs.toReversed(), threshold);
  return {
    estimate: evidence.primarySum > 0 ? evidence.canarySum / evidence.primarySum : undefined,
    lower: ratioAt(grid, lower === undefined ? undefined : grid.length - 1 - lower),
    upper: ratioAt(grid, upper),
  };
}

/** ln E against "the ratio is `maxErrorRatio` or greater". */
export function logEAgainstRatio({ logLikelihoods }: RatioEvidence, maxErrorRatio: number): number {
  const index = logRatioGrid(maxErrorRatio).indexOf(Math.log(maxErrorRatio));
  return logMeanExp(logLikelihoods.slice(0, index)) - (logLikelihoods[index] ?? 0);
}

/** The canary's error rate minus the primary's. */
export function estimateIncrease({ canarySum, primarySum, requestSum }: RatioEvidence): number | undefined {
  return requestSum > 0 ? (canarySum - primarySum) / requestSum : undefined;
}

function ratioAt(grid: readonly number[], index: number | undefined): number | undefined {
  const log = index === undefined ? undefined : grid[index];
  return log === undefined ? undefined : Math.exp(log);
}

/** The first point that those before it, averaged, exclude — and with it all that follow. */
function firstExcluded(logs: readonly number[], threshold: number): number | undefined {
  let logSum = -Infinity;
  for (const [i, log] of logs.entries()) {
    if (i > 0 && logSum - Math.log(i) - log >= threshold) return i;
    logSum = logAdd(logSum, log);
  }
  return undefined;
}
