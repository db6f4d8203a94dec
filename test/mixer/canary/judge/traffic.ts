/** Seeded traffic for the judge: two versions, a look each second, errors and latencies as asked for. */
import { standardUpperBounds } from '../../../../proxy/api/standard-metrics.ts';
import { seededRandom } from '../../../../proxy/common/seeded-random.ts';
import type { JudgeConfig, Look, VersionCounts } from '../../../../mixer/canary/judge/judge.ts';

export const config: JudgeConfig = {
  alpha: 0.01,
  maxErrorRatio: 1.5,
  maxErrorRateIncrease: 0.01,
  maxLatencyRatio: 1.25,
  minRequests: 100,
};

export interface Version {
  readonly errorRate: number;
  /** Of lognormal latencies, in ms; default 30. */
  readonly medianMs?: number;
}

export class Traffic {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = seededRandom(seed);
  }

  look(perSecond: number, canaryShare: number, versions: { primary: Version; canary: Version }): Look {
    const total = this.#poisson(perSecond);
    const canary = this.#binomial(total, canaryShare);
    return {
      canary: this.counts(canary, versions.canary),
      primary: this.counts(total - canary, versions.primary),
      expectedShare: canaryShare,
    };
  }

  counts(requests: number, { errorRate, medianMs = 30 }: Version): VersionCounts {
    const errors = this.#binomial(requests, errorRate);
    const buckets = standardUpperBounds.map(() => 0).concat(0);
    for (let i = errors; i < requests; i += 1) {
      const ms = medianMs * Math.exp(0.8 * this.#normal());
      const index = standardUpperBounds.findIndex((bound) => ms <= bound);
      const bucket = index < 0 ? standardUpperBounds.length : index;
      buckets[bucket] = (buckets[bucket] ?? 0) + 1;
    }
    return { requests, errors, buckets };
  }

  #binomial(count: number, share: number): number {
    let hits = 0;
    for (let i = 0; i < count; i += 1) if (this.#random() < share) hits += 1;
    return hits;
  }

  #poisson(mean: number): number {
    if (mean > 200) return Math.max(0, Math.round(mean + Math.sqrt(mean) * this.#normal()));
    const limit = Math.exp(-mean);
    let count = 0;
    for (let product = this.#random(); product > limit; product *= this.#random()) count += 1;
    return count;
  }

  #normal(): number {
    return Math.sqrt(-2 * Math.log(1 - this.#random())) * Math.cos(2 * Math.PI * this.#random());
  }
}
