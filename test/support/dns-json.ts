/** Envoy's resources that look names up, asking a test's own DNS server. */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { Cluster, DnsCacheConfig, HttpConnectionManager } from '../../proxy/api/envoy.gen.ts';

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
