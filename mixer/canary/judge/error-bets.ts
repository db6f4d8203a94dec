/**
 * Bets against the canary on its share of the errors. Their mean share, if it is no worse, is its share of the requests of
 * the same look: whatever the error rate is and however weights and rates change, since only who had the errors of a look is
 * bet on, never how many there are.
 *
 * Stakes aim at a rollback within `hasteLooks` looks of a step, which is when a new fault shows. What is fastest on average
 * is not what is most often done in time: who has time bets less than what grows fastest and loses less by bad luck, who is
 * late bets more. Dynamic programming over all ways to bet (0.5 % errors become 5 %, 100 requests/s, 10 %, alpha 1 %, 30
 * looks) finds 99.1 % at most, with stakes that grow with the growth that is still needed per look; a straight line through
 * them comes within 0.1 points. (Even a test of independent errors that may be looked at only once, after 30 s, misses 0.4 %:
 * there are that few errors.) Afterwards the stakes are the ones that grow fastest.
 *
 * Nobody stakes more than the goal needs: of a wealth beyond 1/alpha nothing comes back, and what is not staked is not lost.
 */
import { createBettors, type Outcome, stakesOf } from './bettors.ts';
import type { Look } from './counts.ts';
import { betOnShare, logEValue, renewEpoch, type ShareBets, startEpoch, startShareBets } from './share-bets.ts';

export interface ErrorBets extends ShareBets {
  /** Looks of this step. */
  readonly stepLooks: number;
}

/** Most of the wealth looks for gross faults, which must be found soon; the rest for any. */
const bettors = createBettors(
  [
    { part: 0.85, ratio: 10, spread: 0.45 },
    { part: 0.15, ratio: 4, spread: 1.2 },
  ],
  0.04,
);

const hasteLooks = 30;
const leastBoldness = 0.45;
const greatestBoldness = 2;

export function startErrorBets(): ErrorBets {
  return { ...startShareBets(bettors), stepLooks: 0 };
}

/** New weights may bring new faults. */
export function startErrorStep(bets: ErrorBets): ErrorBets {
  return { ...startEpoch(bets, bettors), stepLooks: 0 };
}

/** ln E. */
export function logErrorEValue(bets: ErrorBets): number {
  return logEValue(bets, bettors);
}

/** Both versions must have had requests. `logGoal` is the ln E that decides; once it is reached the bets are over. */
export function addErrorBets(bets: ErrorBets, { primary, canary }: Look, logGoal: number): ErrorBets {
  const stepLooks = bets.stepLooks + 1;
  const count = primary.errors + canary.errors;
  if (count === 0) return { ...bets, stepLooks };
  const current = renewEpoch(bets, bettors);
  const logE = logEValue(current, bettors);
  if (logE >= logGoal) return bets;
  const mean = canary.requests / (primary.requests + canary.requests);
  const outcome = { share: canary.errors / count, mean, count };
  const stakes = stakesOf(bettors, outcome, boldnessOf(bets.stepLooks, logGoal - logE));
  const limited = limitStakes(stakes, current, { outcome, missing: Math.exp(logGoal) - Math.exp(logE) });
  return { ...betOnShare(current, outcome, limited), stepLooks };
}

function boldnessOf(stepLooks: number, missing: number): number {
  const looksLeft = hasteLooks - stepLooks;
  if (looksLeft <= 0) return 1;
  return Math.min(greatestBoldness, Math.max(leastBoldness, 0.42 + (1.6 * missing) / looksLeft));
}

interface Limit {
  readonly outcome: Outcome;
  /** E of the goal - E now. */
  readonly missing: number;
}

/** So that the least share above the mean is enough to reach the goal, and nothing more is staked. */
function limitStakes(stakes: number[], { logWealth }: ShareBets, { outcome, missing }: Limit): number[] {
  const staked = stakes.reduce((sum, stake, i) => sum + stake * Math.exp(logWealth[i] ?? 0), 0);
  const gain = (Math.floor(outcome.count * outcome.mean) + 1) / outcome.count - outcome.mean;
  const excess = (staked * gain) / missing;
  return excess <= 1 ? stakes : stakes.map((stake) => stake / excess);
}
