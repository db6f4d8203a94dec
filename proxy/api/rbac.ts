/** Configuration of Envoy's RBAC filter: which requests are let through, and which only would not be. */
import type { CidrRange } from './listener.ts';
import type { HeaderMatch, StringMatcher } from './route.ts';

/** `envoy.extensions.filters.http.rbac.v3.RBAC`, or what a route says in its place. */
export interface RbacConfig {
  readonly kind: 'rbac';
  /** In force; undefined: every request passes. */
  readonly rules: RbacRules | undefined;
  /** Only counted. */
  readonly shadowRules: RbacRules | undefined;
  /** Stand in front of the names of statistics, with a dot behind; default empty. */
  readonly rulesStatPrefix: string;
  readonly shadowRulesStatPrefix: string;
  /** Counts verdicts by policy too; default false. */
  readonly tracksPolicies: boolean;
}

/** `envoy.extensions.filters.network.rbac.v3.RBAC`: which connections are served. None of its conditions is about requests. */
export interface NetworkRbacConfig {
  readonly rules: RbacRules | undefined;
  /** Only counted. */
  readonly shadowRules: RbacRules | undefined;
  readonly statPrefix: string;
  /** Stands in front of the names of their statistics, with a dot behind; default empty. */
  readonly shadowRulesStatPrefix: string;
}

/** `envoy.config.rbac.v3.RBAC`. */
export interface RbacRules {
  /** What becomes of requests that a policy matches; all others get the contrary. */
  readonly action: 'ALLOW' | 'DENY';
  /** In the order in which they are asked: that of their names. */
  readonly policies: readonly RbacPolicy[];
}

/** Matches what one of its permissions and one of its principals match while its condition holds. */
export interface RbacPolicy {
  readonly name: string;
  readonly permissions: readonly RbacCondition[];
  readonly principals: readonly RbacCondition[];
  /** Must hold too; undefined: at any time. */
  readonly condition: TimeCondition | undefined;
}

/** What part of the time of a request is looked at; days of the week begin with 0, a Sunday. */
export type TimeField = 'day_of_week' | 'hours' | 'minutes';

/** When a request must have come. */
export type TimeCondition =
  | { readonly kind: 'and' | 'or'; readonly conditions: readonly TimeCondition[] }
  /** Unix milliseconds. */
  | { readonly kind: 'time'; readonly op: '<' | '>='; readonly timeMs: number }
  | {
      readonly kind: 'field';
      readonly field: TimeField;
      readonly timeZone: string;
      readonly op: '==' | '<' | '>' | '>=';
      readonly value: number;
    };

/** A Permission or a Principal: both are conditions on a request, and share most of their words. */
export type RbacCondition =
  | { readonly kind: 'any' }
  | { readonly kind: 'and' | 'or'; readonly conditions: readonly RbacCondition[] }
  | { readonly kind: 'not'; readonly condition: RbacCondition }
  | { readonly kind: 'header'; readonly match: HeaderMatch }
  /** Without the query. */
  | { readonly kind: 'url_path'; readonly matcher: StringMatcher }
  | { readonly kind: 'destination_port'; readonly port: number }
  /** `direct_remote_ip`: who connected. `remote_ip`: the client as far as it is known, behind trusted proxies. */
  | { readonly kind: 'destination_ip' | 'direct_remote_ip' | 'remote_ip'; readonly range: CidrRange };
