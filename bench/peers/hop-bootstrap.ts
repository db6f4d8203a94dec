/**
 * The hop as an Envoy bootstrap: one listener, one static cluster, and without `parts` one route. Heddle and Envoy start
 * from the same file.
 */
import { dump } from 'js-yaml';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  Address,
  Bootstrap,
  Cluster,
  FilterChain,
  HttpConnectionManager,
  HttpFilter,
  Listener,
  Route,
  RouteAction,
  VirtualHost,
} from '../../proxy/api/envoy.gen.ts';
import type { Scene } from './peer.ts';

/** What a bootstrap has besides the plain hop. */
export interface HopParts {
  /** Tried before the route that all requests take. */
  readonly routes?: readonly Route[];
  /** Of the route that all requests take. */
  readonly action?: RouteAction;
  readonly route?: Route;
  /** In front of the one that all requests take. */
  readonly virtualHosts?: readonly VirtualHost[];
  /** Hosts of the virtual host that all requests take; default all. */
  readonly domains?: readonly string[];
  /** In front of the router. */
  readonly httpFilters?: readonly HttpFilter[];
  readonly manager?: HttpConnectionManager;
  /** Of the listener's only filter chain, besides its filters. */
  readonly chain?: FilterChain;
  /** Of the cluster that all requests go to. */
  readonly cluster?: Cluster;
  readonly clusters?: readonly Cluster[];
}

type HopScene = Pick<Scene, 'port' | 'backend'>;

export function hopBootstrap({ port, backend }: HopScene, parts: HopParts = {}): string {
  const cluster = { ...staticCluster('nginx', backend.ports[0]), ...parts.cluster };
  const bootstrap: Bootstrap = {
    node: { id: 'bench', cluster: 'bench' },
    admin: { address: loopback(0) },
    static_resources: { listeners: [hopListener(port, parts)], clusters: [cluster, ...(parts.clusters ?? [])] },
  };
  return dump(bootstrap, { noRefs: true });
}

/** All of them in one bootstrap. */
export function mergeParts(all: readonly HopParts[]): HopParts {
  const merged: Required<HopParts> = {
    routes: all.flatMap(({ routes = [] }) => routes),
    action: Object.assign({}, ...all.map(({ action }) => action)),
    route: Object.assign({}, ...all.map(({ route }) => route)),
    virtualHosts: all.flatMap(({ virtualHosts = [] }) => virtualHosts),
    domains: all.flatMap(({ domains = [] }) => domains),
    httpFilters: all.flatMap(({ httpFilters = [] }) => httpFilters),
    manager: Object.assign({}, ...all.map(({ manager }) => manager)),
    chain: Object.assign({}, ...all.map(({ chain }) => chain)),
    cluster: Object.assign({}, ...all.map(({ cluster }) => cluster)),
    clusters: all.flatMap(({ clusters = [] }) => clusters),
  };
  return merged;
}

function hopListener(port: number, { httpFilters = [], manager, chain, ...routing }: HopParts): Listener {
  const typedConfig: HttpConnectionManager = {
    stat_prefix: 'hop',
    route_config: { name: 'hop', virtual_hosts: virtualHosts(routing) },
    http_filters: [
      ...httpFilters,
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': typeUrlOf('envoy.extensions.filters.http.router.v3.Router') },
      },
    ],
    ...manager,
  };
  const type = typeUrlOf('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager');
  const filter = {
    name: 'envoy.filters.network.http_connection_manager',
    typed_config: { '@type': type, ...typedConfig },
  };
  return { name: 'hop', address: loopback(port), filter_chains: [{ filters: [filter], ...chain }] };
}

function virtualHosts({ routes = [], route, action, virtualHosts = [], domains = [] }: HopParts): VirtualHost[] {
  const last: Route = { match: { prefix: '/' }, ...route, route: { cluster: 'nginx', ...action } };
  return [
    ...virtualHosts,
    { name: 'all', domains: domains.length === 0 ? ['*'] : [...domains], routes: [...routes, last] },
  ];
}

export function staticCluster(name: string, port: number): Cluster {
  return {
    name,
    type: 'STATIC',
    connect_timeout: '5s',
    lb_policy: 'ROUND_ROBIN',
    load_assignment: {
      cluster_name: name,
      endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(port) } }] }],
    },
  };
}

function loopback(port: number): Address {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
