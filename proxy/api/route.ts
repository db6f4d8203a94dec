/** Route configuration: what the proxy acts on, decoded from `envoy.config.route.v3.RouteConfiguration`, defaults filled in. */

import type { FilterConfigs, RouteRateLimit } from './filter-config.ts';
import type { RetryPolicy } from './retry-policy.ts';
import type { Decorator, RouteTracing } from './tracing.ts';

export interface RouteConfiguration {
  readonly name: string;
  /** Default false: virtual hosts are found without looking at the port that a Host names. */
  readonly ignoresPort: boolean;
  readonly virtualHosts: readonly VirtualHost[];
  /** By the name of the filter; undefined when none is configured here. */
  readonly filterConfigs: FilterConfigs | undefined;
  readonly headers: HeaderMutations;
}

export interface VirtualHost {
  readonly name: string;
  /** Exact names, `*.suffix`, `prefix.*` or `*`; compared case-insensitively with the Host header. */
  readonly domains: readonly string[];
  readonly routes: readonly Route[];
  /** Which plain requests are sent to the same place by https instead of being routed; default none. */
  readonly requiresTls: 'NONE' | 'EXTERNAL_ONLY' | 'ALL';
  /** Whether requests tell their upstream in `x-envoy-attempt-count` how often they were tried. */
  readonly includesAttemptCount: boolean;
  /** For routes that give none of their own. */
  readonly bufferLimitBytes: number | undefined;
  /** By the name of the filter; undefined when none is configured here. */
  readonly filterConfigs: FilterConfigs | undefined;
  readonly headers: HeaderMutations;
}

export interface Route {
  /** Empty when the configuration gives none. */
  readonly name: string;
  readonly match: RouteMatch;
  /** A request whose body is larger is not retried. Envoy's default is 1 MiB. */
  readonly bufferLimitBytes: number | undefined;
  readonly action: RouteAction | RedirectAction | DirectResponseAction;
  readonly headers: HeaderMutations;
  /** Statistics of the route's requests stand under `vhost.VIRTUAL_HOST.route.STAT_PREFIX`; empty: there are none. */
  readonly statPrefix: string;
  readonly decorator: Decorator | undefined;
  readonly tracing: RouteTracing | undefined;
  /** By the name of the filter; undefined when none is configured here. */
  readonly filterConfigs: FilterConfigs | undefined;
}

export interface RouteMatch {
  readonly path: PathMatch;
  /** Conditions on headers; all must hold. */
  readonly headers: readonly HeaderMatch[];
  /** Conditions on parameters of the query; all must hold. */
  readonly queryParameters: readonly QueryParameterMatch[];
}

/** Compares the first value of a parameter, undecoded; `?key` has the value "" (semantics S14). */
export interface QueryParameterMatch {
  readonly name: string;
  /** Undefined asks for presence only. */
  readonly matcher: StringMatcher | undefined;
}

/** `prefix` compares with the whole :path, `path` and `safe_regex` with the path before `?` (semantics S7). */
export type PathMatch =
  | { readonly kind: 'prefix'; readonly value: string; readonly caseSensitive: boolean }
  | { readonly kind: 'path'; readonly value: string; readonly caseSensitive: boolean }
  | { readonly kind: 'safe_regex'; readonly regex: string };

export interface HeaderMatch {
  /** Lower case. */
  readonly name: string;
  readonly condition:
    | { readonly kind: 'present'; readonly isPresent: boolean }
    | { readonly kind: 'string'; readonly matcher: StringMatcher };
  readonly invertMatch: boolean;
  readonly treatMissingHeaderAsEmpty: boolean;
}

/** `safe_regex` is RE2 and must match the whole value (semantics S10). */
export type StringMatcher =
  | { readonly kind: 'exact' | 'prefix' | 'suffix' | 'contains'; readonly value: string; readonly ignoreCase: boolean }
  | { readonly kind: 'safe_regex'; readonly regex: string };

export interface RouteAction {
  readonly kind: 'route';
  /** One entry for `cluster`, several for `weighted_clusters`. Weights are relative; their sum is > 0. */
  readonly clusters: readonly WeightedCluster[];
  /** Whole-request timeout; 0 = none. Envoy's default is 15,000. */
  readonly timeoutMs: number;
  /** Limit of what gRPC callers ask for in `grpc-timeout`, 0 = unlimited; undefined: their header is not looked at. */
  readonly maxGrpcTimeoutMs: number | undefined;
  /** Time without a byte either way, instead of the connection manager's; 0 = unlimited. */
  readonly idleTimeoutMs: number | undefined;
  readonly retryPolicy: RetryPolicy | undefined;
  /** A slow attempt goes on beside the next one, and the first good answer wins. */
  readonly hedgesOnPerTryTimeout: boolean;
  readonly requestMirrorPolicies: readonly RequestMirrorPolicy[];
  readonly rateLimits: readonly RouteRateLimit[];
  /** Undefined leaves it to the connection manager which upgrades are allowed. */
  readonly upgradeConfigs: UpgradeConfigs | undefined;
  /** What takes the place of the path; undefined leaves it as it is. */
  readonly pathRewrite: PathRewrite | undefined;
  /** What takes the place of the Host; undefined leaves it as it is. */
  readonly hostRewrite: string | undefined;
  /** What requests are hashed by; undefined when nothing asks for a hash. */
  readonly hash: RouteHash | undefined;
}

/** Protocol in lower case, as in the header Upgrade → whether requests may switch to it. */
export type UpgradeConfigs = ReadonlyMap<string, boolean>;

/** The query always stays. */
export type PathRewrite =
  /** Replaces what the route's path condition matched: the prefix, or the whole path (semantics S28). */
  | { readonly kind: 'prefix'; readonly replacement: string }
  /** Replaces each occurrence of an RE2 expression; `\1` to `\9` stand for its groups, `\0` for the whole. */
  | { readonly kind: 'regex'; readonly pattern: string; readonly substitution: string };

export interface RouteHash {
  /** At least one; each that finds its key in the request contributes to the hash. */
  readonly policies: readonly HashPolicy[];
  /** The hash also chooses among weighted clusters (`WeightedCluster.use_hash_policy`). */
  readonly choosesCluster: boolean;
}

export interface HashPolicy {
  readonly key: HashKey;
  /** When the request has this key, the policies behind it do not count. */
  readonly isTerminal: boolean;
}

/** A part of the request. */
export type HashKey =
  /** Lower case. */
  | { readonly kind: 'header'; readonly name: string }
  /** Case-sensitive; the first of several counts. */
  | { readonly kind: 'query_parameter'; readonly name: string }
  | { readonly kind: 'source_ip' }
  | CookieKey;

export interface CookieKey {
  readonly kind: 'cookie';
  readonly name: string;
  /** Of a request without the cookie one is made that lives this long; 0 = for the session, undefined = none is made. */
  readonly ttlMs: number | undefined;
  /** Of the cookie that is made; empty = none. */
  readonly path: string;
  /** Further attributes of the cookie that is made; an empty value is a bare name such as `Secure`. */
  readonly attributes: readonly { readonly name: string; readonly value: string }[];
}

/** Copies of requests; what becomes of them has no effect on the request itself. */
export interface RequestMirrorPolicy {
  readonly clusterName: string;
  /** Share of the requests, from 0 to 1; default 1. */
  readonly probability: number;
  /** Default true: the copy's Host tells that it is one. */
  readonly hasShadowHostSuffix: boolean;
}

export interface WeightedCluster {
  readonly name: string;
  readonly weight: number;
  /** Applied before those of the route. */
  readonly headers: HeaderMutations;
  /** The Host of requests that go here; undefined leaves it to the route. */
  readonly hostRewrite: string | undefined;
}

/** Answers with another place for the same request (semantics S27). Undefined leaves a part as it was. */
export interface RedirectAction {
  readonly kind: 'redirect';
  readonly status: 301 | 302 | 303 | 307 | 308;
  readonly scheme: string | undefined;
  readonly host: string | undefined;
  readonly port: number | undefined;
  /** `path` replaces the whole path, and the query too when it has one. */
  readonly path: PathRewrite | { readonly kind: 'path'; readonly value: string } | undefined;
  readonly stripQuery: boolean;
}

export interface DirectResponseAction {
  readonly kind: 'direct_response';
  readonly status: number;
  readonly body: Uint8Array;
}

/** Header rules, applied innermost first: route, virtual host, route configuration (Envoy docs `http_conn_man/headers`). */
export interface HeaderMutations {
  readonly requestAdd: readonly HeaderValueOption[];
  readonly requestRemove: readonly string[];
  readonly responseAdd: readonly HeaderValueOption[];
  readonly responseRemove: readonly string[];
}

export interface HeaderValueOption {
  readonly name: string;
  /** Envoy's format string, checked: text with `%VARIABLES%`, see `common/format-string.ts`. */
  readonly value: string;
  /** Otherwise a value that turns out empty adds nothing. */
  readonly keepsEmptyValue: boolean;
  readonly appendAction:
    | 'APPEND_IF_EXISTS_OR_ADD'
    | 'ADD_IF_ABSENT'
    | 'OVERWRITE_IF_EXISTS_OR_ADD'
    | 'OVERWRITE_IF_EXISTS';
}
