/**
 * Flagger's loop as its documentation describes it: once per interval the canary's success rate is compared with a fixed
 * threshold. A failed check, or no data, adds to a counter that never falls; the counter's threshold rolls back; a passed
 * check adds weight. Source: docs.flagger.app/usage/how-it-works.
 */
import type { Look } from '../../mixer/canary/judge/counts.ts';
import type { End, Releaser } from './releaser.ts';

export interface FlaggerOptions {
  readonly intervalSeconds: number;
  /** Failed checks that roll back. */
  readonly threshold: number;
  readonly stepWeight: number;
  readonly maxWeight: number;
  /** request-success-rate, 0..1. */
  readonly minSuccessRate: number;
}

/** Those of its tutorials. */
export const flaggerDefaults: FlaggerOptions = {
  intervalSeconds: 60,
  threshold: 10,
  stepWeight: 0.05,
  maxWeight: 0.5,
  minSuccessRate: 0.99,
};

export class Flagger implements Releaser {
  readonly #options: FlaggerOptions;
  weight: number;
  #second = 0;
  #requests = 0;
  #errors = 0;
  #failedChecks = 0;

  constructor(options: FlaggerOptions = flaggerDefaults) {
    this.#options = options;
    this.weight = options.stepWeight;
  }

  look({ canary }: Look): End | undefined {
    this.#requests += canary.requests;
    this.#errors += canary.errors;
    this.#second++;
    if (this.#second % this.#options.intervalSeconds !== 0) return undefined;
    const isGood = this.#requests > 0 && 1 - this.#errors / this.#requests >= this.#options.minSuccessRate;
    this.#requests = 0;
    this.#errors = 0;
    return isGood ? this.#advance() : this.#fail();
  }

  #advance(): End | undefined {
    if (this.weight >= this.#options.maxWeight - 1e-9) return 'promote';
    this.weight = Math.min(this.#options.maxWeight, this.weight + this.#options.stepWeight);
    return undefined;
  }

  #fail(): End | undefined {
    this.#failedChecks++;
    return this.#failedChecks >= this.#options.threshold ? 'rollback' : undefined;
  }
}
