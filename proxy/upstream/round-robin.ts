/** ROUND_ROBIN: each host in turn; with weights, smoothly interleaved in proportion to them. */
import type { Picker, PickerOptions, WeightedHost } from './picker.ts';
import { haveEqualWeights } from './random.ts';

/** Starts at a random host, so that many proxies that get one update together do not all start at the same. */
export function createRoundRobinPicker(hosts: readonly WeightedHost[], { random }: PickerOptions): Picker {
  if (!haveEqualWeights(hosts)) return createWeightedRoundRobin(hosts);
  const { length } = hosts;
  let next = Math.floor(random() * length);
  return {
    pick() {
      const host = hosts[next]?.host;
      next = next + 1 < length ? next + 1 : 0;
      return host;
    },
  };
}

/** Smooth weighted round robin: every turn each host gains its weight, the richest is picked and pays the total. */
function createWeightedRoundRobin(hosts: readonly WeightedHost[]): Picker {
  const credits = new Float64Array(hosts.length);
  const total = hosts.reduce((sum, { weight }) => sum + weight, 0);
  return {
    pick() {
      let best = 0;
      for (let i = 0; i < hosts.length; i++) {
        credits[i] = (credits[i] ?? 0) + (hosts[i]?.weight ?? 0);
        if ((credits[i] ?? 0) > (credits[best] ?? 0)) best = i;
      }
      credits[best] = (credits[best] ?? 0) - total;
      return hosts[best]?.host;
    },
  };
}
