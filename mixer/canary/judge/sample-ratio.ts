/**
 * Is the split itself right? Where the canary's share of requests is not what the weights say — sidecars that have not got
 * the weights, long-lived connections, a client that picks its version by itself — the versions serve different users, and
 * comparing them means little. Such a sample ratio mismatch stops every decision for the canary until it is gone; a rollback
 * waits for nothing.
 *
 * Weights are never met exactly (a look begins before a change of weights and ends after it), so odds that differ from the
 * expected ones by less than `toleratedOddsRatio` are right. A look is one outcome, as for errors: requests of one user
 * that stay together are no harm.
 */
import { createBettors, stakesOf } from './bettors.ts';
import type { Look } from './counts.ts';
import { betOnShare, capShareBets, logEValue, renewEpoch, type ShareBets, startShareBets } from './share-bets.ts';

export interface SampleRatio {
  /** Against "the canary's share is no greater than the weights say", and against "no smaller". */
  readonly above: ShareBets;
  readonly below: ShareBets;
  /** Requests in looks with an expected share, and how many of them should have been the canary's. */
  readonly requests: number;
  readonly canaryRequests: number;
  readonly expectedCanaryRequests: number;
}

const bettors = createBettors([{ part: 1, ratio: 6, spread: 1 }], 1 / 3);
const toleratedOddsRatio = 1.5;
/** E that makes a mismatch: a right split is ever called wrong with probability <= 2 in a thousand. */
const mismatchLogE = Math.log(1000);

export function startSampleRatio(): SampleRatio {
  const bets = startShareBets(bettors);
  return { above: bets, below: bets, requests: 0, canaryRequests: 0, expectedCanaryRequests: 0 };
}

export function addSampleRatio(state: SampleRatio, { primary, canary, expectedShare }: Look): SampleRatio {
  const requests = primary.requests + canary.requests;
  if (expectedShare === undefined || expectedShare <= 0 || expectedShare >= 1 || requests === 0) return state;
  const share = canary.requests / requests;
  return {
    above: bet(state.above, share, expectedShare),
    below: bet(state.below, 1 - share, 1 - expectedShare),
    requests: state.requests + requests,
    canaryRequests: state.canaryRequests + canary.requests,
    expectedCanaryRequests: state.expectedCanaryRequests + expectedShare * requests,
  };
}

export function isMismatch({ above, below }: SampleRatio): boolean {
  return Math.max(logEValue(above, bettors), logEValue(below, bettors)) >= mismatchLogE;
}

/** The cap lets a mismatch end soon after its cause has ended. */
function bet(bets: ShareBets, share: number, expected: number): ShareBets {
  const tolerated = (toleratedOddsRatio * expected) / (toleratedOddsRatio * expected + 1 - expected);
  const stakes = stakesOf(bettors, { mean: tolerated, count: 1 }, 1);
  return capShareBets(betOnShare(renewEpoch(bets, bettors), { share, mean: tolerated }, stakes), mismatchLogE + 1);
}
