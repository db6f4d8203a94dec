/** Routes of one virtual host: what a VirtualService says, or the default route. */
import type { HTTPMatchRequest, HTTPRoute } from '../../crds/virtual-service.ts';
import type { Route } from '../../proxy/api/envoy.gen.ts';
import type { OutboundCluster } from './cluster-name.ts';
import { buildDefaultAction, buildRouteBody } from './route-action.ts';
import type { HashContext } from './hash-policy.ts';
import type { RouteContext } from './route-context.ts';
import { buildRouteMatch, isCatchAll } from './route-match.ts';
import { isForClient } from './source-match.ts';

/** All requests to all workloads of the service (semantics S20). */
export function buildDefaultRoute(cluster: OutboundCluster, context: HashContext): Route {
  return { name: 'default', match: { prefix: '/' }, route: buildDefaultAction(cluster, context) };
}

/** What becomes of one match of one rule; a rule without matches has one that asks for nothing. */
export interface PlannedRoute {
  readonly rule: HTTPRoute;
  /** Undefined for a rule without matches. */
  readonly match: HTTPMatchRequest | undefined;
  /** `unreachable`: a route before it takes every request (S3). */
  readonly fate: 'in force' | 'not for this client' | 'unreachable';
  readonly route: Route;
}

/** The rules in order, one route per match (S1, S2), up to the first that every request matches (S3). */
export function buildRoutes(context: RouteContext): Route[] {
  return planRoutes(context).flatMap(({ fate, route }) => (fate === 'in force' ? route : []));
}

/** Every match of every rule in order, with those that give no route to this client. */
export function planRoutes(context: RouteContext): PlannedRoute[] {
  let isCaught = false;
  return (context.rules.spec.http ?? []).flatMap((rule) => {
    const body = buildRouteBody(rule, context);
    const matches = rule.match?.length ? rule.match : [undefined];
    return matches.map((match): PlannedRoute => {
      const route: Route = { ...nameOf(rule, match), match: buildRouteMatch(match), ...body };
      if (isCaught) return { rule, match, fate: 'unreachable', route };
      if (match !== undefined && !isForClient(match, context)) {
        return { rule, match, fate: 'not for this client', route };
      }
      isCaught = isCatchAll(route.match ?? {});
      return { rule, match, fate: 'in force', route };
    });
  });
}

/** What the route is called, and under which prefix its requests are counted. */
function nameOf(rule: HTTPRoute, match: HTTPMatchRequest | undefined): Pick<Route, 'name' | 'stat_prefix'> {
  const name = [rule.name, match?.name].filter(Boolean).join('.');
  return { ...(name === '' ? {} : { name }), ...(match?.statPrefix ? { stat_prefix: match.statPrefix } : {}) };
}
