/** Tokens that come back in fills, as Envoy's: a request takes one, and waits for nobody when there is none. */
import type { TokenBucketConfig } from '../api/filter-config.ts';

export class TokenBucket {
  readonly config: TokenBucketConfig;
  #tokens: number;
  /** When the last fill was due. */
  #filledMs: number;

  /** Full. `nowMs`: monotonic, here and below. */
  constructor(config: TokenBucketConfig, nowMs: number) {
    this.config = config;
    this.#tokens = config.maxTokens;
    this.#filledMs = nowMs;
  }

  /** Takes a token; false when there is none. */
  consume(nowMs: number): boolean {
    this.#refill(nowMs);
    if (this.#tokens === 0) return false;
    this.#tokens -= 1;
    return true;
  }

  #refill(nowMs: number): void {
    const { maxTokens, tokensPerFill, fillIntervalMs } = this.config;
    const fills = Math.floor((nowMs - this.#filledMs) / fillIntervalMs);
    if (fills <= 0) return;
    this.#filledMs += fills * fillIntervalMs;
    this.#tokens = Math.min(maxTokens, this.#tokens + fills * tokensPerFill);
  }

  get remaining(): number {
    return this.#tokens;
  }

  /** Whole seconds until the next fill. */
  resetSeconds(nowMs: number): number {
    return Math.ceil(Math.max(0, this.#filledMs + this.config.fillIntervalMs - nowMs) / 1_000);
  }
}
