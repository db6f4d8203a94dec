/**
 * LEAST_REQUEST: power of two choices, the better of two random hosts (Mitzenmacher; Envoy docs `load_balancers`).
 * Weights enter twice as in Envoy's weighted form: heavier hosts are drawn more often and may have more requests active.
 */
import type { Host } from './host.ts';
import type { Picker, Random } from './picker.ts';
import { createWeightedSampler } from './random.ts';

export function createLeastRequestPicker(hosts: readonly Host[], random: Random): Picker {
  const sample = createWeightedSampler(hosts, random);
  if (hosts.length <= 1) return { pick: sample };
  return {
    pick() {
      const first = sample();
      const second = sample();
      if (first === undefined || second === undefined) return first;
      return load(second) < load(first) ? second : first;
    },
  };
}

function load(host: Host): number {
  return (host.activeRequests + 1) / host.endpoint.weight;
}
