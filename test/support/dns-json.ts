/** Envoy's resources that look names up, asking a test's own DNS server. */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type {
  Cluster,
  DnsCacheConfig,
  DnsFilterConfig,
  HttpConnectionManager,
  Listener,
} from '../../proxy/api/envoy.gen.ts';

export function askServer(port: number): NonNullable<Cluster['typed_dns_resolver_config']> {
  return {
    name: 'envoy.network.dns_resolver.cares',
    typed_config: {
      '@type': typeUrlOf('envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig'),
      resolvers: [{ socket_address: { address: '127.0.0.1', port_value: port } }],
    },
  };
}

export function dnsCache(dnsPort: number, rest: DnsCacheConfig = {}): DnsCacheConfig {
  return { name: 'cache', dns_lookup_family: 'V4_ONLY', typed_dns_resolver_config: askServer(dnsPort), ...rest };
}

export function forwardProxyCluster(name: string, cache: DnsCacheConfig, rest: Cluster = {}): Cluster {
  return {
    name,
    connect_timeout: '1s',
    lb_policy: 'CLUSTER_PROVIDED',
    cluster_type: {
      name: 'envoy.clusters.dynamic_forward_proxy',
      typed_config: {
        '@type': typeUrlOf('envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig'),
        dns_cache_config: cache,
      },
    },
    ...rest,
  };
}

export function forwardProxyFilters(cache: DnsCacheConfig): Pick<HttpConnectionManager, 'http_filters'> {
  return {
    http_filters: [
      {
        name: 'envoy.filters.http.dynamic_forward_proxy',
        typed_config: {
          '@type': typeUrlOf('envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig'),
          dns_cache_config: cache,
        },
      },
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': typeUrlOf('envoy.extensions.filters.http.router.v3.Router') },
      },
    ],
  };
}

/** `type`: STRICT_DNS or LOGICAL_DNS. */
export function dnsCluster(name: string, type: 'STRICT_DNS' | 'LOGICAL_DNS', rest: Cluster & DnsTarget): Cluster {
  const { host, port, dnsPort, ...more } = rest;
  const address = { socket_address: { address: host, port_value: port } };
  return {
    name,
    type,
    connect_timeout: '1s',
    dns_lookup_family: 'V4_ONLY',
    typed_dns_resolver_config: askServer(dnsPort),
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
    ...more,
  };
}

interface DnsTarget {
  readonly host: string;
  readonly port: number;
  readonly dnsPort: number;
}

export interface DnsListenerJson {
  readonly name?: string;
  /** 0 lets the system choose. */
  readonly port?: number;
  /** Addresses by name. */
  readonly names?: Readonly<Record<string, readonly string[]>>;
  /** Rounds through the resolvers beyond the first. */
  readonly retries?: number;
  readonly client?: DnsFilterConfig['client_config'];
}

/** Answers `names`; without `client` nothing else. */
export function dnsListener({ name = 'dns', port = 0, names = {}, retries = 0, client }: DnsListenerJson): Listener {
  const virtual_domains = Object.entries(names).map(([name, address]) => ({
    name,
    endpoint: { address_list: { address: [...address] } },
    answer_ttl: '30s',
  }));
  const filter: DnsFilterConfig = {
    stat_prefix: 'dns',
    server_config: { inline_dns_table: { external_retry_count: retries, virtual_domains } },
    ...(client === undefined ? {} : { client_config: client }),
  };
  const typed_config = { '@type': typeUrlOf('envoy.extensions.filters.udp.dns_filter.v3.DnsFilterConfig'), ...filter };
  return {
    name,
    address: { socket_address: { protocol: 'UDP', address: '127.0.0.1', port_value: port } },
    traffic_direction: 'OUTBOUND',
    udp_listener_config: {},
    listener_filters: [{ name: 'envoy.filters.udp.dns_filter', typed_config }],
  };
}

/** Questions go to these in this order: ports of the test's own servers, or addresses of others. */
export function forwardTo(...servers: readonly (number | string)[]): NonNullable<DnsFilterConfig['client_config']> {
  const resolvers = servers.map((server) => ({
    socket_address:
      typeof server === 'number' ? { address: '127.0.0.1', port_value: server } : { address: server, port_value: 53 },
  }));
  const cares = 'envoy.extensions.network.dns_resolver.cares.v3.CaresDnsResolverConfig';
  return {
    resolver_timeout: '1s',
    max_pending_lookups: 256,
    typed_dns_resolver_config: {
      name: 'envoy.network.dns_resolver.cares',
      typed_config: { '@type': typeUrlOf(cares), resolvers },
    },
  };
}
