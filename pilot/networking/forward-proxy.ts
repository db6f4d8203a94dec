/**
 * Requests that go where they themselves say: Envoy's dynamic forward proxy. A sidecar that is addressed openly knows the
 * original destination of a request from its authority alone. Where connections are intercepted, the address that one was
 * made for takes this place: cluster type ORIGINAL_DST.
 */
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { Cluster, DnsCacheConfig, HttpFilter } from '../../proxy/api/envoy.gen.ts';

/** One cache for the filter and all clusters: Envoy matches them by name and refuses two configurations of one name. */
const dnsCache: DnsCacheConfig = {
  name: 'dynamic_forward_proxy_cache_config',
  dns_lookup_family: 'V4_ONLY',
  dns_failure_refresh_rate: { base_interval: '1s', max_interval: '10s' },
};

export const forwardProxyFilter: HttpFilter = {
  name: 'envoy.filters.http.dynamic_forward_proxy',
  typed_config: {
    '@type': typeUrlOf('envoy.extensions.filters.http.dynamic_forward_proxy.v3.FilterConfig'),
    dns_cache_config: dnsCache,
  },
};

/** How such a cluster finds and chooses hosts: in the place of its type and its load balancing. */
export const forwardProxyDiscovery: Cluster = {
  lb_policy: 'CLUSTER_PROVIDED',
  cluster_type: {
    name: 'envoy.clusters.dynamic_forward_proxy',
    typed_config: {
      '@type': typeUrlOf('envoy.extensions.clusters.dynamic_forward_proxy.v3.ClusterConfig'),
      dns_cache_config: dnsCache,
      // Such a cluster never has TLS, and so no names to ask for and to verify, which Envoy wants to see otherwise.
      allow_insecure_cluster_options: true,
    },
  },
};
