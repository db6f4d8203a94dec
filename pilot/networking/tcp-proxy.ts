/** The filter that passes the bytes of a connection on, and where it takes them. */
import { isIPv6 } from 'node:net';
import type { ConnectionPoolSettings } from '../../crds/traffic-policy.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { envoy_config_listener_v3_Filter as Filter, TcpProxy } from '../../proxy/api/envoy.gen.ts';
import type { PolicyBlocks } from '../model/destination-rules.ts';
import { protoDurationOf } from './proto-duration.ts';

export interface WeightedCluster {
  readonly name: string;
  /** Relative; > 0. */
  readonly weight: number;
}

export interface TcpProxyPlan {
  /** Whose counters they are: a cluster's name, or the rule's where there are several clusters. */
  readonly statPrefix: string;
  readonly clusters: readonly WeightedCluster[];
  /** Of the first cluster (semantics D10). */
  readonly policy?: PolicyBlocks;
  readonly access_log?: TcpProxy['access_log'];
}

export function buildTcpProxy({ statPrefix, clusters, policy = {}, access_log }: TcpProxyPlan): Filter {
  const [first] = clusters;
  const tcpProxy: TcpProxy = {
    stat_prefix: statPrefix,
    ...(clusters.length === 1
      ? { cluster: first?.name ?? '' }
      : { weighted_clusters: { clusters: clusters.map(({ name, weight }) => ({ name, weight })) } }),
    ...buildTimeouts(policy.connectionPool),
    ...buildTunneling(policy.tunnel),
    ...(policy.loadBalancer?.consistentHash?.useSourceIp === true ? { hash_policy: [{ source_ip: {} }] } : {}),
    ...(access_log === undefined ? {} : { access_log }),
  };
  const typed_config = {
    '@type': typeUrlOf('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy'),
    ...tcpProxy,
  };
  return { name: 'envoy.filters.network.tcp_proxy', typed_config };
}

/** To one cluster, whose name its counters have. */
export function buildPlainTcpProxy(cluster: string, more: Pick<TcpProxyPlan, 'policy' | 'access_log'> = {}): Filter {
  return buildTcpProxy({ statPrefix: cluster, clusters: [{ name: cluster, weight: 1 }], ...more });
}

/** CONNECT unless POST is asked for. */
function buildTunneling(tunnel: PolicyBlocks['tunnel']): Partial<TcpProxy> {
  if (tunnel === undefined) return {};
  const { protocol, targetHost: host, targetPort: port } = tunnel;
  const hostname = isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
  return { tunneling_config: { hostname, ...(protocol === 'POST' ? { use_post: true } : {}) } };
}

/** Where none is set Envoy closes connections that were idle for an hour; 0 means never. */
function buildTimeouts({
  tcp: { idleTimeout, maxConnectionDuration } = {},
}: ConnectionPoolSettings = {}): Partial<TcpProxy> {
  return {
    ...(idleTimeout === undefined ? {} : { idle_timeout: protoDurationOf(idleTimeout) }),
    ...(maxConnectionDuration === undefined
      ? {}
      : { max_downstream_connection_duration: protoDurationOf(maxConnectionDuration) }),
  };
}
