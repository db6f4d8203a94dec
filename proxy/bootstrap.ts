/** Static configuration of one proxy, decoded from `envoy.config.bootstrap.v3.Bootstrap`. */
import type { Cluster } from './api/cluster.ts';
import type { Listener } from './api/listener.ts';
import type { Node } from './api/node.ts';

export interface Bootstrap {
  readonly node: Node;
  /** Undefined: no admin endpoint. */
  readonly admin: { readonly address: string; readonly port: number } | undefined;
  readonly staticListeners: readonly Listener[];
  readonly staticClusters: readonly Cluster[];
  /** The ADS stream, when `dynamic_resources.ads_config` is given. */
  readonly ads:
    | { readonly clusterName: string; readonly hasClusterDiscovery: boolean; readonly hasListenerDiscovery: boolean }
    | undefined;
  /** Clusters that take `StreamMetrics`, from `stats_sinks`. */
  readonly metricsServices: readonly { readonly clusterName: string }[];
  /** Envoy's default is 5,000. */
  readonly statsFlushIntervalMs: number;
}
