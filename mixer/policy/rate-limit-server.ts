/**
 * Envoy's rate limit service, `envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit`, for proxies that take no
 * slices: each of their requests is asked for. All of them together are one spender of a limit, so that sidecars, which
 * take slices of the same limit, and they do not starve each other.
 */
import { type sendUnaryData, type ServerUnaryCall, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { limitKeys, quotaDomain, reportingIntervalMs } from '../../proxy/api/quota-limit.ts';
import {
  type Descriptor,
  decodeRateLimitRequest,
  type DescriptorVerdict,
  encodeRateLimitResponse,
} from '../../proxy/api/rate-limit-service.ts';
import { readLimit } from './limit-id.ts';
import type { LimitPool, Spender } from './limit-pool.ts';
import { assignmentTtlMs } from './quota-account.ts';
import type { QuotaServerParts } from './quota-server.ts';

/** What one call may count for, and of how many limits. */
const maxHits = 1_000_000;
const maxDescriptors = 100;

interface Strangers {
  readonly spender: Spender;
  reportedMs: number;
  allowedCount: number;
  deniedCount: number;
}

export class RateLimitServer {
  readonly #parts: QuotaServerParts;
  readonly #strangers = new WeakMap<LimitPool, Strangers>();

  constructor(parts: QuotaServerParts) {
    this.#parts = parts;
  }

  /** For grpc-js' `addService`. */
  get implementation(): UntypedServiceImplementation {
    return {
      shouldRateLimit: (call: ServerUnaryCall<Uint8Array, Uint8Array>, answer: sendUnaryData<Uint8Array>) => {
        const decoded = decodeRateLimitRequest(call.request);
        if (decoded.errors !== undefined) return this.#refuse(answer, decoded.errors[0]?.message ?? '');
        const { domain, descriptors, hits } = decoded.value;
        if (domain !== quotaDomain) return this.#refuse(answer, `domain must be ${quotaDomain}`);
        if (descriptors.length > maxDescriptors || hits > maxHits) return this.#refuse(answer, 'asks for too much');
        answer(null, encodeRateLimitResponse(this.#judge(descriptors, hits)));
      },
    };
  }

  /** What one limit refuses is not taken from the others. */
  #judge(descriptors: readonly Descriptor[], hits: number): DescriptorVerdict[] {
    const nowMs = this.#parts.clock.monotonicMs();
    const asked = descriptors.map((descriptor) => this.#find(descriptor, nowMs));
    const isOver = asked.some((each) => each !== undefined && !each.isShadow && each.strangers.spender.slice < hits);
    return asked.map((each) => {
      if (each === undefined) return { isOverLimit: false, limit: undefined, remaining: 0 };
      const { strangers, pool, isShadow } = each;
      const fits = strangers.spender.slice >= hits;
      if (fits && !isOver) {
        strangers.allowedCount += hits;
        pool.report(strangers.spender, { allowedCount: hits, deniedCount: 0, elapsedMs: Number.MAX_VALUE }, nowMs);
      } else strangers.deniedCount += hits;
      return { isOverLimit: !fits && !isShadow, limit: pool.numbers, remaining: strangers.spender.slice };
    });
  }

  #find(
    descriptor: Descriptor,
    nowMs: number,
  ): { strangers: Strangers; pool: LimitPool; isShadow: boolean } | undefined {
    const entries = new Map(descriptor.map(({ key, value }) => [key, value]));
    const limit = readLimit(entries.get(limitKeys.name) ?? '', entries.get(limitKeys.numbers) ?? '');
    const pool = limit && this.#parts.pools.find(limit, nowMs);
    if (pool === undefined) {
      this.#parts.metrics.reject(limit === undefined ? 'quota_bucket' : 'quota_limit');
      return undefined;
    }
    return { strangers: this.#refresh(pool, nowMs), pool, isShadow: entries.get(limitKeys.mode) === 'SHADOW' };
  }

  /** The strangers' own slice, made anew as often as a sidecar's, and at once when it is spent. */
  #refresh(pool: LimitPool, nowMs: number): Strangers {
    let strangers = this.#strangers.get(pool);
    if (strangers === undefined) {
      strangers = { spender: pool.join(), reportedMs: Number.NEGATIVE_INFINITY, allowedCount: 0, deniedCount: 0 };
      this.#strangers.set(pool, strangers);
    }
    const elapsedMs = nowMs - strangers.reportedMs;
    if (elapsedMs < reportingIntervalMs && strangers.spender.slice > 0) return strangers;
    const { spender, allowedCount, deniedCount } = strangers;
    const isWhole = elapsedMs >= reportingIntervalMs;
    // What passed was charged already; here it only says how much is wanted.
    if (isWhole) {
      pool.report(spender, { allowedCount: 0, deniedCount: allowedCount + deniedCount, elapsedMs }, nowMs);
      strangers.allowedCount = 0;
      strangers.deniedCount = 0;
      strangers.reportedMs = nowMs;
    }
    pool.grant(spender, nowMs, assignmentTtlMs);
    return strangers;
  }

  #refuse(answer: sendUnaryData<Uint8Array>, details: string): void {
    this.#parts.metrics.reject('quota_report');
    answer({ code: status.INVALID_ARGUMENT, details });
  }
}
