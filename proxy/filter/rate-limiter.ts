/** The buckets of one local rate limit, and which of them a request takes from. */
import type { LocalRateLimit, TokenBucketConfig } from '../api/filter-config.ts';
import type { RequestHead } from '../http/message-head.ts';
import { type Descriptor, entryKey } from '../router/rate-limit-descriptor.ts';
import { TokenBucket } from './token-bucket.ts';

export interface RateLimitVerdict {
  readonly isLimited: boolean;
  /** Of the buckets that were asked the one with the fewest tokens left; the empty one where the request is over the limit. */
  readonly bucket: TokenBucket;
}

/** A bucket with both verdicts that it can give, made once. */
class LimitBucket {
  readonly bucket: TokenBucket;
  readonly passed: RateLimitVerdict;
  readonly limited: RateLimitVerdict;

  constructor(config: TokenBucketConfig, nowMs: number) {
    this.bucket = new TokenBucket(config, nowMs);
    this.passed = { isLimited: false, bucket: this.bucket };
    this.limited = { isLimited: true, bucket: this.bucket };
  }
}

export class RateLimiter {
  readonly config: LocalRateLimit;
  readonly #default: LimitBucket;
  readonly #descriptors: readonly { readonly key: string; readonly limit: LimitBucket }[];

  constructor(config: LocalRateLimit, nowMs: number) {
    this.config = config;
    this.#default = new LimitBucket(config.tokenBucket, nowMs);
    this.#descriptors = config.descriptors
      .map(({ entries, tokenBucket }) => ({
        key: entries.map(({ key, value }) => entryKey(key, value)).join(''),
        limit: new LimitBucket(tokenBucket, nowMs),
      }))
      // The tightest first, as in Envoy: a request that it refuses takes nothing from the others.
      .sort((a, b) => rateOf(a.limit.bucket.config) - rateOf(b.limit.bucket.config));
  }

  /** `describe`: the route's rate limits of this limiter's stage. */
  check(head: RequestHead, describe: readonly Descriptor[], nowMs: number): RateLimitVerdict {
    if (this.#descriptors.length === 0 || describe.length === 0) return this.#checkDefault(nowMs);
    const keys = describe.map((descriptor) => descriptor(head));
    let tightest: LimitBucket | undefined = undefined;
    for (const { key, limit } of this.#descriptors) {
      if (!keys.includes(key)) continue;
      if (!limit.bucket.consume(nowMs)) return limit.limited;
      if (tightest === undefined || limit.bucket.remaining <= tightest.bucket.remaining) tightest = limit;
    }
    if (tightest === undefined) return this.#checkDefault(nowMs);
    const byDefault = this.config.alwaysConsumeDefaultTokenBucket ? this.#checkDefault(nowMs) : undefined;
    if (byDefault?.isLimited === true) return byDefault;
    return this.#default.bucket.remaining < tightest.bucket.remaining ? this.#default.passed : tightest.passed;
  }

  #checkDefault(nowMs: number): RateLimitVerdict {
    const { bucket, passed, limited } = this.#default;
    return bucket.consume(nowMs) ? passed : limited;
  }
}

function rateOf({ tokensPerFill, fillIntervalMs }: TokenBucketConfig): number {
  return tokensPerFill / fillIntervalMs;
}
