/**
 * LEAST_REQUEST: power of two choices, the better of two random hosts (Mitzenmacher; Envoy docs `load_balancers`).
 * Weights enter twice as in Envoy's weighted form: heavier hosts are drawn more often and may have more requests active.
 */
import type { Picker, PickerOptions, WeightedHost } from './picker.ts';
import { createWeightedSampler } from './random.ts';

export function createLeastRequestPicker(hosts: readonly WeightedHost[], { random }: PickerOptions): Picker {
  const sample = createWeightedSampler(hosts, random);
  if (hosts.length <= 1) return { pick: () => hosts[0]?.host };
  return {
    pick() {
      const first = sample();
      const second = sample();
      if (first === undefined || second === undefined) return first?.host;
      return (load(second) < load(first) ? second : first).host;
    },
  };
}

function load({ host, weight }: WeightedHost): number {
  return (host.activeRequests + 1) / weight;
}
