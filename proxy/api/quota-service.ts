/**
 * Envoy's rate limit quota service, `envoy.service.rate_limit_quota.v3.RateLimitQuotaService/StreamRateLimitQuotas`, in
 * plain values: proxies report what they let pass and refused, and are assigned what they may spend until the next report.
 */
import type { MethodDefinition } from '@grpc/grpc-js';
import type { Decoded } from '../common/decoded.ts';
import { formatProtoDuration } from '../common/duration.ts';
import type { RateLimitQuotaResponse_BucketAction, RateLimitStrategy } from './envoy.gen.ts';
import { decodeFields, type Fields } from './fields.ts';
import type { QuotaStrategy } from './filter-config.ts';
import { grpcBytes } from './grpc-bytes.ts';
import { decode, encode } from './protojson.ts';
import { readStrategy } from './quota-decoder.ts';

/** Entries by which a bucket is known. */
export type BucketId = Readonly<Record<string, string>>;

export interface QuotaUsageReports {
  readonly domain: string;
  readonly usages: readonly QuotaUsage[];
}

/** Since the last report of the bucket on this stream. */
export interface QuotaUsage {
  readonly id: BucketId;
  readonly elapsedMs: number;
  readonly allowedCount: number;
  readonly deniedCount: number;
}

export interface QuotaAction {
  readonly id: BucketId;
  /** Undefined: the bucket is abandoned; it is to be forgotten until a request comes. */
  readonly assignment: QuotaAssignment | undefined;
}

export interface QuotaAssignment {
  readonly strategy: QuotaStrategy;
  readonly ttlMs: number;
}

/** Both ways encoded messages, as long as the stream lasts. */
export const streamRateLimitQuotas: MethodDefinition<Uint8Array, Uint8Array> = {
  path: '/envoy.service.rate_limit_quota.v3.RateLimitQuotaService/StreamRateLimitQuotas',
  requestStream: true,
  responseStream: true,
  requestSerialize: grpcBytes.serialize,
  requestDeserialize: grpcBytes.deserialize,
  responseSerialize: grpcBytes.serialize,
  responseDeserialize: grpcBytes.deserialize,
};

/** What a grpc-js server registers. */
export const rateLimitQuotaService = { streamRateLimitQuotas };

const reportsName = 'envoy.service.rate_limit_quota.v3.RateLimitQuotaUsageReports';
const responseName = 'envoy.service.rate_limit_quota.v3.RateLimitQuotaResponse';

export function encodeUsageReports({ domain, usages }: QuotaUsageReports): Uint8Array {
  return encode(reportsName, {
    domain,
    bucket_quota_usages: usages.map(({ id, elapsedMs, allowedCount, deniedCount }) => ({
      bucket_id: { bucket: { ...id } },
      time_elapsed: formatProtoDuration(elapsedMs),
      num_requests_allowed: allowedCount,
      num_requests_denied: deniedCount,
    })),
  });
}

/** What a field cannot hold, such as a negative time, is an error; whether the numbers make sense is the receiver's to judge. */
export function decodeUsageReports(bytes: Uint8Array): Decoded<QuotaUsageReports> {
  const json = decode(reportsName, bytes);
  if (json.errors !== undefined) return json;
  return decodeFields(json.value ?? {}, '', (fields) => ({
    domain: fields.text('domain'),
    usages: fields.list('bucket_quota_usages', (usage) => ({
      id: readBucketId(usage.required('bucket_id')),
      elapsedMs: usage.durationMs('time_elapsed', 0),
      allowedCount: usage.number('num_requests_allowed', { defaultValue: 0 }),
      deniedCount: usage.number('num_requests_denied', { defaultValue: 0 }),
    })),
  }));
}

export function encodeQuotaResponse(actions: readonly QuotaAction[]): Uint8Array {
  return encode(responseName, { bucket_action: actions.map(buildAction) });
}

function buildAction({ id, assignment }: QuotaAction): RateLimitQuotaResponse_BucketAction {
  const bucket_id = { bucket: { ...id } };
  if (assignment === undefined) return { bucket_id, abandon_action: {} };
  const { strategy, ttlMs } = assignment;
  const assigned = {
    assignment_time_to_live: formatProtoDuration(ttlMs),
    rate_limit_strategy: buildStrategy(strategy),
  };
  return { bucket_id, quota_assignment_action: assigned };
}

function buildStrategy(strategy: QuotaStrategy): RateLimitStrategy {
  if (strategy.kind === 'blanket_rule') return { blanket_rule: strategy.isAllowed ? 'ALLOW_ALL' : 'DENY_ALL' };
  const { maxTokens, tokensPerFill, fillIntervalMs } = strategy.tokenBucket;
  return {
    token_bucket: {
      max_tokens: maxTokens,
      tokens_per_fill: tokensPerFill,
      fill_interval: formatProtoDuration(fillIntervalMs),
    },
  };
}

export function decodeQuotaResponse(bytes: Uint8Array): Decoded<readonly QuotaAction[]> {
  const json = decode(responseName, bytes);
  if (json.errors !== undefined) return json;
  return decodeFields(json.value ?? {}, '', (fields) =>
    fields.list('bucket_action', (action): QuotaAction => {
      const id = readBucketId(action.required('bucket_id'));
      action.message('abandon_action');
      const assigned = action.message('quota_assignment_action');
      if (assigned === undefined) return { id, assignment: undefined };
      const ttlMs = assigned.durationMs('assignment_time_to_live', Number.POSITIVE_INFINITY);
      const strategy = assigned.message('rate_limit_strategy');
      // Without a strategy all requests pass, as in Envoy.
      const open: QuotaStrategy = { kind: 'blanket_rule', isAllowed: true };
      return { id, assignment: { strategy: strategy === undefined ? open : readStrategy(strategy), ttlMs } };
    }),
  );
}

function readBucketId(fields: Fields<{ bucket?: Record<string, string> }>): BucketId {
  return { ...fields.take('bucket') };
}

/** The same for equal ids, whatever the order of their entries. */
export function bucketKey(id: BucketId): string {
  return JSON.stringify(Object.entries(id).sort(([a], [b]) => (a < b ? -1 : 1)));
}
