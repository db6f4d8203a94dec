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

export class RateLimiter {
  readonly config: LocalRateLimit;
  readonly #default: TokenBucket;
  readonly #descriptors: readonly { readonly key: string; readonly bucket: TokenBucket }[];

  constructor(config: LocalRateLimit, nowMs: number) {
    this.config = config;
    this.#default = new TokenBucket(config.tokenBucket, nowMs);
    this.#descriptors = config.descriptors
      .map(({ entries, tokenBucket }) => ({
        key: entries.map(({ key, value }) => entryKey(key, value)).join(''),
        bucket: new TokenBucket(tokenBucket, nowMs),
      }))
      // The tightest first, as in Envoy: a request that it refuses takes nothing from the others.
      .sort((a, b) => rateOf(a.bucket.config) - rateOf(b.bucket.config));
  }

  /** `describe`: the route's rate limits of this limiter's stage. */
  check(head: RequestHead, describe: readonly Descriptor[], nowMs: number): RateLimitVerdict {
    const keys = describe.map((descriptor) => descriptor(head)).filter((key) => key !== undefined);
    const buckets = this.#descriptors.filter(({ key }) => keys.includes(key)).map(({ bucket }) => bucket);
    if (buckets.length === 0 || this.config.alwaysConsumeDefaultTokenBucket) buckets.push(this.#default);
    let tightest = this.#default;
    for (const bucket of buckets) {
      if (!bucket.consume(nowMs)) return { isLimited: true, bucket };
      if (bucket.remaining <= tightest.remaining) tightest = bucket;
    }
    return { isLimited: false, bucket: tightest };
  }
}

function rateOf({ tokensPerFill, fillIntervalMs }: TokenBucketConfig): number {
  return tokensPerFill / fillIntervalMs;
}
