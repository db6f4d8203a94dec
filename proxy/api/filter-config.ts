/** Configuration of the HTTP filters in front of the router, as it stands in the filter chain and, by filter, in routes. */
import type { CustomResponseConfig } from './custom-response.ts';
import type { DnsCacheConfig } from './dns.ts';
import type { ExtAuthzRouteConfig } from './ext-authz.ts';
import type { RbacConfig } from './rbac.ts';
import type { HeaderMatch, StringMatcher } from './route.ts';

export type FilterConfig =
  | FaultConfig
  | CorsPolicy
  | CustomResponseConfig
  | LocalRateLimit
  | RateLimitQuota
  | RbacConfig
  | ExtAuthzRouteConfig;

/** By the filter's name, from the innermost level that names the filter. */
export type FilterConfigs = Readonly<Record<string, FilterConfig>>;

/** `envoy.extensions.filters.http.fault.v3.HTTPFault`. */
export interface FaultConfig {
  readonly kind: 'fault';
  readonly delay: FaultDelay | undefined;
  readonly abort: FaultAbort | undefined;
  /** Only requests that fulfil all of these. */
  readonly headers: readonly HeaderMatch[];
  /** Faults of one filter at a time; default unlimited. */
  readonly maxActiveFaults: number;
}

export interface FaultDelay {
  readonly delayMs: number;
  /** Share of the requests, from 0 to 1 in steps of one millionth at the finest. */
  readonly probability: number;
}

export interface FaultAbort {
  readonly error:
    | { readonly kind: 'http'; readonly status: number }
    /** A number of grpc/grpc doc/statuscodes.md. */
    | { readonly kind: 'grpc'; readonly status: number };
  readonly probability: number;
}

/** `envoy.extensions.filters.http.cors.v3.CorsPolicy`; texts are header values, empty ones are not sent. */
export interface CorsPolicy {
  readonly kind: 'cors';
  readonly allowOrigins: readonly StringMatcher[];
  /** `*` allows what is asked for. */
  readonly allowMethods: string;
  readonly allowHeaders: string;
  readonly exposeHeaders: string;
  /** Seconds. */
  readonly maxAge: string;
  readonly allowCredentials: boolean;
  /** Default true: a preflight from an origin that is not allowed goes to the application. */
  readonly forwardNotMatchingPreflights: boolean;
}

/** `envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit`. */
export interface LocalRateLimit {
  readonly kind: 'local_ratelimit';
  readonly statPrefix: string;
  /** For what no descriptor is about. */
  readonly tokenBucket: TokenBucketConfig;
  /** Each has a bucket of its own for the requests to which the route's rate limits give the same entries. */
  readonly descriptors: readonly LocalRateLimitDescriptor[];
  /** Share of the requests that are looked at, and of those over the limit that are refused; both default 0, as in Envoy. */
  readonly enabledProbability: number;
  readonly enforcedProbability: number;
  /** Which of the route's rate limits are meant. */
  readonly stage: number;
  /** `x-ratelimit-limit`, `-remaining` and `-reset` on responses. */
  readonly hasRateLimitHeaders: boolean;
  /** Default true: requests that a descriptor is about take from `tokenBucket` too. */
  readonly alwaysConsumeDefaultTokenBucket: boolean;
}

export interface LocalRateLimitDescriptor {
  readonly entries: readonly DescriptorEntry[];
  readonly tokenBucket: TokenBucketConfig;
}

export interface DescriptorEntry {
  readonly key: string;
  readonly value: string;
}

/** `envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig`; routes do not configure it. */
export interface DynamicForwardProxyConfig {
  readonly kind: 'dynamic_forward_proxy';
  /** Clusters with this cache get requests whose host is looked up. */
  readonly cache: DnsCacheConfig;
}

/** `envoy.config.route.v3.RateLimit`: what a request is described by; each action gives one entry. */
export interface RouteRateLimit {
  readonly stage: number;
  readonly actions: readonly RateLimitAction[];
}

export type RateLimitAction =
  | { readonly kind: 'generic_key'; readonly key: string; readonly value: string }
  | {
      readonly kind: 'header_value_match';
      readonly key: string;
      readonly value: string;
      readonly isMatchExpected: boolean;
      readonly headers: readonly HeaderMatch[];
    }
  | {
      readonly kind: 'request_headers';
      readonly headerName: string;
      readonly key: string;
      /** A request without the header is described by the other actions; otherwise by nothing. */
      readonly skipIfAbsent: boolean;
    };

/** `envoy.type.v3.TokenBucket`. */
export interface TokenBucketConfig {
  readonly maxTokens: number;
  readonly tokensPerFill: number;
  readonly fillIntervalMs: number;
}

/** `envoy.extensions.filters.http.rate_limit_quota.v3`: the filter's own configuration, or what a route says instead. */
export interface RateLimitQuota {
  readonly kind: 'rate_limit_quota';
  /** Undefined in routes, for which the filter's own holds. */
  readonly service: QuotaService | undefined;
  /** Empty in routes that say none: the filter's own. */
  readonly domain: string;
  /** The first that is about a request counts it; requests of no bucket are not limited. */
  readonly buckets: readonly QuotaBucketMatch[];
}

export interface QuotaService {
  /** Of who assigns quotas, by `StreamRateLimitQuotas`. */
  readonly clusterName: string;
  /** Share of the requests that are looked at, and of those over the quota that are refused; both default 1, as in Envoy. */
  readonly enabledProbability: number;
  readonly enforcedProbability: number;
}

export interface QuotaBucketMatch {
  /** All of them must hold. */
  readonly headers: readonly HeaderMatch[];
  readonly settings: QuotaBucketSettings;
}

export interface QuotaBucketSettings {
  /** By this its quota is asked for. */
  readonly id: Readonly<Record<string, string>>;
  readonly reportingIntervalMs: number;
  /** Until the first assignment comes; default: all pass. */
  readonly noAssignment: QuotaStrategy;
  /** When the time of an assignment is over; undefined: as if there had never been one. */
  readonly expired: ExpiredAssignment | undefined;
}

export interface ExpiredAssignment {
  readonly strategy: QuotaStrategy | { readonly kind: 'reuse_last_assignment' };
  /** After that long the assignment is forgotten; default never. */
  readonly timeoutMs: number;
}

/** `envoy.type.v3.RateLimitStrategy`. */
export type QuotaStrategy =
  | { readonly kind: 'blanket_rule'; readonly isAllowed: boolean }
  | { readonly kind: 'token_bucket'; readonly tokenBucket: TokenBucketConfig };
