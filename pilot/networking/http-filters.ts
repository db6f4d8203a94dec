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

const localRateLimitType = 'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit';

const router: HttpFilter = filter('envoy.filters.http.router', 'envoy.extensions.filters.http.router.v3.Router');

/** CORS comes first, so that a browser can read what the others answer; what is refused is not looked up. */
export const outboundHttpFilters: readonly HttpFilter[] = [
  filter(corsFilterName, 'envoy.extensions.filters.http.cors.v3.Cors'),
  filter(faultFilterName, 'envoy.extensions.filters.http.fault.v3.HTTPFault'),
  filter(rateLimitFilterName, localRateLimitType, { stat_prefix: 'http_local_rate_limiter' }),
  filter(shadowRateLimitFilterName, localRateLimitType, { stat_prefix: 'http_local_rate_limiter_shadow' }),
  quotaFilter(quotaFilterName, 100),
  quotaFilter(shadowQuotaFilterName, 0),
  forwardProxyFilter,
  router,
];

/** Rules act where a request is sent from: nothing is asked of these on the way in. */
export const inboundHttpFilters: readonly HttpFilter[] = [router];

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
