/** Route configuration: what the proxy acts on, decoded from `envoy.config.route.v3.RouteConfiguration`, defaults filled in. */

export interface RouteConfiguration {
  readonly name: string;
  readonly virtualHosts: readonly VirtualHost[];
  readonly headers: HeaderMutations;
}

export interface VirtualHost {
  readonly name: string;
  /** Exact names, `*.suffix`, `prefix.*` or `*`; compared case-insensitively with the Host header. */
  readonly domains: readonly string[];
  readonly routes: readonly Route[];
  readonly headers: HeaderMutations;
}

export interface Route {
  /** Empty when the configuration gives none. */
  readonly name: string;
  readonly match: RouteMatch;
  readonly action: RouteAction | DirectResponseAction;
  readonly headers: HeaderMutations;
}

export interface RouteMatch {
  readonly path: PathMatch;
  /** Conditions on headers; all must hold. */
  readonly headers: readonly HeaderMatch[];
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
  readonly retryPolicy: RetryPolicy | undefined;
}

export interface WeightedCluster {
  readonly name: string;
  readonly weight: number;
}

export type RetryOn = 'connect-failure' | 'refused-stream' | 'reset' | 'reset-before-request';

export interface RetryPolicy {
  readonly retryOn: ReadonlySet<RetryOn>;
  readonly numRetries: number;
}

export interface DirectResponseAction {
  readonly kind: 'direct_response';
  readonly status: number;
  readonly body: string;
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
  /** Literal text: Envoy's `%…%` variables are refused when decoding. */
  readonly value: string;
  readonly appendAction:
    | 'APPEND_IF_EXISTS_OR_ADD'
    | 'ADD_IF_ABSENT'
    | 'OVERWRITE_IF_EXISTS_OR_ADD'
    | 'OVERWRITE_IF_EXISTS';
}
