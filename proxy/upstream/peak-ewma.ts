/**
 * PEAK_EWMA: of two random hosts the one where a request is likely to be done sooner, by what its answers took lately and
 * how many it has to give (Finagle's `p2cPeakEwma`; Envoy docs `load_balancing_policies/peak_ewma`). Weights say how often
 * a host is one of the two; how fast it is shows by itself.
 */
import type { Picker, PickerOptions, WeightedHost } from './picker.ts';
import { createWeightedSampler } from './random.ts';

/** How often a second host is drawn that is not the first, before its neighbour is taken: weights may be far apart. */
const secondDraws = 3;

interface Candidate extends WeightedHost {
  readonly index: number;
}

export function createPeakEwmaPicker(hosts: readonly WeightedHost[], { random, clock }: PickerOptions): Picker {
  if (hosts.length <= 1) return { pick: () => hosts[0]?.host };
  const candidates = hosts.map((host, index): Candidate => ({ ...host, index }));
  const sample = createWeightedSampler(candidates, random);
  return {
    pick() {
      const first = sample();
      if (first === undefined) return undefined;
      let second = sample();
      for (let draw = 1; draw < secondDraws && second === first; draw++) second = sample();
      if (second === first) second = candidates[(first.index + 1) % candidates.length];
      if (second === undefined) return first.host;
      const nowMs = clock.monotonicMs();
      return (costOf(second, nowMs) < costOf(first, nowMs) ? second : first).host;
    },
  };
}

function costOf({ host }: Candidate, nowMs: number): number {
  return host.latency?.costAt(nowMs, host.activeRequests) ?? 0;
}
