/** One bucket of one reporting instance: the limits that its requests count towards, and the slice that it may spend. */
import type { QuotaStrategy } from '../../proxy/api/filter-config.ts';
import type { BucketId, QuotaAssignment, QuotaUsage } from '../../proxy/api/quota-service.ts';
import { reportingIntervalMs } from '../../proxy/api/quota-limit.ts';
import { readLimit } from './limit-id.ts';
import type { LimitPool, Spender } from './limit-pool.ts';
import type { LimitPools } from './limit-pools.ts';

/** How long an assignment holds without another; an instance that is gone blocks its slice for that long. */
export const assignmentTtlMs = 3_000;

/** More limits than that do not meet in one bucket. */
const maxLimitsPerBucket = 16;

interface Share {
  readonly pool: LimitPool;
  readonly spender: Spender;
}

const denyAll: QuotaStrategy = { kind: 'blanket_rule', isAllowed: false };

export class QuotaAccount {
  readonly #shares: readonly Share[];
  #strategy: QuotaStrategy = denyAll;
  #slice = 0;
  /** Makes a strategy another one than the last: a bucket then begins anew, as Envoy's does. */
  #serial = 0;

  private constructor(shares: readonly Share[]) {
    this.#shares = shares;
  }

  /** A reason when the bucket is not one of limits, or when there are too many limits. */
  static open(id: BucketId, pools: LimitPools, nowMs: number): QuotaAccount | 'quota_bucket' | 'quota_limit' {
    const entries = Object.entries(id);
    if (entries.length === 0 || entries.length > maxLimitsPerBucket) return 'quota_bucket';
    const found: LimitPool[] = [];
    for (const [name, text] of entries) {
      const limit = readLimit(name, text);
      if (limit === undefined) return 'quota_bucket';
      const pool = pools.find(limit, nowMs);
      if (pool === undefined) return 'quota_limit';
      found.push(pool);
    }
    return new QuotaAccount(found.map((pool) => ({ pool, spender: pool.join() })));
  }

  /** Takes a report and answers it. A request counts towards all limits of the bucket, so the tightest slice holds. */
  settle(usage: QuotaUsage, nowMs: number): QuotaAssignment {
    for (const { pool, spender } of this.#shares) pool.report(spender, usage, nowMs);
    let slice = Number.POSITIVE_INFINITY;
    for (const { pool, spender } of this.#shares) slice = Math.min(slice, pool.grant(spender, nowMs, assignmentTtlMs));
    const isUntouched = usage.allowedCount === 0 && slice === this.#slice;
    if (!isUntouched || this.#serial === 0) this.#strategy = this.#sliceStrategy(slice);
    this.#slice = slice;
    return { strategy: this.#strategy, ttlMs: assignmentTtlMs };
  }

  close(): void {
    for (const { pool, spender } of this.#shares) pool.leave(spender);
  }

  /**
   * The fill comes later than the next report, which replaces the bucket: it only comes when nobody can be asked, and
   * then no faster than the fair part of the limit.
   */
  #sliceStrategy(slice: number): QuotaStrategy {
    this.#serial += 1;
    if (slice < 1) return denyAll;
    const rates = this.#shares.map(({ pool, spender }) => pool.fairRatePerMs(spender));
    const ratePerMs = Math.max(1e-9, Math.min(...rates));
    const leastMs = 6 * reportingIntervalMs;
    const tokensPerFill = Math.max(1, Math.min(slice, Math.floor(ratePerMs * leastMs)));
    const microseconds = this.#serial % 1_000;
    const fillIntervalMs = Math.ceil(Math.max(leastMs, tokensPerFill / ratePerMs)) + microseconds / 1_000;
    return { kind: 'token_bucket', tokenBucket: { maxTokens: slice, tokensPerFill, fillIntervalMs } };
  }
}
