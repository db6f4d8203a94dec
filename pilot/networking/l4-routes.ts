/**
 * Filter chains of one port of one service: what the `tls` and `tcp` rules of a VirtualService say, or all connections to
 * the service. Which rules count is Istio's (pilot/pkg/networking/core/tls.go); of several VirtualServices for one host the
 * oldest does (semantics S4).
 */
import type { RouteDestination } from '../../crds/virtual-service.ts';
import type {
  FilterChainMatch,
  envoy_config_listener_v3_Filter as Filter,
  TcpProxy,
} from '../../proxy/api/envoy.gen.ts';
import type { Client } from '../model/client.ts';
import { policyOf, type PolicyBlocks } from '../model/destination-rules.ts';
import type { PushConfig } from '../model/push-context.ts';
import { interceptedProtocol, type Service, type ServicePort } from '../model/service.ts';
import { originalDestinationSubset, outboundClusterName } from './cluster-name.ts';
import { ofServerNames, toSubnets } from './filter-chain-match.ts';
import { clusterNameOf, destinationHostname, type RouteContext } from './route-context.ts';
import { isL4ForClient } from './source-match.ts';
import { buildPlainTcpProxy, buildTcpProxy } from './tcp-proxy.ts';

export interface L4Chain {
  readonly match: FilterChainMatch;
  readonly filter: Filter;
}

export interface L4Context {
  readonly config: PushConfig;
  readonly client: Client;
  readonly service: Service;
  readonly port: ServicePort;
  /** Address blocks of the service, on a listener that takes more than its connections. */
  readonly subnets: readonly string[];
  /** The listener takes connections to other services too. */
  readonly isShared: boolean;
  /** It takes those that were made for one workload: to the service as a whole means to that one. Default no. */
  readonly isOfWorkload?: boolean;
  readonly access_log?: TcpProxy['access_log'];
}

/** In the order in which they count: of two with equal matches the first does. */
export function buildL4Chains(context: L4Context): L4Chain[] {
  const { config, client, service, port } = context;
  const rules = config.virtualServices.visibleTo(client.namespace).find(service.hostname);
  const routing = rules && { rules, config, client, port: port.number };
  const isTls = interceptedProtocol(port) === 'TLS';
  const ruled = routing === undefined ? [] : (isTls ? buildTlsChains : buildTcpChains)(routing, context);
  if (!isTls) return [...ruled, buildTcpDefault(context)];
  return ruled.length > 0 ? ruled : buildTlsDefault(context);
}

function buildTlsChains(routing: RouteContext, context: L4Context): L4Chain[] {
  return (routing.rules.spec.tls ?? []).flatMap(({ match = [], route = [] }) =>
    match
      .filter((attributes) => isL4ForClient(attributes, routing))
      .flatMap(({ sniHosts = [], destinationSubnets = [] }) => {
        const names = ofServerNames(sniHosts);
        if (names === undefined) return [];
        const subnets = destinationSubnets.length > 0 ? destinationSubnets : context.subnets;
        return [{ match: { ...names, ...toSubnets(subnets) }, filter: buildL4Route(route, routing, context) }];
      }),
  );
}

/** SNI is only looked at where nothing else tells the service, or where services may share an address. */
function buildTlsDefault(context: L4Context): L4Chain[] {
  const { service, subnets, isShared, isOfWorkload = false } = context;
  const own = isOfWorkload ? ofServerNames([service.hostname]) : undefined;
  if (own !== undefined) return [own, {}].map((match) => ({ match, filter: buildDefault(context) }));
  const names = isShared ? ofServerNames([service.hostname]) : {};
  if (names === undefined) return [];
  return [{ match: { ...names, ...toSubnets(subnets) }, filter: buildDefault(context) }];
}

/** Up to the first rule that takes connections to wherever they were made (S1, S3). */
function buildTcpChains(routing: RouteContext, context: L4Context): L4Chain[] {
  const chains: L4Chain[] = [];
  for (const { match = [], route = [] } of routing.rules.spec.tcp ?? []) {
    const taken = match.filter((attributes) => isL4ForClient(attributes, routing));
    if (match.length > 0 && taken.length === 0) continue;
    const filter = buildL4Route(route, routing, context);
    const isForAll = match.length === 0 || taken.some(({ destinationSubnets = [] }) => destinationSubnets.length === 0);
    if (isForAll) return [...chains, { match: toSubnets(context.subnets), filter }];
    chains.push({ match: toSubnets(taken.flatMap(({ destinationSubnets = [] }) => destinationSubnets)), filter });
  }
  return chains;
}

/** Where a rule takes all connections to the service, this chain is its equal and does not count. */
function buildTcpDefault(context: L4Context): L4Chain {
  return { match: toSubnets(context.subnets), filter: buildDefault(context) };
}

/** All connections to all workloads of the service. */
function buildDefault({ config, client, service, port, access_log, isOfWorkload = false }: L4Context): Filter {
  const subset = isOfWorkload ? originalDestinationSubset : '';
  const cluster = outboundClusterName({ port: port.number, subset, hostname: service.hostname });
  const policy = policyOf(config.destinationRules.find(service, client), undefined, port.number);
  return buildPlainTcpProxy(cluster, { policy, ...(access_log === undefined ? {} : { access_log }) });
}

/** A single destination gets everything, whatever its weight; of several, those without weight get nothing (S15). */
export function buildL4Route(
  destinations: readonly RouteDestination[],
  routing: RouteContext,
  { access_log, ...own }: Pick<L4Context, 'access_log'> & Partial<L4Context>,
): Filter {
  const { rules } = routing;
  const weighted = destinations.length === 1 ? destinations : destinations.filter(({ weight = 0 }) => weight > 0);
  const clusters = weighted.map(({ destination, weight = 0 }) => {
    return { name: originalOf(clusterNameOf(destination, routing), own), weight: Math.max(1, weight) };
  });
  return buildTcpProxy({
    statPrefix:
      destinations.length === 1 ? (clusters[0]?.name ?? '') : `${rules.metadata.name}.${rules.metadata.namespace}`,
    clusters,
    policy: destinationPolicy(destinations[0], routing, destinations.length === 1),
    ...(access_log === undefined ? {} : { access_log }),
  });
}

/** A rule that leads a service's connections to the service itself lets them go where they were going. */
function originalOf(cluster: string, { isOfWorkload = false, service, port }: Partial<L4Context>): string {
  if (!isOfWorkload || service === undefined || port === undefined) return cluster;
  const named = { port: port.number, hostname: service.hostname };
  const isItself = cluster === outboundClusterName({ ...named, subset: '' });
  return isItself ? outboundClusterName({ ...named, subset: originalDestinationSubset }) : cluster;
}

/**
 * Of the first destination, also where it gets no connections (semantics D10). The tunnel of one of several subsets is not
 * that of all connections: then the rule's own counts, as in Istio.
 */
function destinationPolicy(first: RouteDestination | undefined, routing: RouteContext, isOnly: boolean): PolicyBlocks {
  const { config, client, rules, port } = routing;
  if (first === undefined) return {};
  const { destination } = first;
  const service = config.services.visibleTo(client.namespace).find(destinationHostname(destination, rules));
  const rule = service && config.destinationRules.find(service, client);
  const subset = rule?.subsets.find(({ name }) => name === destination.subset);
  const { tunnel: own, ...policy } = policyOf(rule, subset, destination.port?.number ?? port);
  const tunnel = isOnly ? own : rule?.trafficPolicy?.tunnel;
  return { ...policy, ...(tunnel === undefined ? {} : { tunnel }) };
}
