/** RANDOM: uniform over the hosts, in proportion to their weights. */
import type { Host } from './host.ts';
import type { Picker, Random } from './picker.ts';

export function createRandomPicker(hosts: readonly Host[], random: Random): Picker {
  const sampler = createWeightedSampler(hosts, random);
  return { pick: sampler };
}

/** Draws a host in proportion to its weight; equal weights cost one multiplication. */
export function createWeightedSampler(hosts: readonly Host[], random: Random): () => Host | undefined {
  const { length } = hosts;
  if (length <= 1) return () => hosts[0];
  const firstWeight = hosts[0]?.endpoint.weight;
  if (hosts.every((host) => host.endpoint.weight === firstWeight)) {
    return () => hosts[Math.floor(random() * length)];
  }
  let total = 0;
  const cumulative = hosts.map((host) => (total += host.endpoint.weight));
  return () => {
    const point = random() * total;
    let low = 0;
    let high = length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((cumulative[middle] ?? 0) <= point) low = middle + 1;
      else high = middle;
    }
    return hosts[low];
  };
}
