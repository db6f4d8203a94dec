/** Configuration of Envoy's external authorization filter. */
import type { MetadataCondition } from './custom-response.ts';
import type { StringMatcher } from './route.ts';

/** `envoy.extensions.filters.http.ext_authz.v3.ExtAuthz`, as it stands in the filter chain. */
export interface ExtAuthzConfig {
  readonly kind: 'ext_authz';
  /** Only routes that configure the filter ask (`HttpFilter.disabled`); default false. */
  readonly isDisabled: boolean;
  /** What metadata must say for the service to be asked; undefined: it is always asked. */
  readonly enabledMetadata: MetadataCondition | undefined;
  /** Of the metadata that the service is told. */
  readonly metadataNamespaces: readonly string[];
  /** Of the service that is asked, `envoy.service.auth.v3.Authorization`. */
  readonly clusterName: string;
  /** What the service is called by; empty: by its address. */
  readonly authority: string;
  /** Of one question; default 200 ms, 0 = none. */
  readonly timeoutMs: number;
  /** Default false: who cannot be asked for is not let in. */
  readonly failureModeAllow: boolean;
  /** Tells the application with `x-envoy-auth-failure-mode-allowed: true` that nobody was asked; default false. */
  readonly failureModeAllowHeaderAdd: boolean;
  /** When nobody can be asked; default 403. */
  readonly statusOnError: number;
  /** Names of the request's headers that the service is told; undefined: all. */
  readonly allowedHeaders: readonly StringMatcher[] | undefined;
  /** Comes before `allowedHeaders`. */
  readonly disallowedHeaders: readonly StringMatcher[];
  /** What the service is told of the request's body; undefined: nothing, and it is asked at once. */
  readonly requestBody: CheckedBodyConfig | undefined;
  /** Stands in the names of statistics, with a dot behind; default empty. */
  readonly statPrefix: string;
}

export interface CheckedBodyConfig {
  /** More than 0. */
  readonly maxBytes: number;
  /** What is longer is told in part; default false: it is answered with 413. */
  readonly allowsPartial: boolean;
  /** As bytes and not as text; default false. */
  readonly isPackedAsBytes: boolean;
}

/** `ExtAuthzPerRoute`. */
export interface ExtAuthzRouteConfig {
  readonly kind: 'ext_authz_per_route';
  /** Nobody is asked. */
  readonly isDisabled: boolean;
  /** What the service is told about the route. */
  readonly contextExtensions: Readonly<Record<string, string>>;
}
