/**
 * RateLimits of a host. Those of scope LOCAL become Envoy's local rate limit. Each is a descriptor with a bucket of its own in the configuration of
 * the virtual host, so that the routes that it is about share the bucket; the routes' actions say who is meant.
 */
import { parseDurationMs } from '../../crds/duration.ts';
import { requestConditions } from '../../crds/rate-limit.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  LocalRateLimit,
  envoy_config_route_v3_RateLimit as RouteRateLimit,
  Route,
  TokenBucket,
  VirtualHost,
} from '../../proxy/api/envoy.gen.ts';
import { formatProtoDuration } from '../../proxy/common/duration.ts';
import type { Client } from '../model/client.ts';
import type { RateLimit } from '../model/rate-limits.ts';
import { isSelected } from '../model/workload.ts';
import { addAskedLimits } from './asked-rate-limits.ts';
import { idOf, isCovered } from './covered-routes.ts';
import { addQuotas } from './global-rate-limits.ts';
import { rateLimitFilterName, shadowRateLimitFilterName } from './http-filters.ts';
import { buildHeaderMatcher } from './route-match.ts';
import { fractionOf } from './fraction.ts';

/** One Envoy filter for those in force and one for those that only count: their stages keep them apart. */
const modes = [
  { mode: 'ENFORCE', filterName: rateLimitFilterName, stage: 0, suffix: '' },
  { mode: 'SHADOW', filterName: shadowRateLimitFilterName, stage: 1, suffix: '_shadow' },
] as const;

type Mode = (typeof modes)[number];

const localRateLimitType = typeUrlOf('envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit');

/** `virtualHost` with the limits of its host, as it came when none is about this client. */
export function limitVirtualHost(virtualHost: VirtualHost, all: readonly RateLimit[], client: Client): VirtualHost {
  const mine = all.filter(({ spec }) => isSelected(client.labels ?? {}, spec.sourceLabels ?? {}));
  const isGlobal = ({ spec }: RateLimit): boolean => spec.scope === 'GLOBAL';
  const own = limitLocally(
    virtualHost,
    mine.filter((limit) => !isGlobal(limit)),
  );
  const shared = mine.filter(isGlobal);
  if (shared.length === 0) return own;
  const addShared = client.isEnvoy === true ? addAskedLimits : addQuotas;
  return { ...own, routes: own.routes?.map((route) => addShared(route, shared)) ?? [] };
}

function limitLocally(virtualHost: VirtualHost, limits: readonly RateLimit[]): VirtualHost {
  if (limits.length === 0) return virtualHost;
  const configs: NonNullable<VirtualHost['typed_per_filter_config']> = { ...virtualHost.typed_per_filter_config };
  for (const mode of modes) {
    const own = limits.filter((limit) => modeOf(limit) === mode);
    if (own.length === 0) continue;
    const config = buildLocalRateLimit(own, mode, virtualHost.name ?? '');
    configs[mode.filterName] = { '@type': localRateLimitType, ...config };
  }
  const routes = virtualHost.routes?.map((route) => limitRoute(route, limits)) ?? [];
  return { ...virtualHost, routes, typed_per_filter_config: configs };
}

function modeOf({ spec }: RateLimit): Mode {
  return spec.mode === 'SHADOW' ? modes[1] : modes[0];
}

function buildLocalRateLimit(limits: readonly RateLimit[], mode: Mode, hostName: string): LocalRateLimit {
  return {
    stat_prefix: `${hostName}${mode.suffix}`,
    // Envoy wants a bucket for what no descriptor is about; nothing is limited by it.
    token_bucket: { max_tokens: unlimited, tokens_per_fill: unlimited, fill_interval: '1s' },
    always_consume_default_token_bucket: false,
    filter_enabled: { default_value: fractionOf(100) },
    filter_enforced: { default_value: fractionOf(mode.mode === 'ENFORCE' ? 100 : 0) },
    stage: mode.stage,
    enable_x_ratelimit_headers: mode.mode === 'ENFORCE' ? 'DRAFT_VERSION_03' : 'OFF',
    descriptors: limits.map((limit) => ({
      entries: [{ key: limitKey, value: idOf(limit) }],
      token_bucket: buildTokenBucket(limit),
    })),
  };
}

const unlimited = 2 ** 32 - 1;

function buildTokenBucket({ spec }: RateLimit): TokenBucket {
  return {
    max_tokens: spec.burst ?? spec.requests,
    tokens_per_fill: spec.requests,
    fill_interval: formatProtoDuration(parseDurationMs(spec.interval) ?? 0),
  };
}

function limitRoute(route: Route, limits: readonly RateLimit[]): Route {
  const covering = limits.filter((limit) => isCovered(route, limit));
  if (route.route === undefined || covering.length === 0) return route;
  return { ...route, route: { ...route.route, rate_limits: covering.map(buildRouteRateLimit) } };
}

const limitKey = 'rate_limit';

function buildRouteRateLimit(limit: RateLimit): RouteRateLimit {
  const value = { descriptor_key: limitKey, descriptor_value: idOf(limit) };
  const headers = requestConditions(limit.spec).map(([name, match]) => buildHeaderMatcher(name, match));
  const action = headers.length === 0 ? { generic_key: value } : { header_value_match: { ...value, headers } };
  return { stage: modeOf(limit).stage, actions: [action] };
}
