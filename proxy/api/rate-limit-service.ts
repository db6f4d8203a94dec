/** Envoy's rate limit service, `envoy.service.ratelimit.v3.RateLimitService`, in plain values. */
import type { MethodDefinition } from '@grpc/grpc-js';
import type { Decoded } from '../common/decoded.ts';
import { decodeFields } from './fields.ts';
import type { DescriptorEntry } from './filter-config.ts';
import { grpcBytes } from './grpc-bytes.ts';
import { decode, encode } from './protojson.ts';
import type { RateLimitNumbers } from './quota-limit.ts';

export type Descriptor = readonly DescriptorEntry[];

export interface RateLimitRequest {
  readonly domain: string;
  readonly descriptors: readonly Descriptor[];
  /** How many requests it counts for. */
  readonly hits: number;
}

export interface DescriptorVerdict {
  readonly isOverLimit: boolean;
  /** Undefined: the descriptor is not of a limit. */
  readonly limit: RateLimitNumbers | undefined;
  readonly remaining: number;
}

/** What a grpc-js server registers. */
export const rateLimitService: { readonly shouldRateLimit: MethodDefinition<Uint8Array, Uint8Array> } = {
  shouldRateLimit: {
    path: '/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit',
    requestStream: false,
    responseStream: false,
    requestSerialize: grpcBytes.serialize,
    requestDeserialize: grpcBytes.deserialize,
    responseSerialize: grpcBytes.serialize,
    responseDeserialize: grpcBytes.deserialize,
  },
};

export function decodeRateLimitRequest(bytes: Uint8Array): Decoded<RateLimitRequest> {
  const json = decode('envoy.service.ratelimit.v3.RateLimitRequest', bytes);
  if (json.errors !== undefined) return json;
  return decodeFields(json.value ?? {}, '', (fields) => ({
    domain: fields.text('domain'),
    descriptors: fields.list('descriptors', (descriptor) =>
      descriptor.list('entries', (entry) => ({ key: entry.text('key'), value: entry.text('value') })),
    ),
    // 0 stands for one, by the API.
    hits: fields.number('hits_addend', { defaultValue: 0 }) || 1,
  }));
}

export function encodeRateLimitResponse(verdicts: readonly DescriptorVerdict[]): Uint8Array {
  return encode('envoy.service.ratelimit.v3.RateLimitResponse', {
    overall_code: verdicts.some(({ isOverLimit }) => isOverLimit) ? 'OVER_LIMIT' : 'OK',
    statuses: verdicts.map(({ isOverLimit, remaining }) => ({
      code: isOverLimit ? 'OVER_LIMIT' : 'OK',
      limit_remaining: remaining,
    })),
  });
}
