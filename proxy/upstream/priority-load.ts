/**
 * Pure: which part of the requests each priority gets, and where health is not to be believed. Source: Envoy docs
 * `load_balancing/priority`, `load_balancing/overprovisioning` and `load_balancing/panic_threshold`.
 */

export interface HealthCount {
  readonly available: number;
  readonly total: number;
}

export interface PriorityLoad {
  /** Part of all requests; the sum is 1, or 0 when nobody can take any. */
  readonly share: number;
  /** Too few hosts are healthy, here and in all other priorities together: requests go to all hosts. */
  readonly isPanic: boolean;
}

export interface LoadRules {
  /** Healthy hosts count this many percent, so that a few failures move nothing. */
  readonly overprovisioningFactor: number;
  /** 0: never panic. */
  readonly panicThresholdPercent: number;
}

/** `priorities` from 0 on. */
export function spreadLoad(priorities: readonly HealthCount[], rules: LoadRules): PriorityLoad[] {
  const healths = priorities.map((count) => healthOf(count, rules.overprovisioningFactor));
  const availability = Math.min(1, sum(healths));
  if (availability === 0) return spreadInPanic(priorities, rules);
  let left = 1;
  return priorities.map(({ available, total }, i) => {
    const share = Math.min(left, (healths[i] ?? 0) / availability);
    left -= share;
    const isBelowThreshold = total > 0 && (100 * available) / total < rules.panicThresholdPercent;
    return { share, isPanic: availability < 1 && isBelowThreshold };
  });
}

/** Part of its load that a group of hosts can take, at most 1. */
export function healthOf({ available, total }: HealthCount, overprovisioningFactor: number): number {
  return total === 0 ? 0 : Math.min(1, (overprovisioningFactor * available) / (100 * total));
}

/** Nobody is healthy: priorities are as good as they are large. */
function spreadInPanic(priorities: readonly HealthCount[], { panicThresholdPercent }: LoadRules): PriorityLoad[] {
  const totals = priorities.map(({ total }) => total);
  const all = sum(totals);
  const isPanic = panicThresholdPercent > 0 && all > 0;
  return totals.map((total) => ({ share: isPanic ? total / all : 0, isPanic }));
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}
