import type { Decoded } from '../common/decoded.ts';
import type { Locality as LocalityJson, Node as NodeJson } from './envoy.gen.ts';
import { fieldPath } from './field-path.ts';
import { type DnsCapture, encodeDnsCapture } from './dns-capture.ts';
import { encodeInterception, type Interception } from './interception.ts';
import { MetadataReader } from './node-metadata-reader.ts';

/**
 * Who a sidecar is. Istio's metadata keys where Istio has one (NAMESPACE, WORKLOAD_NAME, LABELS, CLUSTER_ID,
 * INTERCEPTION_MODE, DNS_CAPTURE, PROXY_CONFIG), plus what a workload outside Kubernetes must say itself: SERVICE, ADDRESS and the ports.
 */
export interface Node {
  /** `TYPE~ADDRESS~WORKLOAD.NAMESPACE~NAMESPACE.svc.cluster.local`; a second instance of a workload differs in the workload part. */
  readonly id: string;
  /** Envoy's `node.cluster`: `SERVICE.NAMESPACE`. */
  readonly cluster: string;
  readonly metadata: NodeMetadata;
}

/** `router`: it stands alone at the edge of the mesh, as a gateway. */
export type NodeType = 'sidecar' | 'router';

export const applicationProtocols = ['http', 'http2', 'grpc'] as const;

/** As ports of services are called. */
export type ApplicationProtocol = (typeof applicationProtocols)[number];

export interface NodeMetadata extends Interception, DnsCapture {
  /** On the wire the first part of the node's id, as in Istio; default `sidecar`. */
  readonly type?: NodeType | undefined;
  /** GATEWAY_PORT_OFFSET: added to the ports of Gateways, for who may not listen below 1024; default 0. */
  readonly portOffset?: number | undefined;
  /** PROXY_CONFIG.gatewayTopology.numTrustedProxies: how many trusted proxies stand in front of a gateway; default 0. */
  readonly trustedProxies?: number | undefined;
  /** It is a real Envoy, which lists its extensions; default: a proxy of Heddle's, which does not. */
  readonly isEnvoy?: true;
  /** NAME: this instance, unique in its namespace (a pod's name). */
  readonly name: string;
  /** NAMESPACE, default `default`. */
  readonly namespace: string;
  /** SERVICE: short name of the service whose instance this is; empty for a pure client. */
  readonly service: string;
  /** WORKLOAD_NAME: what instances of one version share, for example `reviews-v2` (a deployment's name). */
  readonly workloadName: string;
  /** LABELS: selected by subsets; `app` and `version` feed the telemetry. */
  readonly labels: Readonly<Record<string, string>>;
  /** CLUSTER_ID, default `Kubernetes`. */
  readonly clusterId: string;
  /** ADDRESS: where other sidecars reach this one. */
  readonly address: string;
  /** APP_PORT: where the application listens on loopback; 0 for a pure client. */
  readonly appPort: number;
  /** APP_PROTOCOL: what it speaks there; undefined: what its services say, or else whatever its clients speak. */
  readonly appProtocol?: ApplicationProtocol | undefined;
  /** INBOUND_PORT: the sidecar's inbound listener; 0 = none. */
  readonly inboundPort: number;
  /** OUTBOUND_PORT: the sidecar's outbound listener. */
  readonly outboundPort: number;
  /** Where it runs. On the wire beside the metadata, as Envoy's `node.locality`; undefined when nobody said. */
  readonly locality?: NodeLocality | undefined;
  /**
   * PROXY_CONFIG.readinessProbe: announces that this sidecar reports the health of its application. Others are sent to it
   * from its first healthy report on. Undefined: it reports nothing and is ready when it has its listeners.
   */
  readonly readinessProbe?: ReadinessProbe | undefined;
}

/** `envoy.config.core.v3.Locality`; what is not said is empty. */
export interface NodeLocality {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

/** Of Istio's ProxyConfig. Its other forms are for other agents than Heddle's proxy. */
export interface ReadinessProbe {
  /** `tcpSocket.port`: ready when somebody accepts connections at this loopback port; undefined for any other form. */
  readonly tcpPort: number | undefined;
}

/** The wire form. Sets `user_agent_name` to `heddle`. */
export function encodeNode(node: Node): NodeJson {
  const { metadata } = node;
  return {
    id: node.id,
    cluster: node.cluster,
    user_agent_name: 'heddle',
    ...encodeLocality(metadata.locality),
    metadata: {
      NAME: metadata.name,
      NAMESPACE: metadata.namespace,
      SERVICE: metadata.service,
      WORKLOAD_NAME: metadata.workloadName,
      LABELS: { ...metadata.labels },
      CLUSTER_ID: metadata.clusterId,
      ADDRESS: metadata.address,
      APP_PORT: metadata.appPort,
      ...(metadata.appProtocol === undefined ? {} : { APP_PROTOCOL: metadata.appProtocol }),
      INBOUND_PORT: metadata.inboundPort,
      OUTBOUND_PORT: metadata.outboundPort,
      ...(metadata.portOffset ? { GATEWAY_PORT_OFFSET: metadata.portOffset } : {}),
      ...encodeInterception(metadata),
      ...encodeDnsCapture(metadata),
      ...encodeProxyConfig(metadata),
    },
  };
}

/**
 * What is not said gets a default: `unknown` for names, an address of none, ports 0. So a proxy without a mesh, or a
 * gRPC client, is a node too. Metadata that Heddle does not know is left to others, as Envoy does.
 */
export function decodeNode(json: NodeJson, path = 'node'): Decoded<Node> {
  const metadata = new MetadataReader(json.metadata ?? {}, fieldPath(path, 'metadata'));
  const node: Node = {
    id: json.id || unknown,
    cluster: json.cluster || unknown,
    metadata: {
      name: metadata.text('NAME', json.id || unknown),
      namespace: metadata.text('NAMESPACE', 'default'),
      service: metadata.text('SERVICE', ''),
      workloadName: metadata.text('WORKLOAD_NAME', unknown),
      labels: metadata.labels(),
      clusterId: metadata.text('CLUSTER_ID', 'Kubernetes'),
      address: metadata.text('ADDRESS', ''),
      appPort: metadata.port('APP_PORT'),
      ...appProtocolOf(metadata),
      inboundPort: metadata.port('INBOUND_PORT'),
      outboundPort: metadata.port('OUTBOUND_PORT'),
      ...(isEnvoy(json) ? { isEnvoy: true } : {}),
      ...gatewayMetadataOf(json, metadata),
      ...metadata.interception(),
      ...metadata.dnsCapture(),
      locality: decodeLocality(json.locality),
      readinessProbe: metadata.readinessProbe(),
    },
  };
  return metadata.errors.length > 0 ? { errors: metadata.errors } : { value: node };
}

function appProtocolOf(metadata: MetadataReader): Pick<NodeMetadata, 'appProtocol'> {
  const appProtocol = metadata.choice('APP_PROTOCOL', applicationProtocols);
  return appProtocol === undefined ? {} : { appProtocol };
}

function gatewayMetadataOf({ id = '' }: NodeJson, metadata: MetadataReader): Partial<NodeMetadata> {
  if (!id.startsWith('router~')) return {};
  const portOffset = metadata.port('GATEWAY_PORT_OFFSET');
  return { type: 'router', portOffset, trustedProxies: metadata.trustedProxies() };
}

/** The id of a node, as Istio writes it. */
export function nodeIdOf({ type = 'sidecar', address, name, namespace }: NodeMetadata): string {
  return `${type}~${address}~${name}.${namespace}~${namespace}.svc.cluster.local`;
}

export function isGateway({ type }: Pick<NodeMetadata, 'type'>): boolean {
  return type === 'router';
}

const unknown = 'unknown';

function encodeLocality(locality: NodeLocality | undefined): { locality?: LocalityJson } {
  if (locality === undefined) return {};
  const { region, zone, subZone } = locality;
  return { locality: { region, zone, sub_zone: subZone } };
}

/** An empty one says nothing. */
function decodeLocality({ region = '', zone = '', sub_zone: subZone = '' }: LocalityJson = {}):
  | NodeLocality
  | undefined {
  return region + zone + subZone === '' ? undefined : { region, zone, subZone };
}

function encodeProxyConfig({ readinessProbe, trustedProxies = 0 }: NodeMetadata): { PROXY_CONFIG?: object } {
  if (trustedProxies > 0) return { PROXY_CONFIG: { gatewayTopology: { numTrustedProxies: trustedProxies } } };
  if (readinessProbe === undefined) return {};
  const { tcpPort } = readinessProbe;
  return { PROXY_CONFIG: { readinessProbe: tcpPort === undefined ? {} : { tcpSocket: { port: tcpPort } } } };
}

/** Whoever writes a bootstrap may give it any name; what it lists of itself is its own. */
function isEnvoy({ user_agent_name, extensions = [] }: NodeJson): boolean {
  return user_agent_name === 'envoy' || extensions.length > 0;
}
