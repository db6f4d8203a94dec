/** The one table of HTTP filters: what a filter in the configuration becomes. */
import type { HttpFilter as HttpFilterConfig } from '../api/listener.ts';
import type { FilterFactory } from '../http/filter.ts';
import { createRouterFactory } from '../router/router-filter.ts';
import { createCorsFactory } from './cors.ts';
import { createCustomResponseFactory } from './custom-response.ts';
import { createDynamicForwardProxyFactory } from './dynamic-forward-proxy.ts';
import { createExtAuthzFactory } from './ext-authz.ts';
import { createFaultFactory } from './fault.ts';
import type { FilterContext } from './filter-context.ts';
import { createLocalRateLimitFactory } from './local-ratelimit.ts';
import { createRateLimitQuotaFactory } from './rate-limit-quota.ts';
import { createRbacFactory } from './rbac.ts';

type FilterBuilder = (context: FilterContext, filter: HttpFilterConfig) => FilterFactory;

const httpFilters: Readonly<Record<HttpFilterConfig['kind'], FilterBuilder>> = {
  cors: createCorsFactory,
  custom_response: createCustomResponseFactory,
  dynamic_forward_proxy: createDynamicForwardProxyFactory,
  ext_authz: createExtAuthzFactory,
  fault: createFaultFactory,
  local_ratelimit: createLocalRateLimitFactory,
  rate_limit_quota: createRateLimitQuotaFactory,
  rbac: createRbacFactory,
  router: createRouterFactory,
};

/** Called once per filter of a chain; the result makes one instance per pooled stream. */
export function createHttpFilter(filter: HttpFilterConfig, context: FilterContext): FilterFactory {
  return httpFilters[filter.kind](context, filter);
}
