/**
 * RateLimits of scope GLOBAL as buckets of Envoy's rate limit quota filter. A bucket stands for the limits that a request
 * counts towards, all of them at once; its entries say what these limits are, so that who assigns quotas needs to be told
 * nothing else. Only one bucket can be chosen for a request: limits that headers choose are combined with each other.
 */
import { parseDurationMs } from '../../crds/duration.ts';
import { maxConditionalLimits, requestConditions } from '../../crds/rate-limit.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  Matcher,
  Matcher_MatcherList_Predicate as Predicate,
  Matcher_OnMatch as OnMatch,
  RateLimitQuotaBucketSettings,
  RateLimitQuotaOverride,
  Route,
  xds_type_matcher_v3_StringMatcher as StringMatcher,
} from '../../proxy/api/envoy.gen.ts';
import { formatLimit, quotaDomain, reportingIntervalMs } from '../../proxy/api/quota-limit.ts';
import { formatProtoDuration } from '../../proxy/common/duration.ts';
import type { RateLimit } from '../model/rate-limits.ts';
import { idOf, isCovered } from './covered-routes.ts';
import { quotaFilterName, shadowQuotaFilterName } from './http-filters.ts';

const overrideType = typeUrlOf('envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaOverride');
const settingsType = typeUrlOf('envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaBucketSettings');
const headerInputType = typeUrlOf('envoy.type.matcher.v3.HttpRequestHeaderMatchInput');

/** How long a sidecar keeps the last slice when mixer is gone and it fails open; then nothing is limited. */
const reuseMs = 60_000;

/** `route` with the global limits that are about it, as it came when none is. */
export function addQuotas(route: Route, limits: readonly RateLimit[]): Route {
  const covering = limits.filter((limit) => isCovered(route, limit));
  if (route.route === undefined || covering.length === 0) return route;
  const configs: NonNullable<Route['typed_per_filter_config']> = { ...route.typed_per_filter_config };
  const isShadow = ({ spec }: RateLimit): boolean => spec.mode === 'SHADOW';
  const enforced = covering.filter((limit) => !isShadow(limit));
  const counted = covering.filter(isShadow);
  if (enforced.length > 0) configs[quotaFilterName] = { '@type': overrideType, ...buildOverride(enforced) };
  if (counted.length > 0) configs[shadowQuotaFilterName] = { '@type': overrideType, ...buildOverride(counted) };
  return { ...route, typed_per_filter_config: configs };
}

function buildOverride(limits: readonly RateLimit[]): RateLimitQuotaOverride {
  return { domain: quotaDomain, bucket_matchers: buildMatcher(limits) };
}

function buildMatcher(limits: readonly RateLimit[]): Matcher {
  const always = limits.filter(({ spec }) => conditionsOf(spec).length === 0);
  // More of them are refused at apply.
  const conditional = limits.filter(({ spec }) => conditionsOf(spec).length > 0).slice(0, maxConditionalLimits);
  // The largest set whose limits are all about the request is the set of those that are.
  const sets = subsetsOf(conditional).filter((set) => set.length > 0);
  const matchers = sets.map((set) => ({
    predicate: buildPredicate(set.flatMap(({ spec }) => conditionsOf(spec))),
    on_match: buildBucket([...always, ...set]),
  }));
  return {
    ...(matchers.length === 0 ? {} : { matcher_list: { matchers } }),
    ...(always.length === 0 ? {} : { on_no_match: buildBucket(always) }),
  };
}

/** Larger ones first. */
function subsetsOf<T>(elements: readonly T[]): readonly (readonly T[])[] {
  const subsets = elements.reduce<T[][]>((sets, element) => [...sets, ...sets.map((set) => [...set, element])], [[]]);
  return subsets.sort((a, b) => b.length - a.length);
}

type Condition = readonly [name: string, match: StringMatcher];

function conditionsOf(spec: RateLimit['spec']): Condition[] {
  return requestConditions(spec).map(([name, { exact, prefix, regex }]) => {
    if (exact !== undefined) return [name, { exact }];
    if (prefix !== undefined) return [name, { prefix }];
    // Whatever the value is: the header is there.
    return [name, { safe_regex: { google_re2: {}, regex: regex ?? '.*' } }];
  });
}

function buildPredicate(conditions: readonly Condition[]): Predicate {
  const [first, ...others] = conditions.map(([header_name, value_match]): Predicate => {
    const input = { name: header_name, typed_config: { '@type': headerInputType, header_name } };
    return { single_predicate: { input, value_match } };
  });
  if (first === undefined || others.length === 0) return first ?? {};
  return { and_matcher: { predicate: [first, ...others] } };
}

/** Where one limit of a bucket must not be passed without mixer, the bucket is not. */
function buildBucket(limits: readonly RateLimit[]): OnMatch {
  const isClosed = limits.some(({ spec }) => spec.onUnavailable === 'failClosed');
  const builder = Object.fromEntries(limits.map((limit) => [idOf(limit), { string_value: limitText(limit) }]));
  const settings: RateLimitQuotaBucketSettings = {
    bucket_id_builder: { bucket_id_builder: builder },
    reporting_interval: formatProtoDuration(reportingIntervalMs),
    no_assignment_behavior: { fallback_rate_limit: { blanket_rule: isClosed ? 'DENY_ALL' : 'ALLOW_ALL' } },
    expired_assignment_behavior: isClosed
      ? { fallback_rate_limit: { blanket_rule: 'DENY_ALL' } }
      : { expired_assignment_behavior_timeout: formatProtoDuration(reuseMs), reuse_last_assignment: {} },
  };
  const name = limits.map(idOf).join(' ');
  return { action: { name, typed_config: { '@type': settingsType, ...settings } } };
}

export function limitText({ spec }: RateLimit): string {
  const { requests, burst = requests } = spec;
  return formatLimit({ requests, intervalMs: Math.round(parseDurationMs(spec.interval) ?? 0), burst });
}
