/** Exact percentiles of samples in microseconds. */

export interface Percentiles {
  readonly p50Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
}

/** Sorts `samples` in place. NaN of nothing. */
export function percentilesOf(samples: Uint32Array): Percentiles {
  samples.sort();
  return {
    p50Us: percentile(samples, 0.5),
    p99Us: percentile(samples, 0.99),
    p999Us: percentile(samples, 0.999),
    maxUs: percentile(samples, 1),
  };
}

/** The smallest sample that at least this share of all samples does not exceed (nearest rank). */
function percentile(sorted: Uint32Array, share: number): number {
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
