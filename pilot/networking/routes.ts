/** Routes of one virtual host: what a VirtualService says, or the default route. */
import { resolveShortName } from '../../crds/host.ts';
import type { Destination, HTTPRoute, HTTPRouteDestination } from '../../crds/virtual-service.ts';
import type {
  envoy_config_route_v3_RetryPolicy as RetryPolicy,
  Route,
  RouteAction,
} from '../../proxy/api/envoy.gen.ts';
import type { PushConfig } from '../model/push-context.ts';
import type { VirtualService } from '../model/virtual-services.ts';
import { outboundClusterName, type OutboundCluster } from './cluster-name.ts';
import { protoDurationOf } from './clusters.ts';
import { buildRouteMatch, isCatchAll } from './route-match.ts';

/**
 * Retried is only what provably never reached an application, so nothing is ever done twice. Istio's default goes
 * further (`unavailable,cancelled`), and users paid double for it.
 */
const defaultRetryPolicy: RetryPolicy = { retry_on: 'connect-failure,refused-stream', num_retries: 2 };

/** All requests to all workloads of the service, without a timeout (semantics S20, S21). */
export function buildDefaultRoute(cluster: OutboundCluster): Route {
  return {
    name: 'default',
    match: { prefix: '/' },
    route: { cluster: outboundClusterName(cluster), ...buildPolicy({}) },
  };
}

/**
 * The rules in order, one route per match (S1, S2), up to the first that every request matches (S3).
 * `port` is the port of the virtual host: where a destination of several ports goes when it names none (S16).
 */
export function buildRoutes(rules: VirtualService, config: PushConfig, port: number): Route[] {
  const routes = (rules.spec.http ?? []).flatMap((rule) => {
    const action = buildAction(rule, (destination) => clusterOf(destination, rules, { config, port }));
    return (rule.match?.length ? rule.match : [undefined]).map((match): Route => {
      const name = [rule.name, match?.name].filter(Boolean).join('.');
      return { ...(name === '' ? {} : { name }), match: buildRouteMatch(match), route: action };
    });
  });
  const last = routes.findIndex(({ match = {} }) => isCatchAll(match));
  return last < 0 ? routes : routes.slice(0, last + 1);
}

function buildAction(rule: HTTPRoute, clusterNameOf: (destination: Destination) => string): RouteAction {
  const destinations = chooseDestinations(rule.route ?? []);
  const [only] = destinations;
  if (destinations.length === 1 && only !== undefined) {
    return { cluster: clusterNameOf(only.destination), ...buildPolicy(rule) };
  }
  const clusters = destinations.map(({ destination, weight = 0 }) => ({ name: clusterNameOf(destination), weight }));
  return { weighted_clusters: { clusters }, ...buildPolicy(rule) };
}

/** A single destination takes everything whatever its weight; of several, those of weight 0 take nothing (S15). */
function chooseDestinations(destinations: readonly HTTPRouteDestination[]): readonly HTTPRouteDestination[] {
  return destinations.length === 1 ? destinations : destinations.filter(({ weight = 0 }) => weight > 0);
}

function buildPolicy({ timeout }: Pick<HTTPRoute, 'timeout'>): RouteAction {
  return { timeout: timeout === undefined ? '0s' : protoDurationOf(timeout), retry_policy: defaultRetryPolicy };
}

/** The service that a destination names, resolved in the namespace of the rule (S17). */
export function destinationHostname({ host }: Destination, rules: VirtualService): string {
  return resolveShortName(host, rules.metadata.namespace).toLowerCase();
}

/** An unknown host or subset gives the name of a cluster that does not exist: 503 with flag NC (S33). */
function clusterOf(
  destination: Destination,
  rules: VirtualService,
  { config, port }: { config: PushConfig; port: number },
): string {
  const hostname = destinationHostname(destination, rules);
  const ports = config.serviceByHostname.get(hostname)?.ports ?? [];
  const onlyPort = ports.length === 1 ? ports[0]?.number : undefined;
  const chosen = destination.port?.number ?? onlyPort ?? port;
  return outboundClusterName({ port: chosen, subset: destination.subset ?? '', hostname });
}
