/**
 * Istio's `x-envoy-peer-metadata`: how a sidecar tells the other side of a request who it is. The value is the base64 of
 * a google.protobuf.Struct with the keys NAME, NAMESPACE, WORKLOAD_NAME, CLUSTER_ID and LABELS. Source: istio/istio
 * `pilot/pkg/bootstrap` node metadata and istio/proxy `extensions/common/metadata_object.cc`.
 */
import type { Decoded } from '../common/decoded.ts';
import type { WorkloadIdentity } from './cluster.ts';
import type { NodeMetadata } from './node.ts';
import { decode, encode } from './protojson.ts';

/** Names of the header fields; the second carries the node id in Istio and only says that metadata was exchanged here. */
export const peerMetadataHeader = 'x-envoy-peer-metadata';
export const peerMetadataIdHeader = 'x-envoy-peer-metadata-id';

/** The other side of a request. What it did not say is `unknown`, as Istio's telemetry writes it. */
export interface PeerMetadata extends WorkloadIdentity {
  /** Labels `app` and `version`. */
  readonly app: string;
  readonly version: string;
}

const canonicalNameLabel = 'service.istio.io/canonical-name';
const canonicalRevisionLabel = 'service.istio.io/canonical-revision';
const unknown = 'unknown';

/** Far above what Istio sends; a header may be no longer than the head anyway. */
const maxTextLength = 16_384;

/** Canonical service and revision as Istio derives them from labels: `pkg/kube/labels/labels.go`. */
export function workloadIdentity(
  metadata: Pick<NodeMetadata, 'labels' | 'workloadName' | 'namespace' | 'clusterId'>,
): WorkloadIdentity {
  const { labels, workloadName } = metadata;
  return {
    name: workloadName,
    namespace: metadata.namespace,
    canonicalService: labels[canonicalNameLabel] || labels['app.kubernetes.io/name'] || labels['app'] || workloadName,
    canonicalRevision:
      labels[canonicalRevisionLabel] || labels['app.kubernetes.io/version'] || labels['version'] || 'latest',
    clusterId: metadata.clusterId,
  };
}

/** The header value. Only those labels are sent that telemetry asks for. */
export function encodePeerMetadata(metadata: NodeMetadata): string {
  const identity = workloadIdentity(metadata);
  const { app, version } = { app: metadata.labels['app'], version: metadata.labels['version'] };
  const struct = encode('google.protobuf.Struct', {
    NAME: metadata.name,
    NAMESPACE: identity.namespace,
    WORKLOAD_NAME: identity.name,
    CLUSTER_ID: identity.clusterId,
    LABELS: {
      [canonicalNameLabel]: identity.canonicalService,
      [canonicalRevisionLabel]: identity.canonicalRevision,
      ...(app === undefined ? {} : { app }),
      ...(version === undefined ? {} : { version }),
    },
  });
  return Buffer.from(struct).toString('base64');
}

/** Reads a header value that anybody may have written. */
export function decodePeerMetadata(text: string): Decoded<PeerMetadata> {
  if (text.length > maxTextLength) return fault(`must have at most ${maxTextLength} characters, got ${text.length}`);
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(text)) return fault('must be base64');
  const decoded = decode('google.protobuf.Struct', Buffer.from(text, 'base64'));
  if (decoded.errors !== undefined) return decoded;
  const struct = decoded.value;
  const labels = struct['LABELS'];
  const label = (name: string): string => textOf(labels, name);
  return {
    value: {
      name: textOf(struct, 'WORKLOAD_NAME'),
      namespace: textOf(struct, 'NAMESPACE'),
      canonicalService: label(canonicalNameLabel),
      canonicalRevision: label(canonicalRevisionLabel),
      clusterId: textOf(struct, 'CLUSTER_ID'),
      app: label('app'),
      version: label('version'),
    },
  };
}

function textOf(struct: unknown, key: string): string {
  if (typeof struct !== 'object' || struct === null || !Object.hasOwn(struct, key)) return unknown;
  const value = (struct as Record<string, unknown>)[key];
  return typeof value === 'string' && value !== '' ? value : unknown;
}

function fault(message: string): Decoded<never> {
  return { errors: [{ path: peerMetadataHeader, message }] };
}
