/**
 * Evidence that the canary is NOT slower: against "its share of requests above an edge is `maxLatencyRatio` times the
 * primary's, or more". A bettor with the stake 0 < s < 1 has, per look of n1 canary requests with c above the edge and n0
 * primary requests with b above it, the factor
 *
 *     (1 - s)^c · (1 + s rho n1/n0)^b
 *
 * Its mean is (1 - s p1)^n1 · (1 + s rho p0 n1/n0)^n0 <= e^(-s n1 p1 + s rho n1 p0) <= 1 for p1 >= rho p0: for any shares, which
 * may change from look to look. A look counts for some slow requests at most: with more of them the factor is raised to a
 * power below 1, which a mean of at most 1 survives (Jensen). The power depends on how many slow requests there are; where
 * they come as a Poisson process the mean is at most 1 given their number too, and where the requests are few enough to tell
 * the difference the tests sum it up exactly.
 *
 * A certificate is a matter of how many slow requests there were: at the ratio 1.25 and equal weights about 1,200 requests
 * to the canary at the median, 6,000 at p90 and 60,000 at p99. So a promotion does not wait for it, which would be in vain
 * where traffic is thin; it says at which edges it has one.
 */
import { logMeanExp } from './logarithms.ts';

/** Per stake, ln of the wealth. */
export type LatencyCertificate = readonly number[];

export interface AboveEdge {
  readonly requests: number;
  readonly above: number;
}

const stakes: readonly number[] = [0.02, 0.05, 0.1, 0.2, 0.4];
/** Slow requests for which one look counts at most. */
const abovePerLook = 50;

export function startLatencyCertificate(): LatencyCertificate {
  return stakes.map(() => 0);
}

/** Both versions must have had requests. */
export function addToCertificate(
  certificate: LatencyCertificate,
  maxLatencyRatio: number,
  { primary, canary }: { readonly primary: AboveEdge; readonly canary: AboveEdge },
): LatencyCertificate {
  const slow = primary.above + canary.above;
  if (slow === 0) return certificate;
  const thinning = Math.min(1, abovePerLook / slow);
  const expected = (maxLatencyRatio * canary.requests) / primary.requests;
  return certificate.map((log, i) => {
    const stake = stakes[i] ?? 0;
    return log + thinning * (canary.above * Math.log1p(-stake) + primary.above * Math.log1p(stake * expected));
  });
}

/** ln E against "`maxLatencyRatio` or more". */
export function logEOfCertificate(certificate: LatencyCertificate): number {
  return logMeanExp(certificate);
}
