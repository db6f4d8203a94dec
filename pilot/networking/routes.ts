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

/** The rules in order, one route per match (S1, S2), up to the first that every request matches (S3). */
export function buildRoutes(context: RouteContext): Route[] {
  const routes = (context.rules.spec.http ?? []).flatMap((rule) => {
    const body = buildRouteBody(rule, context);
    const matches = rule.match?.length ? rule.match.filter((match) => isForClient(match, context)) : [undefined];
    return matches.map((match): Route => ({ ...nameOf(rule, match), match: buildRouteMatch(match), ...body }));
  });
  const last = routes.findIndex(({ match = {} }) => isCatchAll(match));
  return last < 0 ? routes : routes.slice(0, last + 1);
}

function nameOf(rule: HTTPRoute, match: HTTPMatchRequest | undefined): Pick<Route, 'name'> {
  const name = [rule.name, match?.name].filter(Boolean).join('.');
  return name === '' ? {} : { name };
}
