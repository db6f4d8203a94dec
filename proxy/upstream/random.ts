/** RANDOM: uniform over the hosts, in proportion to their weights. */
import type { Picker, PickerOptions, Random, WeightedHost } from './picker.ts';

export function createRandomPicker(hosts: readonly WeightedHost[], { random }: PickerOptions): Picker {
  const sample = createWeightedSampler(hosts, random);
  return { pick: () => sample()?.host };
}

/** Draws in proportion to the weights; equal weights cost one multiplication. Undefined when there is nothing to draw. */
export function createWeightedSampler<T extends { readonly weight: number }>(
  items: readonly T[],
  random: Random,
): () => T | undefined {
  const { length } = items;
  if (length <= 1) return () => items[0];
  if (haveEqualWeights(items)) return () => items[Math.floor(random() * length)];
  let total = 0;
  const cumulative = items.map(({ weight }) => (total += weight));
  return () => {
    const point = random() * total;
    let low = 0;
    let high = length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((cumulative[middle] ?? 0) <= point) low = middle + 1;
      else high = middle;
    }
    return items[low];
  };
}

export function haveEqualWeights(items: readonly { readonly weight: number }[]): boolean {
  return items.every(({ weight }) => weight === items[0]?.weight);
}

/** A request without a hash goes anywhere. */
export function hashOrRandom(hash: number | undefined, random: Random): number {
  return hash ?? Math.floor(random() * 2 ** 32);
}
