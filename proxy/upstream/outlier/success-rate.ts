/** The arithmetic of outlier detection over all hosts: who did worse than the others in one interval. Pure. */
import type { FailurePercentageRule, SuccessRateRule } from '../../api/outlier-detection.ts';

/** What one host did in one interval. */
export interface Tally {
  readonly requests: number;
  readonly successes: number;
}

/**
 * Indexes of the hosts whose success rate lies below mean − factor · standard deviation of the hosts with enough
 * requests; none when there are too few of those. Source: Envoy docs `outlier`, success rate.
 */
export function findSuccessRateOutliers(tallies: readonly Tally[], rule: SuccessRateRule): number[] {
  const rates = ratesOf(tallies, rule);
  if (rates.length === 0) return [];
  const mean = rates.reduce((sum, { rate }) => sum + rate, 0) / rates.length;
  const variance = rates.reduce((sum, { rate }) => sum + (rate - mean) ** 2, 0) / rates.length;
  const threshold = mean - rule.stdevFactor * Math.sqrt(variance);
  return rates.filter(({ rate }) => rate < threshold).map(({ index }) => index);
}

/** Indexes of the hosts with enough requests of which at least the given share failed. */
export function findFailurePercentageOutliers(tallies: readonly Tally[], rule: FailurePercentageRule): number[] {
  return ratesOf(tallies, rule)
    .filter(({ rate }) => 100 - rate >= rule.thresholdPercent)
    .map(({ index }) => index);
}

interface Rate {
  readonly index: number;
  /** Percent. */
  readonly rate: number;
}

function ratesOf(
  tallies: readonly Tally[],
  { minimumHosts, requestVolume }: { minimumHosts: number; requestVolume: number },
): Rate[] {
  const rates = tallies.flatMap(({ requests, successes }, index) =>
    requests > 0 && requests >= requestVolume ? [{ index, rate: (100 * successes) / requests }] : [],
  );
  return rates.length >= minimumHosts ? rates : [];
}
