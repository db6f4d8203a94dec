/**
 * Clusters of intercepted connections beside those of services: to where a connection was made for, and to nowhere. Names
 * and kinds are Istio's.
 */
import type { Cluster } from '../../proxy/api/envoy.gen.ts';
import type { PushConfig } from '../model/push-context.ts';
import { buildConnectionPool } from './connection-pool.ts';
import { withProtocolOptions } from './protocol-options.ts';

export const passthroughClusterName = 'PassthroughCluster';
export const inboundPassthroughClusterName = 'InboundPassthroughCluster';
export const blackHoleClusterName = 'BlackHoleCluster';

/**
 * From where the sidecar calls its application at an address that is captured: the firewall lets connections from there
 * pass, which would come back for ever otherwise. Istio's addresses. With TPROXY the caller's address comes before them.
 */
const fromPassthroughAddress: Pick<Cluster, 'upstream_bind_config'> = {
  upstream_bind_config: {
    source_address: { address: '127.0.0.6', port_value: 0 },
    extra_source_addresses: [{ address: { address: '::6', port_value: 0 } }],
  },
};

/** How such a cluster finds and chooses hosts: in the place of its type and its load balancing. */
export const originalDestinationDiscovery: Cluster = { type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' };

/** The last in a sidecar's list of clusters, of all sidecars alike: policies change listeners and routes. */
export function buildInterceptionClusters({ meshConfig }: PushConfig): Cluster[] {
  const passthrough = (name: string): Cluster => ({
    name,
    ...originalDestinationDiscovery,
    ...buildConnectionPool({}, undefined, meshConfig),
    ...unknownService(name),
  });
  return [
    // Requests find it too, on ports that others serve: they go on as they came.
    withProtocolOptions(passthrough(passthroughClusterName), { version: 'downstream' }),
    { ...passthrough(inboundPassthroughClusterName), ...fromPassthroughAddress },
    {
      name: blackHoleClusterName,
      type: 'STATIC',
      ...buildConnectionPool({}, undefined, meshConfig),
      load_assignment: { cluster_name: blackHoleClusterName },
    },
  ];
}

/** What telemetry calls the service behind a cluster of undeclared hosts. */
export function unknownService(name: string): Pick<Cluster, 'metadata'> {
  return { metadata: { filter_metadata: { istio: { services: [{ host: name, name, namespace: '' }] } } } };
}
