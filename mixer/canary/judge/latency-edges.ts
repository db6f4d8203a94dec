/**
 * Latency is judged at a few edges that are frozen before the release begins: the bounds of histogram buckets nearest above
 * the primary's median, 90th, 95th and 99th percentile. Above an edge a request is slow, and slow requests are counted
 * as errors are.
 */
import { standardUpperBounds } from '../../../proxy/api/standard-metrics.ts';

const quantiles = [0.5, 0.9, 0.95, 0.99] as const;
/** Fewer requests say too little about a 99th percentile. */
const minRequests = 500;

/** Indices of `standardUpperBounds`, rising, each once; none where too little is known. `buckets` are not cumulative. */
export function latencyEdges(buckets: readonly number[] | undefined): number[] {
  const total = sum(buckets ?? []);
  if (buckets === undefined || total < minRequests) return [];
  const edges = quantiles.map((quantile) => {
    let below = 0;
    return buckets.findIndex((count) => (below += count) >= quantile * total);
  });
  // Above the last bound nothing is told apart.
  return [...new Set(edges)].filter((edge) => edge >= 0 && edge < standardUpperBounds.length);
}

/** Requests that took longer than the edge. */
export function slowRequests(buckets: readonly number[], edge: number): number {
  return sum(buckets.slice(edge + 1));
}

export function sum(counts: readonly number[]): number {
  return counts.reduce((total, count) => total + count, 0);
}

export function edgeMs(edge: number): number {
  return standardUpperBounds[edge] ?? Infinity;
}
