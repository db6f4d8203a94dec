/**
 * An upper confidence bound, valid at every look, for how much higher the canary's error rate is than the primary's. It
 * is what certifies a canary of which no version errs: then there is no ratio.
 *
 * Against "the canary's rate p1 >= p0 + delta" a bettor with the stake 0 < s < 1 has, per look of n1 canary requests with
 * c errors and n0 primary requests with b errors, the factor
 *
 *     (1 - s)^c · (1 + s b n1/n0) · e^(s delta n1)
 *
 * Its mean is at most e^(-s n1 p1) · e^(s n1 p0) · e^(s delta n1) <= 1, since 1 + x <= e^x: for any rates, which may change
 * from look to look. Wealth 2/alpha excludes delta. Without errors the wealth grows by e^(s delta n1): about
 * ln(2/alpha)/delta canary requests, some hundreds for one percent point, are enough. The primary's errors may come
 * together; the canary's are taken as independent of each other.
 */
import type { Look } from './counts.ts';
import { logSumExp } from './logarithms.ts';

export interface IncreaseEvidence {
  /** Per stake, ln of the wealth without the part of delta. */
  readonly logWealth: readonly number[];
  /** The canary's requests in looks in which both versions had some. */
  readonly canaryRequests: number;
}

const stakes: readonly number[] = Array.from({ length: 16 }, (_, i) => 0.98 * 0.02 ** (i / 15));
/** Half of the wealth bets all it can, which is best where the canary does not err at all. */
const logParts: readonly number[] = stakes.map((_, i) => Math.log(i === 0 ? 0.5 : 0.5 / (stakes.length - 1)));

export function startIncreaseEvidence(): IncreaseEvidence {
  return { logWealth: logParts, canaryRequests: 0 };
}

/** Both versions must have had requests. */
export function addIncreaseEvidence(evidence: IncreaseEvidence, { primary, canary }: Look): IncreaseEvidence {
  const canaryRequests = evidence.canaryRequests + canary.requests;
  if (primary.errors + canary.errors === 0) return { ...evidence, canaryRequests };
  const expected = (primary.errors * canary.requests) / primary.requests;
  const logWealth = evidence.logWealth.map((log, i) => {
    const stake = stakes[i] ?? 0;
    return log + canary.errors * Math.log1p(-stake) + Math.log1p(stake * expected);
  });
  return { logWealth, canaryRequests };
}

/** The least increase that is excluded with confidence 1 - alpha/2; undefined while that is more than 100 %. */
export function upperIncrease(evidence: IncreaseEvidence, alpha: number): number | undefined {
  const threshold = Math.log(2 / alpha);
  if (evidence.canaryRequests === 0 || logEAgainstIncrease(evidence, 1) < threshold) return undefined;
  // ln E grows with the increase and is convex: Newton's steps from above come down to the root and never pass it.
  let excluded = 1;
  for (let i = 0; i < 12; i++) {
    const excess = logEAgainstIncrease(evidence, excluded) - threshold;
    if (excess < 1e-3) break;
    excluded = Math.max(-1, excluded - excess / slopeAt(evidence, excluded));
  }
  return excluded;
}

/** d ln E / d increase: the mean stake, weighted with the bettors' wealth, times the requests. */
function slopeAt({ logWealth, canaryRequests }: IncreaseEvidence, increase: number): number {
  const logs = logWealth.map((log, i) => log + (stakes[i] ?? 0) * increase * canaryRequests);
  const high = Math.max(...logs);
  let sum = 0;
  let weighted = 0;
  for (const [i, log] of logs.entries()) {
    const wealth = Math.exp(log - high);
    sum += wealth;
    weighted += wealth * (stakes[i] ?? 0);
  }
  return (weighted / sum) * canaryRequests;
}

/** ln E against "the increase is `increase` or more". */
export function logEAgainstIncrease({ logWealth, canaryRequests }: IncreaseEvidence, increase: number): number {
  return logSumExp(logWealth.map((log, i) => log + (stakes[i] ?? 0) * increase * canaryRequests));
}
