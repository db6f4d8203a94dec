/**
 * Slow start: a new host gets a part of its weight that grows with its age, so that it can warm up its caches.
 * Source: Envoy docs `load_balancing/slow_start`.
 */
import type { SlowStart } from '../api/load-balancing.ts';

/** Part of its weight that a host of this age has, in (0, 1]. */
export function slowStartFactor(ageMs: number, { windowMs, aggression, minWeightPercent }: SlowStart): number {
  if (ageMs >= windowMs) return 1;
  // Envoy counts whole time from 1 s on, so that the curve does not begin at 0.
  const elapsed = Math.max(1_000, ageMs) / windowMs;
  const grown = Math.min(1, elapsed) ** (1 / aggression);
  return Math.max(minWeightPercent / 100, grown, smallestFactor);
}

/** A weight must stay above 0. */
const smallestFactor = 0.000_001;
