/**
 * RateLimits of scope GLOBAL for real Envoys, whose quota filter takes nothing from routes (1.40): they ask the rate limit
 * service about each request. What does not fail open has a filter of its own, because Envoy sets that per filter.
 */
import { requestConditions } from '../../crds/rate-limit.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  envoy_config_listener_v3_Filter as Filter,
  envoy_config_route_v3_RateLimit as RouteRateLimit,
  HttpConnectionManager,
  HttpFilter,
  Listener,
  RateLimit_Action,
  Route,
} from '../../proxy/api/envoy.gen.ts';
import { limitKeys, quotaDomain } from '../../proxy/api/quota-limit.ts';
import type { RateLimit } from '../model/rate-limits.ts';
import { idOf, isCovered } from './covered-routes.ts';
import { limitText } from './global-rate-limits.ts';
import { quotaFilterName, shadowQuotaFilterName } from './http-filters.ts';
import { buildHeaderMatcher } from './route-match.ts';

/** Local limits have the stages before. */
const stages = { failOpen: 2, failClosed: 3 } as const;

const filterType = typeUrlOf('envoy.extensions.filters.http.ratelimit.v3.RateLimit');

/** The cluster that a bootstrap has for mixer. */
const mixerClusterName = 'mixer';

export function addAskedLimits(route: Route, limits: readonly RateLimit[]): Route {
  const covering = limits.filter((limit) => isCovered(route, limit));
  if (route.route === undefined || covering.length === 0) return route;
  const rate_limits = [...(route.route.rate_limits ?? []), ...covering.map(buildRouteLimit)];
  return { ...route, route: { ...route.route, rate_limits } };
}

function buildRouteLimit(limit: RateLimit): RouteRateLimit {
  const { mode, onUnavailable = 'failOpen' } = limit.spec;
  const name = { descriptor_key: limitKeys.name, descriptor_value: idOf(limit) };
  const matchers = requestConditions(limit.spec).map(([header, match]) => buildHeaderMatcher(header, match));
  const actions: RateLimit_Action[] = [
    matchers.length === 0 ? { generic_key: name } : { header_value_match: { ...name, headers: matchers } },
    { generic_key: { descriptor_key: limitKeys.numbers, descriptor_value: limitText(limit) } },
  ];
  if (mode === 'SHADOW') actions.push({ generic_key: { descriptor_key: limitKeys.mode, descriptor_value: mode } });
  return { stage: stages[onUnavailable], actions };
}

/** A listener of ours as a real Envoy gets it. */
export function askForLimits(listener: Listener): Listener {
  const chains = listener.filter_chains?.map((chain) => ({ ...chain, filters: chain.filters?.map(askInFilter) ?? [] }));
  const last = listener.default_filter_chain;
  return {
    ...listener,
    ...(chains === undefined ? {} : { filter_chains: chains }),
    ...(last === undefined ? {} : { default_filter_chain: { ...last, filters: last.filters?.map(askInFilter) ?? [] } }),
  };
}

function askInFilter(filter: Filter): Filter {
  const config = filter.typed_config as (HttpConnectionManager & { '@type': string }) | undefined;
  if (config?.http_filters === undefined) return filter;
  const http_filters = config.http_filters.flatMap((each) => {
    if (each.name === quotaFilterName) return [buildFilter('failOpen'), buildFilter('failClosed')];
    return each.name === shadowQuotaFilterName ? [] : [each];
  });
  return { ...filter, typed_config: { ...config, http_filters } };
}

function buildFilter(onUnavailable: keyof typeof stages): HttpFilter {
  const isClosed = onUnavailable === 'failClosed';
  return {
    name: `envoy.filters.http.ratelimit${isClosed ? '.closed' : ''}`,
    typed_config: {
      '@type': filterType,
      domain: quotaDomain,
      stage: stages[onUnavailable],
      // Envoy's default, 20ms, is over before a first connection stands.
      timeout: '0.5s',
      failure_mode_deny: isClosed,
      rate_limit_service: {
        grpc_service: { envoy_grpc: { cluster_name: mixerClusterName } },
        transport_api_version: 'V3',
      },
    },
  };
}
