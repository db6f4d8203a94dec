/** Envoy's resources in JSON form, as short as tests want to write them. */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  Bootstrap,
  Cluster,
  ClusterLoadAssignment,
  FilterChain,
  FilterChainMatch,
  HttpConnectionManager,
  LbEndpoint,
  Listener,
  ListenerFilter,
  PeakEwma,
  Route,
  RouteAction,
  RouteConfiguration,
  TcpProxy,
} from '../../proxy/api/envoy.gen.ts';

const loopback = (port: number) => ({ socket_address: { address: '127.0.0.1', port_value: port } });

/** A port on loopback, or more about an endpoint there. */
export type EndpointJson = number | ({ readonly port: number } & LbEndpoint);

export function loadAssignment(clusterName: string, endpoints: readonly EndpointJson[]): ClusterLoadAssignment {
  const lb_endpoints = endpoints.map((given): LbEndpoint => {
    const { port, ...rest } = typeof given === 'number' ? { port: given } : given;
    return { endpoint: { address: loopback(port) }, ...rest };
  });
  return { cluster_name: clusterName, endpoints: [{ lb_endpoints }] };
}

export function staticCluster(name: string, endpoints: readonly EndpointJson[], rest: Cluster = {}): Cluster {
  return { name, type: 'STATIC', connect_timeout: '1s', load_assignment: loadAssignment(name, endpoints), ...rest };
}

/** A cluster to whose only host no route leads: Linux does not connect to a broadcast address (ENETUNREACH). */
export function unroutableCluster(name: string): Cluster {
  const address = { socket_address: { address: '127.255.255.255', port_value: 9 } };
  const load_assignment = { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] };
  return { ...staticCluster(name, []), load_assignment };
}

export function edsCluster(name: string, rest: Cluster = {}): Cluster {
  const eds_config = { ads: {}, resource_api_version: 'V3' } as const;
  return { name, type: 'EDS', connect_timeout: '1s', eds_cluster_config: { eds_config }, ...rest };
}

/** The policy of Envoy's contrib build. */
export function peakEwmaPolicy(config: PeakEwma = {}): Cluster {
  const typeUrl = typeUrlOf('envoy.extensions.load_balancing_policies.peak_ewma.v3alpha.PeakEwma');
  const typed_config = { '@type': typeUrl, ...config };
  const typed_extension_config = { name: 'envoy.load_balancing_policies.peak_ewma', typed_config };
  return { load_balancing_policy: { policies: [{ typed_extension_config }] } };
}

/** Everything to one cluster, without the timeout that Envoy sets by default. */
export function routeTo(cluster: string, action: RouteAction = {}, rest: Route = {}): Route {
  return { match: { prefix: '/' }, route: { cluster, timeout: '0s', ...action }, ...rest };
}

/** One virtual host for all hosts. */
export function routeConfiguration(routes: readonly Route[], rest: RouteConfiguration = {}): RouteConfiguration {
  return { name: 'routes', virtual_hosts: [{ name: 'all', domains: ['*'], routes: [...routes] }], ...rest };
}

const routerFilter = {
  name: 'envoy.filters.http.router',
  typed_config: { '@type': typeUrlOf('envoy.extensions.filters.http.router.v3.Router') },
};

export interface ListenerJson {
  readonly name?: string;
  /** 0 lets the system choose. */
  readonly port?: number;
  readonly routes?: RouteConfiguration;
  readonly manager?: HttpConnectionManager;
  readonly direction?: 'INBOUND' | 'OUTBOUND';
}

export function httpListener({ name = 'test', port = 0, routes, manager, direction }: ListenerJson): Listener {
  const typed_config = {
    '@type': typeUrlOf('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: name,
    ...(routes === undefined ? {} : { route_config: routes }),
    http_filters: [routerFilter],
    ...manager,
  };
  return {
    name,
    address: loopback(port),
    ...(direction === undefined ? {} : { traffic_direction: direction }),
    filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config }] }],
  };
}

/** A bootstrap file with an admin endpoint on a port that the system chooses. */
export function bootstrapText(listeners: readonly Listener[], clusters: readonly Cluster[]): string {
  const bootstrap: Bootstrap = {
    node: { id: 'test-proxy', cluster: 'test' },
    admin: { address: loopback(0) },
    static_resources: { listeners: [...listeners], clusters: [...clusters] },
  };
  return JSON.stringify(bootstrap);
}

/** Writes one file per listener. */
export function fileAccessLog(path: string): Pick<HttpConnectionManager, 'access_log'> {
  const type = typeUrlOf('envoy.extensions.access_loggers.file.v3.FileAccessLog');
  return { access_log: [{ name: 'envoy.access_loggers.file', typed_config: { '@type': type, path } }] };
}

/** A listener on loopback whose connections go to `proxy`'s cluster, or clusters, without being looked at. */
export function tcpListener({ name = 'tcp', proxy, ...rest }: { name?: string; proxy: TcpProxy } & Listener): Listener {
  return { name, address: loopback(0), filter_chains: [tcpChain(proxy)], ...rest };
}

export function tcpChain(proxy: TcpProxy, filter_chain_match?: FilterChainMatch): FilterChain {
  const typed_config = {
    '@type': typeUrlOf('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'),
    stat_prefix: 'tcp',
    ...proxy,
  };
  const filters = [{ name: 'envoy.filters.network.tcp_proxy', typed_config }];
  return { filters, ...(filter_chain_match === undefined ? {} : { filter_chain_match }) };
}

/** Envoy's listener filters by their short names. */
export function listenerFilters(
  ...names: ('http_inspector' | 'tls_inspector' | 'original_dst' | 'original_src')[]
): ListenerFilter[] {
  const types = {
    http_inspector: 'envoy.extensions.filters.listener.http_inspector.v3.HttpInspector',
    tls_inspector: 'envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector',
    original_dst: 'envoy.extensions.filters.listener.original_dst.v3.OriginalDst',
    original_src: 'envoy.extensions.filters.listener.original_src.v3.OriginalSrc',
  } as const;
  return names.map((name) => ({
    name: `envoy.filters.listener.${name}`,
    typed_config: { '@type': typeUrlOf(types[name]) },
  }));
}
