/**
 * Evidence that a share is greater than it may be, valid at every look.
 *
 * A look yields a share x in [0, 1] — of the errors in the look, how many were the canary's — whose mean, whatever came
 * before, is at most theta when the canary is no worse. For every stake s > 0 the factor
 *
 *     (1 + s x) / (1 + s theta)
 *
 * then has a mean <= 1: whoever bets against the canary at every look does not expect to win. By Ville's inequality the
 * wealth E of such a bettor ever reaches 1/alpha with probability <= alpha, however often it is looked at. With s = r - 1
 * and a single error in the look this is the likelihood ratio "the canary's odds are r times as high".
 *
 * Three choices, each with its price:
 * - One look is ONE outcome, however many errors it holds. Only the mean of x counts for the proof, so errors that come
 *   together (one bad connection, one retry storm) do no harm: in simulations with three errors at a time the likelihood of
 *   all errors rolls back most canaries that are no worse, with a cap of twenty errors a look as well. The price is that
 *   evidence grows by a bounded factor a look; at 100 requests per second that costs two seconds.
 * - The bettors share the wealth over a grid of ratios r, from a tenth more to fifty times, most around six times; the
 *   price is ln(grid) at most.
 * - A third of the wealth is held back and handed out later, epoch by epoch: a canary that turns bad after an hour is
 *   caught by those who start then, not by those whom the good hour has ruined. A mixture of bettors is a bettor.
 *
 * Sources: canary.md's e-process (Poisson thinning); Waudby-Smith and Ramdas 2024, "Estimating means of bounded random
 * variables by betting"; Ville 1939.
 */
import { logAdd, logSumExp } from './logarithms.ts';

export interface ShareBets {
  /** ln of each bettor's wealth, in the order of `stakes`; all bettors together begin with two thirds. */
  readonly logWealth: readonly number[];
  /** How many times reserve has been handed out. */
  readonly epoch: number;
  /** Looks with a bet in this epoch. */
  readonly epochLooks: number;
}

const bettors = 20;
const smallestRatio = 1.1;
const greatestRatio = 50;

const likeliestRatio = 6;
const heldBack = 1 / 3;

/** Equally far from each other on the scale of logarithms. */
const ratios: readonly number[] = Array.from(
  { length: bettors },
  (_, i) => smallestRatio * (greatestRatio / smallestRatio) ** (i / (bettors - 1)),
);

/** s = r - 1 of every bettor. */
const stakes: readonly number[] = ratios.map((ratio) => ratio - 1);

/** ln of every bettor's part of what is handed out: a bell on the scale of logarithms. */
const logParts: readonly number[] = (() => {
  const bell = ratios.map((ratio) => -(Math.log(ratio / likeliestRatio) ** 2) / 2);
  return bell.map((log) => log - logSumExp(bell));
})();

/** Looks with a bet after which a new epoch begins. */
const looksPerEpoch = 16;

export function startShareBets(): ShareBets {
  const logWealth = logParts.map((part) => part + Math.log(1 - reserve(0)));
  return { logWealth, epoch: 0, epochLooks: 0 };
}

/**
 * One look: `share` came, `mean` (0 < mean < 1) is the greatest mean that it has when the canary is no worse.
 * Nothing in it may depend on `share` but `share`.
 */
export function betOnShare(bets: ShareBets, share: number, mean: number): ShareBets {
  const current = bets.epochLooks < looksPerEpoch ? bets : startEpoch(bets);
  const logWealth = current.logWealth.map((log, i) => {
    const stake = stakes[i] ?? 0;
    return log + Math.log((1 + stake * share) / (1 + stake * mean));
  });
  return { ...current, logWealth, epochLooks: current.epochLooks + 1 };
}

/** Hands out a part of the reserve: worth calling, before a look, when something changes (a step begins). */
export function startEpoch({ logWealth, epoch }: ShareBets): ShareBets {
  const released = Math.log(reserve(epoch) - reserve(epoch + 1));
  return {
    logWealth: logWealth.map((log, i) => logAdd(log, released + (logParts[i] ?? 0))),
    epoch: epoch + 1,
    epochLooks: 0,
  };
}

/** ln E: the wealth of all bettors and the reserve. */
export function logEValue({ logWealth, epoch }: ShareBets): number {
  return logAdd(logSumExp(logWealth), Math.log(reserve(epoch)));
}

/**
 * Limits ln E, which is to throw wealth away and so keeps the proof: evidence that has stood long for something then
 * gives way as soon as it ends.
 */
export function capShareBets(bets: ShareBets, logLimit: number): ShareBets {
  const excess = logSumExp(bets.logWealth) - logLimit;
  return excess <= 0 ? bets : { ...bets, logWealth: bets.logWealth.map((log) => log - excess) };
}

/** What has not been handed out: falls slowly, so that the hundredth epoch still gets one part in a thousand. */
function reserve(epoch: number): number {
  return heldBack * (1 + epoch) ** -0.25;
}
