/** What a rule of a VirtualService does with the requests that it matches. */
import type { HTTPRoute, HTTPRouteDestination } from '../../crds/virtual-service.ts';
import type { Route, RouteAction, WeightedCluster_ClusterWeight } from '../../proxy/api/envoy.gen.ts';
import { outboundClusterName, type OutboundCluster } from './cluster-name.ts';
import { addHashPolicies, type HashContext } from './hash-policy.ts';
import { authorityOf, buildHeaderLists } from './header-operations.ts';
import { buildDirectResponse, buildRedirect } from './local-actions.ts';
import { buildMirrorPolicies } from './mirror-policies.ts';
import { protoDurationOf } from './proto-duration.ts';
import { buildRetryPolicy } from './retry-policy.ts';
import { clusterNameOf, type RouteContext } from './route-context.ts';
import { buildRouteFilters } from './route-filters.ts';

/** Everything of a route but its name and its match: the action, and what stands beside it. */
export type RouteBody = Omit<Route, 'name' | 'match'>;

export function buildRouteBody(rule: HTTPRoute, context: RouteContext): RouteBody {
  return { ...buildAction(rule, context), ...buildRouteFilters(rule) };
}

function buildAction(rule: HTTPRoute, context: RouteContext): RouteBody {
  const lists = buildHeaderLists([rule.headers, onlyDestination(rule)?.headers]);
  if (rule.redirect !== undefined) return { redirect: buildRedirect(rule.redirect, context.port), ...lists };
  if (rule.directResponse !== undefined) return { direct_response: buildDirectResponse(rule.directResponse), ...lists };
  return { route: buildRouteAction(rule, context), ...lists };
}

/** All requests to all workloads of the service, without a timeout (semantics S20, S21). */
export function buildDefaultAction(cluster: OutboundCluster, context: HashContext): RouteAction {
  const action = addHashPolicies({ cluster: outboundClusterName(cluster) }, context);
  return { ...action, ...buildPolicy({}, action, context) };
}

function buildRouteAction(rule: HTTPRoute, context: RouteContext): RouteAction {
  const host = authorityOf(onlyDestination(rule)?.headers);
  const host_rewrite_literal = rule.rewrite?.authority || authorityOf(rule.headers) || host;
  const action = addHashPolicies(buildDestinations(rule, context), context);
  return {
    ...action,
    ...buildPathRewrite(rule.rewrite),
    ...(host_rewrite_literal ? { host_rewrite_literal } : {}),
    ...buildPolicy(rule, action, context),
    ...buildMirrorPolicies(rule, context),
  };
}

/** Its header rules stand among the route's and come after them, as in Istio. */
function onlyDestination({ route = [] }: HTTPRoute): HTTPRouteDestination | undefined {
  return route.length === 1 ? route[0] : undefined;
}

/** A single destination takes everything whatever its weight; of several, those of weight 0 take nothing (S15). */
function buildDestinations(rule: HTTPRoute, context: RouteContext): RouteAction {
  const { route = [] } = rule;
  const destinations = route.length === 1 ? route : route.filter(({ weight = 0 }) => weight > 0);
  const [only] = destinations;
  const isPlain = destinations.length === 1 && (route.length === 1 || only?.headers === undefined);
  if (isPlain && only !== undefined) return { cluster: clusterNameOf(only.destination, context) };
  return { weighted_clusters: { clusters: destinations.map((each) => buildWeight(each, rule, context)) } };
}

/** The route's Host beats the destination's (S28). */
function buildWeight(
  { destination, weight = 0, headers }: HTTPRouteDestination,
  rule: HTTPRoute,
  context: RouteContext,
): WeightedCluster_ClusterWeight {
  const isRuled = Boolean(rule.rewrite?.authority || authorityOf(rule.headers));
  const host_rewrite_literal = isRuled ? undefined : authorityOf(headers);
  return {
    name: clusterNameOf(destination, context),
    weight,
    ...buildHeaderLists([headers]),
    ...(host_rewrite_literal ? { host_rewrite_literal } : {}),
  };
}

/** `prefix_rewrite` replaces what the path condition matched: the prefix, or the whole path (S28). */
function buildPathRewrite({ uri, uriRegexRewrite }: NonNullable<HTTPRoute['rewrite']> = {}): RouteAction {
  if (uriRegexRewrite?.match) {
    const { match, rewrite = '' } = uriRegexRewrite;
    return { regex_rewrite: { pattern: { regex: match }, substitution: rewrite } };
  }
  return uri ? { prefix_rewrite: uri } : {};
}

/** How long and how often it is tried. Callers that speak gRPC may ask for less time, not for more (S21). */
function buildPolicy({ timeout, retries }: HTTPRoute, action: RouteAction, { config }: HashContext): RouteAction {
  const duration = timeout === undefined ? '0s' : protoDurationOf(timeout);
  const retry_policy = buildRetryPolicy(retries ?? config.meshConfig.defaultHttpRetryPolicy, action);
  return { timeout: duration, max_grpc_timeout: duration, ...(retry_policy === undefined ? {} : { retry_policy }) };
}
