/**
 * The HTTP filters of every sidecar's listeners. They are always there and do nothing until a route asks: a rule never
 * changes a listener, so it never cuts a connection.
 */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { HttpFilter } from '../../proxy/api/envoy.gen.ts';
import { quotaDomain } from '../../proxy/api/quota-limit.ts';
import { fractionOf } from './fraction.ts';
import { forwardProxyFilter } from './forward-proxy.ts';

/** Names that routes configure the filters by. */
export const corsFilterName = 'envoy.filters.http.cors';
export const faultFilterName = 'envoy.filters.http.fault';
export const rateLimitFilterName = 'envoy.filters.http.local_ratelimit';
/** The same filter once more, for limits that only count: its name and its stage are its own. */
export const shadowRateLimitFilterName = 'envoy.filters.http.local_ratelimit.shadow';

/** For limits that all sidecars keep together; again once more for those that only count. */
export const quotaFilterName = 'envoy.filters.http.rate_limit_quota';
export const shadowQuotaFilterName = 'envoy.filters.http.rate_limit_quota.shadow';
/** Envoy's RBAC filter twice: what DENY rules let through is up to ALLOW rules. */
export const denyFilterName = 'envoy.filters.http.rbac.deny';
export const allowFilterName = 'envoy.filters.http.rbac.allow';
/** Of their statistics, and of the keys of their metadata. */
export const denyStatPrefix = 'deny_rules.';
export const allowStatPrefix = 'allow_rules.';
/** Says what is answered to who is denied. */
export const customResponseFilterName = 'envoy.filters.http.custom_response';

const localRateLimitType = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';

const rbacType = 'envoy.extensions.filters.http.rbac.v3.RBAC';

const router: HttpFilter = filter('envoy.filters.http.router', 'envoy.extensions.filters.http.router.v3.Router');

const cors: HttpFilter = filter(corsFilterName, 'envoy.extensions.filters.http.cors.v3.Cors');

/** Without rules, which routes bring, they let everything through. */
const checks: readonly HttpFilter[] = [
  filter(customResponseFilterName, 'envoy.extensions.filters.http.custom_response.v3.CustomResponse'),
  checkFilter(denyFilterName, denyStatPrefix),
  checkFilter(allowFilterName, allowStatPrefix),
];

const trafficRules: readonly HttpFilter[] = [
  filter(faultFilterName, 'envoy.extensions.filters.http.fault.v3.HTTPFault'),
  filter(rateLimitFilterName, localRateLimitType, { stat_prefix: 'http_local_rate_limiter' }),
  filter(shadowRateLimitFilterName, localRateLimitType, { stat_prefix: 'http_local_rate_limiter_shadow' }),
  quotaFilter(quotaFilterName, 100),
  quotaFilter(shadowQuotaFilterName, 0),
  forwardProxyFilter,
];

/** CORS comes first, so that a browser can read what the others answer; what is refused is not looked up. */
export const outboundHttpFilters: readonly HttpFilter[] = [cors, ...trafficRules, router];

/** Of gateways, where strangers arrive. */
export function gatewayHttpFilters(authorization: readonly HttpFilter[]): HttpFilter[] {
  return [cors, ...checks, ...authorization, ...trafficRules, router];
}

/** Rules of traffic act where a request is sent from; who may come in is decided here. */
export function inboundHttpFilters(authorization: readonly HttpFilter[]): HttpFilter[] {
  return [...checks, ...authorization, router];
}

/** Envoy counts under the words that stand here, whatever routes say. */
function checkFilter(name: string, prefix: string): HttpFilter {
  const stats = { rules_stat_prefix: prefix, shadow_rules_stat_prefix: prefix, track_per_rule_stats: true };
  return filter(name, rbacType, stats);
}

function filter(name: string, typeName: string, config: Readonly<Record<string, unknown>> = {}): HttpFilter {
  return { name, typed_config: { '@type': typeUrlOf(typeName), ...config } };
}

/** Which limits there are stand in the routes. */
function quotaFilter(name: string, enforcedPercent: number): HttpFilter {
  return filter(name, 'envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaFilterConfig', {
    rlqs_server: { envoy_grpc: { cluster_name: 'mixer' } },
    domain: quotaDomain,
    bucket_matchers: {},
    filter_enforced: { default_value: fractionOf(enforcedPercent) },
  });
}
