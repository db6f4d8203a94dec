/** What an entry of an access log says in the labels of Istio's metrics, as far as a log says it. */
import type { ServiceIdentity, WorkloadIdentity } from '../../proxy/api/cluster.ts';
import type { LogEntry } from '../../proxy/api/log-entry-decoder.ts';
import type { NodeMetadata } from '../../proxy/api/node.ts';
import { decodePeerMetadata } from '../../proxy/api/peer-metadata.ts';
import { standardLabelNames, tcpLabelNames } from '../../proxy/api/standard-metrics.ts';
import {
  destinationLabels,
  type LabelValues,
  serviceOfNode,
  sourceLabels,
  standardLabels,
  unknownWorkload,
  workloadOfEndpoint,
  workloadOfNode,
} from '../../proxy/api/workload-labels.ts';
import type { Label } from '../../proxy/common/exposition.ts';

export type LogReporter = 'source' | 'destination';

/**
 * On which side of its traffic the listener stands. The name of the cluster tells (`outbound|…`, `inbound|…`), or the tag
 * that pilot gives listeners; a request without a cluster got no further than its client's side. Undefined for a cluster
 * that is not named as Istio names them.
 */
export function reporterOf({ cluster, reporter }: LogEntry): LogReporter | undefined {
  const isNamed = cluster === '' || placeholders.has(cluster) || clusterPattern.test(cluster);
  if (!isNamed) return undefined;
  if (reporter === 'source' || reporter === 'destination') return reporter;
  return /^inbound\||^InboundPassthrough/.test(cluster) ? 'destination' : 'source';
}

const placeholders = new Set([
  'PassthroughCluster',
  'BlackHoleCluster',
  'InboundPassthroughCluster',
  'InboundPassthroughClusterIpv4',
  'InboundPassthroughClusterIpv6',
]);

/** `direction|port|subset|host`; subset and host are empty for the application of a sidecar. */
const clusterPattern = /^(?:inbound|outbound)\|\d{1,5}\|[^|]{0,253}\|([^|]{0,253})$/;

export function labelsOfEntry(entry: LogEntry, reporter: LogReporter, node: NodeMetadata): readonly Label[] {
  const ends = reporter === 'source' ? outboundLabels(entry, node) : inboundLabels(entry, node);
  const values = { ...ends, reporter, response_flags: entry.responseFlags };
  if (entry.isConnection) return standardLabels({ ...values, request_protocol: 'tcp' }, tcpLabelNames);
  const labels = { ...values, request_protocol: 'http', response_code: String(entry.responseCode) };
  return standardLabels(labels, standardLabelNames);
}

function outboundLabels({ cluster, destinationWorkload }: LogEntry, node: NodeMetadata): LabelValues {
  return {
    ...sourceLabels(workloadOfNode(node)),
    ...destinationLabels(workloadOfEndpoint(workloadOf(destinationWorkload)), serviceOfCluster(cluster)),
    connection_security_policy: 'unknown',
  };
}

/** Who sent what came in is known when the header is logged that says it. */
function inboundLabels({ peerMetadata }: LogEntry, node: NodeMetadata): LabelValues {
  const peer = peerMetadata === '' ? undefined : decodePeerMetadata(peerMetadata).value;
  return {
    ...sourceLabels(peer ?? unknownWorkload),
    ...destinationLabels(workloadOfNode(node), serviceOfNode(node)),
    // Of a connection's TLS an entry may say nothing.
    connection_security_policy: 'unknown',
  };
}

/** As endpoints have it in their metadata; undefined for anything else. */
function workloadOf(text: string): WorkloadIdentity | undefined {
  const parts = text.split(';');
  if (parts.length !== 5) return undefined;
  const [name = '', namespace = '', canonicalService = '', canonicalRevision = '', clusterId = ''] = parts;
  return { name, namespace, canonicalService, canonicalRevision, clusterId };
}

function serviceOfCluster(cluster: string): ServiceIdentity | undefined {
  if (placeholders.has(cluster)) return { host: '', name: cluster, namespace: '' };
  const host = clusterPattern.exec(cluster)?.[1] ?? '';
  if (host === '') return undefined;
  const [, name, namespace] = /^([^.]+)\.([^.]+)\.svc\./.exec(host) ?? [];
  return { host, name: name ?? host, namespace: namespace ?? '' };
}
