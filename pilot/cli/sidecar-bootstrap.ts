/**
 * The Envoy bootstrap of a sidecar that takes everything else from pilot. A real Envoy can start from it, but reports no
 * health: without PROXY_CONFIG in its metadata it is in rotation as soon as it has its listeners.
 */
import { isIP, isIPv6 } from 'node:net';
import type { Admin, Bootstrap, Cluster, ConfigSource, OverloadManager, StatsSink } from '../../proxy/api/envoy.gen.ts';
import type { DnsCapture } from '../../proxy/api/dns-capture.ts';
import { type Interception, isIntercepted } from '../../proxy/api/interception.ts';
import { localClusterName } from '../../proxy/api/local-cluster.ts';
import {
  type ApplicationProtocol,
  encodeNode,
  nodeIdOf,
  type Node,
  type NodeLocality,
  type NodeMetadata,
} from '../../proxy/api/node.ts';
import { buildLocalCluster } from '../networking/local-cluster.ts';
import type { HostPort } from './option-parsers.ts';
import { buildPilotTransportSocket } from './pilot-tls.ts';

export interface SidecarIdentity {
  readonly service: string;
  readonly namespace: string;
  readonly version: string | undefined;
  readonly labels: Readonly<Record<string, string>>;
  readonly locality?: NodeLocality | undefined;
  /** Of this very instance, unique in its namespace; default: made of the workload's and `instance`. */
  readonly name?: string | undefined;
  /** Tells the processes of one workload apart. */
  readonly instance: string;
  /** Where other sidecars reach this one: an IP address. */
  readonly address: string;
}

export interface SidecarPorts {
  /** Where the application listens on loopback; undefined for a pure client, which has no inbound listener either. */
  readonly app: number | undefined;
  readonly inbound: number | undefined;
  readonly outbound: number;
  readonly admin: number;
}

/** Of a proxy that stands alone at the edge of the mesh. */
export interface GatewayOptions {
  /** Added to the ports of Gateways. */
  readonly portOffset: number;
  /** In front of it. */
  readonly trustedProxies: number;
}

export interface SidecarPlan {
  readonly identity: SidecarIdentity;
  readonly ports: SidecarPorts;
  /** What the application speaks; default: it does not say. */
  readonly protocol?: ApplicationProtocol | undefined;
  /** Default: connections are addressed to the sidecar. */
  readonly interception?: Interception | undefined;
  /** Default: DNS is left alone. */
  readonly dns?: DnsCapture | undefined;
  /** Default: it is a sidecar. */
  readonly gateway?: GatewayOptions | undefined;
  /** Pilot's xDS server: an IP address, or a name that is looked up for as long as the sidecar runs. */
  readonly pilot: HostPort;
  /** An absolute path; default: pilot is spoken to in plain text. */
  readonly pilotTlsDir?: string | undefined;
}

const ads: ConfigSource = { ads: {}, resource_api_version: 'V3' };

export function buildSidecarBootstrap(plan: SidecarPlan): Bootstrap {
  const { ports } = plan;
  return {
    node: encodeNode(describeNode(plan)),
    admin: buildAdmin(ports.admin),
    static_resources: { clusters: [buildXdsCluster(plan), buildMixerCluster(), buildLocalCluster()] },
    cluster_manager: { local_cluster_name: localClusterName },
    dynamic_resources: {
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds_cluster' } }],
      },
      cds_config: ads,
      lds_config: ads,
    },
    stats_sinks: [buildMetricsSink()],
    stats_flush_interval: '1s',
    ...(plan.gateway === undefined ? {} : { overload_manager: connectionLimit }),
  };
}

/** What Envoy's documentation advises for proxies that strangers reach (`best_practices/edge`). */
const maxEdgeConnections = 50_000;

const connectionLimit: OverloadManager = {
  resource_monitors: [
    {
      name: 'envoy.resource_monitors.global_downstream_max_connections',
      typed_config: {
        '@type':
          'type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
        max_active_downstream_connections: maxEdgeConnections,
      },
    },
  ],
};

function describeNode({ identity, ports, protocol, interception = {}, dns = {}, gateway }: SidecarPlan): Node {
  const { service, namespace, version, address } = identity;
  const workloadName = version === undefined ? service : `${service}-${version}`;
  const metadata: NodeMetadata = {
    ...(gateway === undefined ? {} : ({ type: 'router', ...gateway } as const)),
    name: identity.name ?? `${workloadName}-${identity.instance}`,
    namespace,
    // One whose connections are intercepted may serve the ports that its services name.
    service: ports.app === undefined && !isIntercepted(interception) ? '' : service,
    workloadName,
    labels: { app: service, ...(version === undefined ? {} : { version }), ...identity.labels },
    locality: identity.locality,
    clusterId: 'Kubernetes',
    address,
    appPort: ports.app ?? 0,
    appProtocol: protocol,
    inboundPort: ports.inbound ?? 0,
    outboundPort: ports.outbound,
    ...interception,
    ...dns,
    readinessProbe: ports.app === undefined ? undefined : { tcpPort: ports.app },
  };
  return { id: nodeIdOf(metadata), cluster: `${service}.${namespace}`, metadata };
}

/** Admin has no authentication: loopback only. */
function buildAdmin(port: number): Admin {
  return { address: { socket_address: { address: '127.0.0.1', port_value: port } } };
}

function buildXdsCluster({ pilot: { host, port }, pilotTlsDir }: SidecarPlan): Cluster {
  return {
    ...grpcCluster('xds_cluster'),
    ...(isIP(host) === 0 ? { type: 'STRICT_DNS', dns_lookup_family: 'V4_PREFERRED' } : { type: 'STATIC' }),
    ...(pilotTlsDir === undefined ? {} : { transport_socket: buildPilotTransportSocket(pilotTlsDir, host) }),
    load_assignment: {
      cluster_name: 'xds_cluster',
      endpoints: [
        { lb_endpoints: [{ endpoint: { address: { socket_address: { address: host, port_value: port } } } }] },
      ],
    },
  };
}

/** Where the mixer listens is pilot's knowledge: it answers EDS for this name. */
function buildMixerCluster(): Cluster {
  return { ...grpcCluster('mixer'), type: 'EDS', eds_cluster_config: { eds_config: ads } };
}

function grpcCluster(name: string): Cluster {
  return {
    name,
    connect_timeout: '1s',
    typed_extension_protocol_options: {
      'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
        '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
        explicit_http_config: { http2_protocol_options: {} },
      },
    },
  };
}

function buildMetricsSink(): StatsSink {
  return {
    name: 'envoy.stat_sinks.metrics_service',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.config.metrics.v3.MetricsServiceConfig',
      grpc_service: { envoy_grpc: { cluster_name: 'mixer' } },
      transport_api_version: 'V3',
    },
  };
}

/** `host:port` as it stands in a URL. */
export function formatHostPort({ host, port }: HostPort): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}
