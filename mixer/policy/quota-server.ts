/** The server side of `StreamRateLimitQuotas`: each stream is an instance; its reports are checked, counted and answered. */
import { type ServerDuplexStream, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { quotaDomain } from '../../proxy/api/quota-limit.ts';
import {
  type BucketId,
  bucketKey,
  decodeUsageReports,
  encodeQuotaResponse,
  type QuotaAction,
  type QuotaUsage,
} from '../../proxy/api/quota-service.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Logger } from '../../proxy/common/log.ts';
import type { MixerMetrics } from '../telemetry/mixer-metrics.ts';
import type { RejectionReason } from '../telemetry/rejection.ts';
import type { LimitPools } from './limit-pools.ts';
import { QuotaAccount } from './quota-account.ts';

export interface QuotaServerParts {
  readonly pools: LimitPools;
  readonly metrics: MixerMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Of one instance; more than a sidecar has limits to obey. */
const maxBucketsPerStream = 1_000;
/** What one instance cannot have served since its last report: a report of more is no report. */
const maxRequestsPerMs = 10_000;
/** An instance that does not read its answers is cut off. */
const maxWaitingBytes = 4 * 1024 * 1024;

type Call = ServerDuplexStream<Uint8Array, Uint8Array>;

export class QuotaServer {
  readonly #parts: QuotaServerParts;
  readonly #streams = new Set<InstanceStream>();

  constructor(parts: QuotaServerParts) {
    this.#parts = parts;
  }

  get streamCount(): number {
    return this.#streams.size;
  }

  /** For grpc-js' `addService`. */
  get implementation(): UntypedServiceImplementation {
    return {
      streamRateLimitQuotas: (call: Call) => {
        const stream: InstanceStream = new InstanceStream(this.#parts, call, () => this.#streams.delete(stream));
        this.#streams.add(stream);
        call.on('data', (bytes: Uint8Array) => stream.receive(bytes));
        for (const event of ['end', 'cancelled', 'error']) call.on(event, () => stream.end());
      },
    };
  }

  endStreams(): void {
    for (const stream of this.#streams) stream.end();
  }
}

class InstanceStream {
  readonly #parts: QuotaServerParts;
  readonly #call: Call;
  readonly #onEnd: () => void;
  readonly #accounts = new Map<string, QuotaAccount>();
  #isEnded = false;

  constructor(parts: QuotaServerParts, call: Call, onEnd: () => void) {
    this.#parts = parts;
    this.#call = call;
    this.#onEnd = onEnd;
  }

  receive(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    const decoded = decodeUsageReports(bytes);
    if (decoded.errors !== undefined) {
      return this.#refuse('quota_report', decoded.errors[0]?.message ?? 'is no RateLimitQuotaUsageReports');
    }
    const { domain, usages } = decoded.value;
    if (domain !== quotaDomain) {
      return this.#refuse('quota_domain', `domain must be ${quotaDomain}, got ${JSON.stringify(domain.slice(0, 80))}`);
    }
    const actions: QuotaAction[] = [];
    for (const usage of usages) {
      const action = this.#settle(usage);
      if (typeof action === 'string') this.#parts.metrics.reject(action);
      else actions.push(action);
    }
    this.#parts.metrics.quotaReports.inc(actions.length);
    if (actions.length > 0) this.#answer(actions);
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    for (const account of this.#accounts.values()) account.close();
    this.#call.end();
    this.#onEnd();
  }

  #settle(usage: QuotaUsage): QuotaAction | RejectionReason {
    const { allowedCount, deniedCount, elapsedMs, id } = usage;
    const isPossible = elapsedMs > 0 && allowedCount + deniedCount <= elapsedMs * maxRequestsPerMs;
    if (!isPossible) return 'quota_report';
    const account = this.#account(id);
    if (typeof account === 'string') return account;
    return { id, assignment: account.settle(usage, this.#parts.clock.monotonicMs()) };
  }

  #account(id: BucketId): QuotaAccount | RejectionReason {
    const key = bucketKey(id);
    const known = this.#accounts.get(key);
    if (known !== undefined) return known;
    if (this.#accounts.size >= maxBucketsPerStream) return 'quota_limit';
    const { pools, clock } = this.#parts;
    const account = QuotaAccount.open(id, pools, clock.monotonicMs());
    if (typeof account !== 'string') this.#accounts.set(key, account);
    return account;
  }

  #answer(actions: readonly QuotaAction[]): void {
    if (this.#call.writableLength > maxWaitingBytes) return this.#refuse('quota_report', 'answers are not read');
    this.#call.write(encodeQuotaResponse(actions));
  }

  #refuse(reason: RejectionReason, details: string): void {
    this.#parts.metrics.reject(reason);
    this.#parts.logger.warn('quota stream refused', { reason, details });
    this.#call.emit('error', { code: status.INVALID_ARGUMENT, details });
    this.end();
  }
}
