/** ROUND_ROBIN: each host in turn; with weights, smoothly interleaved in proportion to them. */
import type { Host } from './host.ts';
import type { Picker, Random } from './picker.ts';

/** Starts at a random host, so that many proxies that get one update together do not all start at the same. */
export function createRoundRobinPicker(hosts: readonly Host[], random: Random): Picker {
  const { length } = hosts;
  const firstWeight = hosts[0]?.endpoint.weight;
  if (hosts.some((host) => host.endpoint.weight !== firstWeight)) return createWeightedRoundRobin(hosts);
  let next = Math.floor(random() * length);
  return {
    pick() {
      const host = hosts[next];
      next = next + 1 < length ? next + 1 : 0;
      return host;
    },
  };
}

/** Smooth weighted round robin: every turn each host gains its weight, the richest is picked and pays the total. */
function createWeightedRoundRobin(hosts: readonly Host[]): Picker {
  const credits = new Float64Array(hosts.length);
  const total = hosts.reduce((sum, host) => sum + host.endpoint.weight, 0);
  return {
    pick() {
      let best = 0;
      for (let i = 0; i < hosts.length; i++) {
        credits[i] = (credits[i] ?? 0) + (hosts[i]?.endpoint.weight ?? 0);
        if ((credits[i] ?? 0) > (credits[best] ?? 0)) best = i;
      }
      credits[best] = (credits[best] ?? 0) - total;
      return hosts[best];
    },
  };
}
