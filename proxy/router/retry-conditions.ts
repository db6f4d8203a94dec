/**
 * Pure: what `retry_on` covers, compiled once per route. The conditions are Envoy's (docs `http_filters/router_filter`),
 * which counts a reset among `5xx` and `gateway-error`, because it would become one, but not among status codes (S23).
 */
import type { HeaderMatch } from '../api/route.ts';
import type { RetryOn, RetryPolicy } from '../api/retry-policy.ts';
import type { MeshErrorCode } from '../common/errors.ts';
import { HeaderName } from '../http/header-name.ts';
import { isStartLineHeader, responseHeaderReader } from '../http/header-reader.ts';
import type { RequestHead, ResponseHead } from '../http/message-head.ts';
import { compileHeaderCondition, compileHeaderMatch } from './route-match.ts';

export interface CompiledRetryPolicy {
  readonly policy: RetryPolicy;
  /** A request that the host may have seen may be repeated: its body has to be kept. */
  readonly repeatsSent: boolean;
  /** So may one of which the host says that it did not work on it, which it can in HTTP/2 (RFC 9113 §8.7). */
  readonly repeatsRefused: boolean;
  /** `retriable_request_headers`; undefined when every request may be repeated. */
  readonly allows: ((head: RequestHead) => boolean) | undefined;
  /** Undefined when no response is retriable. */
  readonly coversResponse: ((head: ResponseHead) => boolean) | undefined;
  /** `isSent`: the request's head went out. */
  readonly coversReset: (code: MeshErrorCode, isSent: boolean) => boolean;
}

const rateLimited = new HeaderName('x-envoy-ratelimited');
const grpcStatus = new HeaderName('grpc-status');

/** Conditions under which the application cannot have seen the request. */
const harmless: ReadonlySet<RetryOn> = new Set(['connect-failure', 'refused-stream', 'reset-before-request']);

/** Statuses of gRPC, as they stand in `grpc-status`. */
export const grpcConditions: readonly (readonly [RetryOn, string])[] = [
  ['cancelled', '1'],
  ['deadline-exceeded', '4'],
  ['resource-exhausted', '8'],
  ['internal', '13'],
  ['unavailable', '14'],
];

export function compileRetryPolicy(policy: RetryPolicy): CompiledRetryPolicy {
  const isAnyOf = anyOf(policy.retriableRequestHeaders.map(compileHeaderMatch));
  const repeatsSent = policy.perTryTimeoutMs > 0 || [...policy.retryOn].some((condition) => !harmless.has(condition));
  return {
    policy,
    repeatsSent: repeatsSent && policy.numRetries > 0,
    repeatsRefused: policy.retryOn.has('refused-stream') && policy.numRetries > 0,
    allows: policy.retriableRequestHeaders.length === 0 ? undefined : isAnyOf,
    coversResponse: compileResponseConditions(policy),
    coversReset: (code, isSent) => coversReset(policy.retryOn, code, isSent),
  };
}

function coversReset(retryOn: ReadonlySet<RetryOn>, code: MeshErrorCode, isSent: boolean): boolean {
  // More of what is too much already helps nobody.
  if (code === 'overflow') return false;
  if (retryOn.has('reset') || retryOn.has('5xx') || retryOn.has('gateway-error')) return true;
  if (!isSent && retryOn.has('reset-before-request')) return true;
  if (code === 'refused_stream' && retryOn.has('refused-stream')) return true;
  return (code === 'connect_failure' || code === 'connect_timeout') && retryOn.has('connect-failure');
}

type ResponsePredicate = (head: ResponseHead) => boolean;

function compileResponseConditions(policy: RetryPolicy): ResponsePredicate | undefined {
  const { retryOn, retriableStatusCodes } = policy;
  const coversRateLimited = retryOn.has('envoy-ratelimited');
  const conditions: ResponsePredicate[] = [];
  if (retryOn.has('5xx')) conditions.push(({ status }) => status >= 500 && status <= 599);
  if (retryOn.has('gateway-error')) conditions.push(({ status }) => status >= 502 && status <= 504);
  if (retryOn.has('retriable-4xx')) conditions.push(({ status }) => status === 409);
  if (retryOn.has('retriable-status-codes') && retriableStatusCodes.size > 0) {
    conditions.push(({ status }) => retriableStatusCodes.has(status));
  }
  if (retryOn.has('retriable-headers')) {
    conditions.push(...policy.retriableHeaders.map((match) => compileHeaderCondition(match, startLineReader(match))));
  }
  const grpc = new Set(grpcConditions.flatMap(([condition, status]) => (retryOn.has(condition) ? [status] : [])));
  if (grpc.size > 0) conditions.push(({ headers }) => grpc.has(headers.get(grpcStatus) ?? ''));
  if (conditions.length === 0 && !coversRateLimited) return undefined;
  const isAnyOf = anyOf(conditions);
  // Whoever limits the rate asks not to be asked again, whatever the status.
  return (head) => (head.headers.get(rateLimited) === undefined ? isAnyOf(head) : coversRateLimited);
}

function startLineReader({ name }: HeaderMatch): ((head: ResponseHead) => string | undefined) | undefined {
  return isStartLineHeader(name) ? responseHeaderReader(name) : undefined;
}

function anyOf<H>(conditions: readonly ((head: H) => boolean)[]): (head: H) => boolean {
  return (head) => conditions.some((condition) => condition(head));
}
