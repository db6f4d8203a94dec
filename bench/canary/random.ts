/** Exact draws from the laws of traffic, from a seeded source. */
import { seededRandom } from '../../test/support/seeded-random.ts';

export interface Random {
  /** In [0, 1). */
  readonly uniform: () => number;
  readonly binomial: (trials: number, probability: number) => number;
  readonly poisson: (mean: number) => number;
  /** 1, 2, 3, …, with this mean. */
  readonly geometric: (mean: number) => number;
}

export function createRandom(seed: number): Random {
  const uniform = seededRandom(seed);
  // Neighbouring seeds begin alike.
  for (let i = 0; i < 3; i++) uniform();
  const geometric = (mean: number): number => {
    if (mean <= 1) return 1;
    return 1 + Math.floor(Math.log1p(-uniform()) / Math.log1p(-1 / mean));
  };
  /** By the gaps between successes: as many draws as there are successes. */
  const binomial = (trials: number, probability: number): number => {
    if (trials <= 0 || probability <= 0) return 0;
    if (probability >= 1) return trials;
    if (probability > 0.5) return trials - binomial(trials, 1 - probability);
    const logMiss = Math.log1p(-probability);
    let successes = -1;
    for (let at = 0; at <= trials; successes++) at += 1 + Math.floor(Math.log1p(-uniform()) / logMiss);
    return successes;
  };
  const poisson = (mean: number): number => {
    if (mean > 20) return poisson(mean / 2) + poisson(mean / 2);
    const limit = Math.exp(-mean);
    let events = 0;
    for (let product = uniform(); product > limit; product *= uniform()) events++;
    return events;
  };
  return { uniform, binomial, poisson, geometric };
}
