/** What pilot makes for one intercepted node, all of it. */
import type {
  Cluster,
  ClusterLoadAssignment,
  FilterChain,
  HttpConnectionManager,
  Listener,
  RootMessages,
  RouteConfiguration,
  Secret,
  TcpProxy,
} from '../../../proxy/api/envoy.gen.ts';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import { decode, type MessageName } from '../../../proxy/api/protojson.ts';
import { resourceTypes } from '../../../proxy/api/resource-types.ts';
import { typeUrlOf } from '../../../proxy/api/discovery.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import type { PushContext } from '../../../pilot/model/push-context.ts';
import { createGenerators } from '../../../pilot/xds/generators.ts';
import { type EncodedResource, ResourceEncoder } from '../../../pilot/xds/resource-encoder.ts';

export interface NodeResources {
  readonly clusters: readonly Cluster[];
  readonly assignments: readonly ClusterLoadAssignment[];
  readonly listeners: readonly Listener[];
  readonly routes: readonly RouteConfiguration[];
}

/** Asks for clusters and listeners, and then for what they name, as a sidecar does. */
export function resourcesOfNode(node: NodeMetadata, push: PushContext): NodeResources {
  const generators = createGenerators(new ResourceEncoder(), undefined);
  const { CDS, EDS, LDS, RDS } = resourceTypes;
  const all = (type: 'CDS' | 'LDS'): EncodedResource[] => [...generators[type].all(node, push).values()];
  const named = (type: 'EDS' | 'RDS', names: readonly string[]): EncodedResource[] => {
    const lookup = generators[type].lookup(node, push);
    return [...new Set(names)].flatMap((name) => lookup(name) ?? []);
  };
  const clusters = all('CDS').map((resource) => jsonOf(CDS.messageName, resource));
  const listeners = all('LDS').map((resource) => jsonOf(LDS.messageName, resource));
  const eds = clusters.filter(({ type }) => type === 'EDS').map(({ name = '' }) => name);
  return {
    clusters,
    listeners,
    assignments: named('EDS', eds).map((resource) => jsonOf(EDS.messageName, resource)),
    routes: named('RDS', routeNamesOf(listeners)).map((resource) => jsonOf(RDS.messageName, resource)),
  };
}

/** What SDS has for the node under these names. */
export function secretsOfNode(node: NodeMetadata, push: PushContext, names: readonly string[]): Secret[] {
  const lookup = createGenerators(new ResourceEncoder(), undefined).SDS.lookup(node, push);
  return names.flatMap((name) => lookup(name) ?? []).map((found) => jsonOf(resourceTypes.SDS.messageName, found));
}

export function routeNamesOf(listeners: readonly Listener[]): string[] {
  return listeners.flatMap(chainsOf).flatMap((chain) => managerOf(chain)?.rds?.route_config_name ?? []);
}

function jsonOf<N extends MessageName>(messageName: N, resource: EncodedResource): RootMessages[N] {
  const response = decode('envoy.service.discovery.v3.DiscoveryResponse', Buffer.concat([...resource.parts()]));
  const { '@type': typeUrl, ...body } = requireValue(response, 'the response').resources?.[0] ?? { '@type': '' };
  if (typeUrl !== typeUrlOf(messageName)) throw new Error(`expected ${messageName}, got ${typeUrl}`);
  return body as RootMessages[N];
}

export function listenerOf({ listeners }: NodeResources, name: string): Listener {
  const found = listeners.find((listener) => listener.name === name);
  if (found === undefined) throw new Error(`no listener ${name}, only ${listeners.map((one) => one.name).join(' ')}`);
  return found;
}

/** As `address:port`, its own first. */
export function addressesOf({ address, additional_addresses = [] }: Listener): string[] {
  return [address, ...additional_addresses.map((one) => one.address)].map((one) => {
    const { address: ip, port_value } = one?.socket_address ?? {};
    return `${ip}:${port_value}`;
  });
}

/** In order, the one for everything else last. */
export function chainsOf({ filter_chains = [], default_filter_chain }: Listener): FilterChain[] {
  return [...filter_chains, ...(default_filter_chain === undefined ? [] : [default_filter_chain])];
}

export function managerOf({ filters = [] }: FilterChain): HttpConnectionManager | undefined {
  const [filter] = filters;
  const isManager = filter?.name === 'envoy.filters.network.http_connection_manager';
  return isManager ? (filter.typed_config as HttpConnectionManager) : undefined;
}

export function tcpProxyOf({ filters = [] }: FilterChain): TcpProxy | undefined {
  const [filter] = filters;
  return filter?.name === 'envoy.filters.network.tcp_proxy' ? (filter.typed_config as TcpProxy) : undefined;
}

/** Each chain as `MATCH -> DESTINATION`, short enough to compare whole listeners. */
export function describeChains(listener: Listener): string[] {
  return chainsOf(listener).map((chain) => `${describeMatch(chain)} -> ${describeTarget(chain)}`);
}

function describeMatch({ filter_chain_match: match = {} }: FilterChain): string {
  const parts = [
    match.destination_port === undefined ? '' : `port ${match.destination_port}`,
    (match.prefix_ranges ?? []).map(({ address_prefix, prefix_len }) => `${address_prefix}/${prefix_len}`).join(' '),
    (match.server_names ?? []).join(' '),
    match.application_protocols === undefined ? '' : 'http',
  ].filter((part) => part !== '');
  return parts.join(', ') || 'any';
}

function describeTarget(chain: FilterChain): string {
  const manager = managerOf(chain);
  if (manager !== undefined) return `routes ${manager.rds?.route_config_name ?? manager.route_config?.name ?? ''}`;
  const tcpProxy = tcpProxyOf(chain);
  const weighted = tcpProxy?.weighted_clusters?.clusters?.map(({ name, weight }) => `${weight} ${name}`);
  return tcpProxy?.cluster ?? weighted?.join(', ') ?? '?';
}
