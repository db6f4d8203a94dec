/**
 * Evidence that the canary is slower: at fixed edges of latency, the share of requests above the edge.
 *
 * The edges are quantiles of the primary before the canary started (p50, p90, p95, p99), moved to bounds of buckets and
 * then frozen: an edge that moved with the data would hide what it should show. A canary is no slower when its share above
 * the edge is at most `maxLatencyRatio` times the primary's: a shift of one percent is none, at however many requests.
 *
 * Of the m slow requests of a look, how many are the canary's? Given m, their mean share is at most
 * omega w / (omega w + 1 - w), where w is the canary's share of requests and omega the greatest ratio of odds: drawing m
 * slow requests from both versions is Fisher's noncentral hypergeometric law, which is a sum of m independent yes-or-noes
 * (its generating polynomial has real roots), so its mean grows no faster with ln omega than that of m draws with
 * replacement, and both begin at m w. Odds of a ratio rho of shares: omega = rho (1 - q) / (1 - rho q) for the primary's
 * share q; the greater of the frozen share and the one of late is taken. Where all versions get slower, omega grows with them.
 */
import { standardUpperBounds } from '../../../proxy/api/standard-metrics.ts';
import { createBettors, stakesOf } from './bettors.ts';
import type { Look, VersionCounts } from './counts.ts';
import {
  type AboveEdge,
  addToCertificate,
  type LatencyCertificate,
  logEOfCertificate,
  startLatencyCertificate,
} from './latency-certificate.ts';
import { betOnShare, logEValue, renewEpoch, type ShareBets, startEpoch, startShareBets } from './share-bets.ts';

export interface LatencyEdge {
  /** The quantile that the edge stands for, like 0.95. */
  readonly quantile: number;
  readonly edgeMs: number;
  /** Share of requests above the edge before the canary started. */
  readonly baselineShare: number;
  readonly primary: AboveEdge;
  readonly canary: AboveEdge;
  /** The primary's requests of late, begun with the baseline. */
  readonly recent: AboveEdge;
  /** Against the canary, and for it. */
  readonly bets: ShareBets;
  readonly certificate: LatencyCertificate;
}

const bettors = createBettors([{ part: 1, ratio: 4, spread: 1 }], 0.1);
const quantiles = [0.5, 0.9, 0.95, 0.99] as const;
/** How many requests the baseline counts for, and how many of late are remembered. */
const baselineRequests = 100;
const recentRequests = 10_000;

/**
 * The bound whose share above it is nearest to the quantile's, for each quantile; bounds that two quantiles share are
 * taken once. None without a baseline.
 */
export function freezeEdges(baseline: readonly number[]): LatencyEdge[] {
  const total = sum(baseline);
  if (!(total > 0) || baseline.length !== standardUpperBounds.length + 1) return [];
  const shares = standardUpperBounds.map((_, i) => sum(baseline.slice(i + 1)) / total);
  const edges = new Map<number, LatencyEdge>();
  for (const quantile of quantiles) {
    const index = nearest(shares, 1 - quantile);
    if (index !== undefined && !edges.has(index)) edges.set(index, startEdge(quantile, index, shares[index] ?? 0));
  }
  return [...edges.values()];
}

function startEdge(quantile: number, index: number, baselineShare: number): LatencyEdge {
  const none = { requests: 0, above: 0 };
  return {
    quantile,
    edgeMs: standardUpperBounds[index] ?? 0,
    baselineShare,
    primary: none,
    canary: none,
    recent: { requests: baselineRequests, above: baselineRequests * baselineShare },
    bets: startShareBets(bettors),
    certificate: startLatencyCertificate(),
  };
}

/** By the ratio of the shares: a bound that nothing is above, or everything, stands for no quantile. */
function nearest(shares: readonly number[], wanted: number): number | undefined {
  let best: number | undefined;
  let bestDistance = Infinity;
  for (const [i, share] of shares.entries()) {
    if (share <= 0 || share >= 1) continue;
    const distance = Math.abs(Math.log(share / wanted));
    if (distance < bestDistance) [best, bestDistance] = [i, distance];
  }
  return best;
}

export function addLatencyEvidence(edge: LatencyEdge, maxLatencyRatio: number, look: Look): LatencyEdge {
  const primary = countAbove(look.primary, edge.edgeMs);
  const canary = countAbove(look.canary, edge.edgeMs);
  const slow = primary.above + canary.above;
  const isComparison = primary.requests > 0 && canary.requests > 0 && slow > 0;
  const odds = greatestOddsRatio(edge, maxLatencyRatio);
  return {
    ...edge,
    primary: add(edge.primary, primary),
    canary: add(edge.canary, canary),
    recent: remember(edge.recent, primary),
    bets:
      isComparison && odds !== undefined
        ? bet(edge.bets, canary.above / slow, { mean: oddsShare(odds, canary.requests, primary.requests), count: slow })
        : edge.bets,
  };
}

function bet(bets: ShareBets, share: number, law: { readonly mean: number; readonly count: number }): ShareBets {
  return betOnShare(renewEpoch(bets, bettors), { share, mean: law.mean }, stakesOf(bettors, law, 1));
}

/** Both versions must have had requests. */
export function addLatencyCertainty(edge: LatencyEdge, maxLatencyRatio: number, look: Look): LatencyEdge {
  const primary = countAbove(look.primary, edge.edgeMs);
  const canary = countAbove(look.canary, edge.edgeMs);
  if (primary.requests === 0 || canary.requests === 0) return edge;
  return { ...edge, certificate: addToCertificate(edge.certificate, maxLatencyRatio, { primary, canary }) };
}

/** All edges of `edges` together with confidence 1 - alpha. */
export function isLatencyCertified({ certificate }: LatencyEdge, edges: number, alpha: number): boolean {
  return logEOfCertificate(certificate) >= Math.log(edges / alpha);
}

/** New weights may bring new faults. */
export function startLatencyStep(edge: LatencyEdge): LatencyEdge {
  return { ...edge, bets: startEpoch(edge.bets, bettors) };
}

/** ln E. */
export function logLatencyEValue({ bets }: LatencyEdge): number {
  return logEValue(bets, bettors);
}

/** Undefined where even a canary that is above the edge with every request would be allowed. */
function greatestOddsRatio({ baselineShare, recent }: LatencyEdge, maxLatencyRatio: number): number | undefined {
  const share = Math.max(baselineShare, recent.above / recent.requests);
  const allowed = maxLatencyRatio * share;
  return allowed < 1 ? Math.max(1, (maxLatencyRatio * (1 - share)) / (1 - allowed)) : undefined;
}

function oddsShare(odds: number, canaryRequests: number, primaryRequests: number): number {
  return (odds * canaryRequests) / (odds * canaryRequests + primaryRequests);
}

function countAbove({ buckets }: VersionCounts, edgeMs: number): AboveEdge {
  let requests = 0;
  let above = 0;
  for (const [i, count] of buckets.entries()) {
    requests += count;
    if (i > 0 && (standardUpperBounds[i - 1] ?? 0) >= edgeMs) above += count;
  }
  return { requests, above };
}

function add(a: AboveEdge, b: AboveEdge): AboveEdge {
  return { requests: a.requests + b.requests, above: a.above + b.above };
}

function remember(recent: AboveEdge, came: AboveEdge): AboveEdge {
  const { requests, above } = add(recent, came);
  if (requests <= recentRequests) return { requests, above };
  return { requests: recentRequests, above: (above * recentRequests) / requests };
}

function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}
