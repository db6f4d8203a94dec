/** Static configuration of one proxy: `envoy.config.bootstrap.v3.Bootstrap` as YAML or JSON. */
import { load, YAMLException } from 'js-yaml';
import { readCluster } from './api/cluster-decoder.ts';
import type { Cluster } from './api/cluster.ts';
import { decodeAddress, type SocketAddress } from './api/address-decoder.ts';
import { requireAds } from './api/config-source-decoder.ts';
import type {
  Admin as AdminJson,
  ApiConfigSource as ApiConfigSourceJson,
  Bootstrap as BootstrapJson,
  Bootstrap_DynamicResources as DynamicResourcesJson,
  OverloadManager as OverloadManagerJson,
  ResourceMonitor as ResourceMonitorJson,
  StatsSink as StatsSinkJson,
} from './api/envoy.gen.ts';
import { decodeFields, type Fields } from './api/fields.ts';
import { readGrpcService } from './api/grpc-service-decoder.ts';
import { readListener } from './api/listener-decoder.ts';
import type { Listener } from './api/listener.ts';
import { decodeNode, type Node } from './api/node.ts';
import { readJson } from './api/protojson.ts';
import { checkBootstrap } from './bootstrap-checks.ts';
import type { Decoded } from './common/decoded.ts';

export interface Bootstrap {
  readonly node: Node;
  /** Undefined: no admin endpoint. */
  readonly admin: { readonly address: string; readonly port: number } | undefined;
  readonly staticListeners: readonly Listener[];
  readonly staticClusters: readonly Cluster[];
  /** `cluster_manager.local_cluster_name`: the static cluster that is the proxy's own service. Undefined: none is. */
  readonly localClusterName: string | undefined;
  /** The ADS stream, when `dynamic_resources.ads_config` is given. */
  readonly ads:
    | { readonly clusterName: string; readonly hasClusterDiscovery: boolean; readonly hasListenerDiscovery: boolean }
    | undefined;
  /** Clusters that take `StreamMetrics`, from `stats_sinks`. */
  readonly metricsServices: readonly { readonly clusterName: string }[];
  /** Of all listeners together; undefined: as many as come, Envoy's default. */
  readonly maxDownstreamConnections?: number | undefined;
  /** Envoy's default is 5,000. */
  readonly statsFlushIntervalMs: number;
}

/** Reads the text of a bootstrap file. `origin` names it in faults of syntax; all other faults come together. */
export function readBootstrap(text: string, origin: string): Decoded<Bootstrap> {
  const parsed = parse(text, origin);
  if (parsed.errors !== undefined) return parsed;
  const json = readJson('envoy.config.bootstrap.v3.Bootstrap', parsed.value);
  return json.errors === undefined ? decodeFields(json.value, '', readFields) : json;
}

/** Every JSON text is YAML too. */
function parse(text: string, origin: string): Decoded<unknown> {
  try {
    return { value: load(text, { filename: origin }) };
  } catch (error) {
    const message = error instanceof YAMLException ? error.toString(true) : String(error);
    return { errors: [{ path: '', message: `must be YAML or JSON: ${message}` }] };
  }
}

function readFields(fields: Fields<BootstrapJson>): Bootstrap {
  const admin = fields.message('admin');
  const resources = fields.message('static_resources');
  const dynamicResources = fields.message('dynamic_resources');
  const bootstrap: Bootstrap = {
    node: readNode(fields),
    admin: admin && readAdmin(admin),
    staticListeners: resources?.list('listeners', readListener) ?? [],
    staticClusters: resources?.list('clusters', readCluster) ?? [],
    localClusterName: fields.message('cluster_manager')?.text('local_cluster_name') || undefined,
    ads: dynamicResources && readDynamicResources(dynamicResources),
    metricsServices: fields.list('stats_sinks', readStatsSink),
    maxDownstreamConnections: readConnectionLimit(fields.message('overload_manager')),
    statsFlushIntervalMs: readFlushInterval(fields),
  };
  fields.report(checkBootstrap(bootstrap));
  return bootstrap;
}

/** A proxy without a mesh needs no node. */
function readNode(fields: Fields<BootstrapJson>): Node {
  const decoded = decodeNode(fields.take('node') ?? {});
  if (decoded.errors === undefined) return decoded.value;
  fields.report(decoded.errors);
  return nobody;
}

const nobody: Node = {
  id: 'unknown',
  cluster: 'unknown',
  metadata: {
    name: 'unknown',
    namespace: 'default',
    service: '',
    workloadName: 'unknown',
    labels: {},
    clusterId: 'Kubernetes',
    address: '',
    appPort: 0,
    inboundPort: 0,
    outboundPort: 0,
  },
};

function readAdmin(fields: Fields<AdminJson>): SocketAddress {
  // The admin endpoint writes no access log, which is what files ask for that name this one.
  fields.only('access_log_path', '/dev/null');
  fields.ignore('profile_path');
  return decodeAddress(fields.required('address'), 0);
}

function readDynamicResources(fields: Fields<DynamicResourcesJson>): Bootstrap['ads'] {
  const clusters = fields.message('cds_config');
  const listeners = fields.message('lds_config');
  if (clusters !== undefined) requireAds(clusters);
  if (listeners !== undefined) requireAds(listeners);
  if (!fields.has('ads_config') && clusters === undefined && listeners === undefined) return undefined;
  return {
    clusterName: readAdsCluster(fields.required('ads_config')),
    hasClusterDiscovery: clusters !== undefined,
    hasListenerDiscovery: listeners !== undefined,
  };
}

function readAdsCluster(fields: Fields<ApiConfigSourceJson>): string {
  if (fields.take('api_type') !== 'GRPC') fields.fail('api_type', 'must be GRPC, the only supported type');
  requireV3(fields);
  // The node always stands in the first request of a stream only.
  fields.ignore('set_node_on_first_message_only');
  const clusterNames = fields.list('grpc_services', readGrpcService);
  if (clusterNames.length !== 1) {
    fields.fail('grpc_services', `must be one gRPC service, got ${clusterNames.length}`);
  }
  return clusterNames[0] ?? '';
}

function requireV3(fields: Fields<Pick<ApiConfigSourceJson, 'transport_api_version'>>): void {
  if (fields.take('transport_api_version') !== 'V3') fields.fail('transport_api_version', 'must be V3');
}

function readStatsSink(fields: Fields<StatsSinkJson>): { clusterName: string } {
  fields.name('name');
  const clusterName = fields.typed('typed_config', {
    'envoy.config.metrics.v3.MetricsServiceConfig': (config) => {
      requireV3(config);
      config.only('report_counters_as_deltas', false);
      // Metrics always carry labels and histograms always buckets.
      config.ignore('emit_tags_as_labels');
      config.choice('histogram_emit_mode', ['SUMMARY_AND_HISTOGRAM', 'HISTOGRAM']);
      return readGrpcService(config.required('grpc_service'));
    },
  });
  return { clusterName: clusterName ?? '' };
}

function readConnectionLimit(fields: Fields<OverloadManagerJson> | undefined): number | undefined {
  if (fields === undefined) return undefined;
  // Connections are counted as they come and go.
  fields.ignore('refresh_interval');
  const limits = fields.list('resource_monitors', readResourceMonitor);
  if (limits.length > 1) fields.fail('resource_monitors', `must be one monitor at most, got ${limits.length}`);
  return limits[0];
}

/** The type decides what is watched, as in Envoy. */
function readResourceMonitor(fields: Fields<ResourceMonitorJson>): number | undefined {
  fields.name('name');
  return fields.typed('typed_config', {
    'envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig': (config) =>
      config.number('max_active_downstream_connections', { defaultValue: 0, min: 1 }),
  });
}

function readFlushInterval(fields: Fields<BootstrapJson>): number {
  const ms = fields.durationMs('stats_flush_interval', 5_000);
  if (ms < 1) fields.fail('stats_flush_interval', 'must be at least 0.001s');
  return ms;
}
