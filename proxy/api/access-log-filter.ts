/** Which requests an access log has lines of, decoded from `envoy.config.accesslog.v3.AccessLogFilter`. */
import type { ResponseFlag } from '../common/response-flags.ts';
import type { HeaderMatch } from './route.ts';

export type AccessLogFilter =
  /** `status_code`: 0 without a response; `duration`: whole milliseconds. */
  | {
      readonly kind: 'status_code' | 'duration';
      readonly op: 'EQ' | 'GE' | 'LE';
      readonly value: number;
    }
  | { readonly kind: 'not_health_check' }
  /** Traced because `x-envoy-force-trace` asked for it. */
  | { readonly kind: 'traceable' }
  | RuntimeFilter
  | { readonly kind: 'and' | 'or'; readonly filters: readonly AccessLogFilter[] }
  /** On the request. */
  | { readonly kind: 'header'; readonly match: HeaderMatch }
  /** Any of these; empty: any at all. */
  | { readonly kind: 'response_flag'; readonly flags: readonly ResponseFlag[] }
  | { readonly kind: 'grpc_status'; readonly statuses: readonly number[]; readonly isExcluding: boolean };

/** A part of all requests, `numerator` of `denominator`. */
export interface RuntimeFilter {
  readonly kind: 'runtime';
  readonly numerator: number;
  readonly denominator: number;
  /** False: chosen by the request's ID, so that all hops and all logs choose the same requests. */
  readonly isIndependent: boolean;
}
