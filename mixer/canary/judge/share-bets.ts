/**
 * Evidence that a share is greater than it may be, valid at every look.
 *
 * A look yields a share x in [0, 1] — of the errors in the look, how many were the canary's — whose mean, whatever came
 * before and however many errors there were, is at most theta when the canary is no worse. For every stake 0 <= s < 1/theta
 * that was chosen without knowing x the factor
 *
 *     1 + s (x - theta)
 *
 * then has a mean <= 1: whoever bets against the canary at every look does not expect to win. By Ville's inequality the
 * wealth E of such a bettor ever reaches 1/alpha with probability <= alpha, however often it is looked at. For a single
 * error and s = (r - 1) / (1 + (r - 1) theta) this is the likelihood ratio "the canary's odds are r times as high".
 *
 * Three choices, each with its price:
 * - One look is ONE outcome, however many errors it holds. Only the mean of x counts for the proof, so errors that come
 *   together (one bad connection, one retry storm) do no harm: in simulations with three errors at a time the likelihood of
 *   all errors rolls back most canaries that are no worse, with a cap of twenty errors a look as well. No other bet is valid
 *   both where errors are independent and where they all come together: linear in x is what is left. It may stake more
 *   where there were more errors, and then nearly all of the speed is left as well.
 * - The bettors share the wealth over a grid of ratios; the price is ln(part) at most.
 * - A part of the wealth is held back and handed out later, epoch by epoch: a canary that turns bad after an hour is
 *   caught by those who start then, not by those whom the good hour has ruined. A mixture of bettors is a bettor.
 *
 * Sources: canary.md's e-process (Poisson thinning); Waudby-Smith and Ramdas 2024, "Estimating means of bounded random
 * variables by betting"; Ville 1939.
 */
import type { Bettors } from './bettors.ts';
import { logAdd, logSumExp } from './logarithms.ts';

export interface ShareBets {
  /** ln of each bettor's wealth, in the order of `Bettors.ratios`. */
  readonly logWealth: readonly number[];
  /** How many times reserve has been handed out. */
  readonly epoch: number;
  /** Looks with a bet in this epoch. */
  readonly epochLooks: number;
}

/** Looks with a bet after which a new epoch begins. */
const looksPerEpoch = 16;

export function startShareBets(bettors: Bettors): ShareBets {
  const logWealth = bettors.logParts.map((part) => part + Math.log(1 - reserve(bettors, 0)));
  return { logWealth, epoch: 0, epochLooks: 0 };
}

/** Before the stakes of a look are chosen: a new epoch, when the last one is over. */
export function renewEpoch(bets: ShareBets, bettors: Bettors): ShareBets {
  return bets.epochLooks < looksPerEpoch ? bets : startEpoch(bets, bettors);
}

/** One look: `share` came, `mean` is the greatest mean that it has when the canary is no worse; a stake per bettor. */
export function betOnShare(
  bets: ShareBets,
  { share, mean }: { readonly share: number; readonly mean: number },
  stakes: readonly number[],
): ShareBets {
  const logWealth = bets.logWealth.map((log, i) => log + Math.log1p((stakes[i] ?? 0) * (share - mean)));
  return { ...bets, logWealth, epochLooks: bets.epochLooks + 1 };
}

/** Hands out a part of the reserve: worth calling, before a look, when something changes (a step begins). */
export function startEpoch({ logWealth, epoch }: ShareBets, bettors: Bettors): ShareBets {
  const released = Math.log(reserve(bettors, epoch) - reserve(bettors, epoch + 1));
  return {
    logWealth: logWealth.map((log, i) => logAdd(log, released + (bettors.logParts[i] ?? 0))),
    epoch: epoch + 1,
    epochLooks: 0,
  };
}

/** ln E: the wealth of all bettors and the reserve. */
export function logEValue({ logWealth, epoch }: ShareBets, bettors: Bettors): number {
  return logAdd(logSumExp(logWealth), Math.log(reserve(bettors, epoch)));
}

/**
 * Limits ln E, which is to throw wealth away and so keeps the proof: evidence that has stood long for something then
 * gives way as soon as it ends.
 */
export function capShareBets(bets: ShareBets, logLimit: number): ShareBets {
  const excess = logSumExp(bets.logWealth) - logLimit;
  return excess <= 0 ? bets : { ...bets, logWealth: bets.logWealth.map((log) => log - excess) };
}

/** What has not been handed out: falls slowly, so that the hundredth epoch still gets its part. */
function reserve({ heldBack }: Bettors, epoch: number): number {
  return heldBack * (1 + epoch) ** -0.25;
}
