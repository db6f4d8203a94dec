/** The one table of the filters that routes configure: type of the message → decoder. */
import { readCorsPolicy } from './cors-decoder.ts';
import { readCustomResponsePerRoute } from './custom-response-decoder.ts';
import type { Route as RouteJson } from './envoy.gen.ts';
import { readExtAuthzPerRoute } from './ext-authz-decoder.ts';
import { readFault } from './fault-decoder.ts';
import type { Fields, TypeTable } from './fields.ts';
import type { FilterConfig, FilterConfigs } from './filter-config.ts';
import { readQuotaOverride } from './quota-decoder.ts';
import { readLocalRateLimit } from './rate-limit-decoder.ts';
import { readRbacPerRoute } from './rbac-decoder.ts';

const filterConfigTypes: TypeTable<FilterConfig> = {
  'envoy.extensions.filters.http.cors.v3.CorsPolicy': readCorsPolicy,
  'envoy.extensions.filters.http.custom_response.v3.CustomResponse': readCustomResponsePerRoute,
  'envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute': readExtAuthzPerRoute,
  'envoy.extensions.filters.http.fault.v3.HTTPFault': readFault,
  'envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit': readLocalRateLimit,
  'envoy.extensions.filters.http.rate_limit_quota.v3.RateLimitQuotaOverride': readQuotaOverride,
  'envoy.extensions.filters.http.rbac.v3.RBACPerRoute': readRbacPerRoute,
};

type Configured = Pick<RouteJson, 'typed_per_filter_config'>;

/** Of a route, a virtual host or a route configuration; undefined when it configures no filter. */
export function readFilterConfigs(fields: Fields<Configured>): FilterConfigs | undefined {
  return fields.typedMap('typed_per_filter_config', filterConfigTypes);
}
