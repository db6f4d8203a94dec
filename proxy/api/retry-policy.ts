/** Which failed attempts are repeated and when, decoded from `envoy.config.route.v3.RetryPolicy`, defaults filled in. */
import type { HeaderMatch } from './route.ts';

/** Envoy's words, from its docs `http_filters/router_filter` (`x-envoy-retry-on`, `x-envoy-retry-grpc-on`). */
export const retryConditions = [
  '5xx',
  'gateway-error',
  'reset',
  'reset-before-request',
  'connect-failure',
  'envoy-ratelimited',
  'retriable-4xx',
  'refused-stream',
  'retriable-status-codes',
  'retriable-headers',
  'http3-post-connect-failure',
  'cancelled',
  'deadline-exceeded',
  'internal',
  'resource-exhausted',
  'unavailable',
] as const;

export type RetryOn = (typeof retryConditions)[number];

export interface RetryPolicy {
  readonly retryOn: ReadonlySet<RetryOn>;
  /** Attempts beside the first. Envoy's default is 1. */
  readonly numRetries: number;
  /** Time for one attempt from the end of the request to the head of the response; 0 = only the route's timeout. */
  readonly perTryTimeoutMs: number;
  /** Time without a byte of one attempt either way; 0 = unlimited. */
  readonly perTryIdleTimeoutMs: number;
  readonly retriableStatusCodes: ReadonlySet<number>;
  /** Any of them makes a response retriable, with `retriable-headers`. */
  readonly retriableHeaders: readonly HeaderMatch[];
  /** Nothing is retried but requests that match one of them; empty: all may be. */
  readonly retriableRequestHeaders: readonly HeaderMatch[];
  readonly backOff: RetryBackOff;
  readonly rateLimitedBackOff: RateLimitedRetryBackOff | undefined;
  /** Hosts that were tried are passed over. */
  readonly avoidsPreviousHosts: boolean;
  /** How often a host is chosen again because the one before must be avoided. Envoy's default is 1. */
  readonly hostSelectionAttempts: number;
  /**
   * After so many attempts, and each time there were as many more, the priorities of the hosts that were tried are passed
   * over; undefined: never. Envoy's `previous_priorities`.
   */
  readonly priorityUpdateFrequency: number | undefined;
}

/** Full jitter: uniform in [0, min(max, (2^n − 1) · base)) before the n-th retry (semantics S24). */
export interface RetryBackOff {
  /** Envoy's default is 25. */
  readonly baseMs: number;
  /** Envoy's default is ten times the base. */
  readonly maxMs: number;
}

/** The upstream says itself when it wants to be asked again. */
export interface RateLimitedRetryBackOff {
  /** In order: the first that a response carries counts. */
  readonly resetHeaders: readonly ResetHeader[];
  /** Whoever asks for more is answered with the ordinary back-off. Envoy's default is 300,000. */
  readonly maxMs: number;
}

export interface ResetHeader {
  /** Lower case. */
  readonly name: string;
  /** Seconds from now, or seconds since the epoch. */
  readonly format: 'SECONDS' | 'UNIX_TIMESTAMP';
}
