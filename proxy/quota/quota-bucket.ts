/**
 * One bucket of the rate limit quota service as the proxy holds it: what it may spend, from which no request waits for
 * anybody, and what it has to report. The states are those of Envoy's `RateLimitQuotaBucketSettings`.
 */
import type { QuotaBucketSettings, QuotaStrategy } from '../api/filter-config.ts';
import type { QuotaAssignment } from '../api/quota-service.ts';
import { TokenBucket } from '../filter/token-bucket.ts';

export class QuotaBucket {
  settings: QuotaBucketSettings;
  /** Since the last report. */
  allowedCount = 0;
  deniedCount = 0;
  /** Monotonic; when that was. */
  reportedMs: number;
  #state: 'unassigned' | 'assigned' | 'expired' = 'unassigned';
  #strategy: QuotaStrategy;
  /** Undefined: all requests get the same verdict. */
  #tokens: TokenBucket | undefined = undefined;
  #isOpen = true;
  /** When the state ends by itself. */
  #deadlineMs = Number.POSITIVE_INFINITY;

  /** `nowMs`: monotonic, here and below. */
  constructor(settings: QuotaBucketSettings, nowMs: number) {
    this.settings = settings;
    this.reportedMs = nowMs;
    this.#strategy = settings.noAssignment;
    this.#follow(settings.noAssignment, nowMs);
  }

  /** Whether a request may pass; it is counted either way. */
  take(nowMs: number): boolean {
    if (nowMs >= this.#deadlineMs) this.#expire();
    const isAllowed = this.#tokens === undefined ? this.#isOpen : this.#tokens.consume(nowMs);
    if (isAllowed) this.allowedCount += 1;
    else this.deniedCount += 1;
    return isAllowed;
  }

  /** Another strategy takes the place of what is left; the same one again only lasts longer. */
  assign({ strategy, ttlMs }: QuotaAssignment, nowMs: number): void {
    if (nowMs >= this.#deadlineMs) this.#expire();
    const isExtended = this.#state === 'assigned' && isSame(strategy, this.#strategy);
    if (!isExtended) this.#follow(strategy, nowMs);
    this.#state = 'assigned';
    this.#deadlineMs = nowMs + ttlMs;
  }

  abandon(nowMs: number): void {
    this.#state = 'unassigned';
    this.#deadlineMs = Number.POSITIVE_INFINITY;
    this.#follow(this.settings.noAssignment, nowMs);
  }

  #expire(): void {
    const { expired } = this.settings;
    const endedMs = this.#deadlineMs;
    if (this.#state === 'expired' || expired === undefined) return this.abandon(endedMs);
    this.#state = 'expired';
    this.#deadlineMs = endedMs + expired.timeoutMs;
    if (expired.strategy.kind !== 'reuse_last_assignment') this.#follow(expired.strategy, endedMs);
  }

  #follow(strategy: QuotaStrategy, nowMs: number): void {
    this.#strategy = strategy;
    this.#tokens = strategy.kind === 'token_bucket' ? new TokenBucket(strategy.tokenBucket, nowMs) : undefined;
    this.#isOpen = strategy.kind === 'blanket_rule' && strategy.isAllowed;
  }
}

function isSame(a: QuotaStrategy, b: QuotaStrategy): boolean {
  if (a.kind === 'blanket_rule') return b.kind === 'blanket_rule' && a.isAllowed === b.isAllowed;
  return (
    b.kind === 'token_bucket' &&
    a.tokenBucket.maxTokens === b.tokenBucket.maxTokens &&
    a.tokenBucket.tokensPerFill === b.tokenBucket.tokensPerFill &&
    a.tokenBucket.fillIntervalMs === b.tokenBucket.fillIntervalMs
  );
}
