/** Who stands at either end of a request, in the words of Istio's metric labels. */
import type { ServiceIdentity, WorkloadIdentity } from './cluster.ts';
import type { NodeMetadata } from './node.ts';
import { workloadIdentity, type PeerMetadata } from './peer-metadata.ts';
import { standardLabelNames, type StandardLabelName } from './standard-metrics.ts';
import type { Label } from '../common/exposition.ts';

/** Values by label name; what is missing or empty is `unknown`. */
export type LabelValues = Readonly<Partial<Record<StandardLabelName, string>>> & Readonly<Record<string, string>>;

export const unknownWorkload: PeerMetadata = {
  name: '',
  namespace: '',
  app: '',
  version: '',
  canonicalService: '',
  canonicalRevision: '',
  clusterId: '',
};

export function workloadOfNode(node: NodeMetadata): PeerMetadata {
  return { ...workloadIdentity(node), app: node.labels['app'] ?? '', version: node.labels['version'] ?? '' };
}

/** An endpoint names only its canonical service and revision: they stand for `app` and `version` too. */
export function workloadOfEndpoint(endpoint: WorkloadIdentity | undefined): PeerMetadata {
  if (endpoint === undefined) return unknownWorkload;
  return { ...endpoint, app: endpoint.canonicalService, version: endpoint.canonicalRevision };
}

export function sourceLabels(workload: PeerMetadata): LabelValues {
  return {
    source_workload: workload.name,
    source_canonical_service: workload.canonicalService,
    source_canonical_revision: workload.canonicalRevision,
    source_workload_namespace: workload.namespace,
    source_app: workload.app,
    source_version: workload.version,
    source_cluster: workload.clusterId,
  };
}

export function destinationLabels(workload: PeerMetadata, service: ServiceIdentity | undefined): LabelValues {
  return {
    destination_workload: workload.name,
    destination_workload_namespace: workload.namespace,
    destination_app: workload.app,
    destination_version: workload.version || (service?.version ?? ''),
    destination_service: service?.host ?? '',
    destination_canonical_service: workload.canonicalService,
    destination_canonical_revision: workload.canonicalRevision,
    destination_service_name: service?.name ?? '',
    destination_service_namespace: service?.namespace ?? '',
    destination_cluster: workload.clusterId,
  };
}

/** The service whose instance a node is; undefined for a pure client. */
export function serviceOfNode({ service, namespace }: NodeMetadata): ServiceIdentity | undefined {
  if (service === '') return undefined;
  return { host: `${service}.${namespace}.svc.cluster.local`, name: service, namespace };
}

/**
 * The standard labels of HTTP, or those named, in Istio's order. `grpc_response_status` is empty for requests that are not
 * gRPC.
 */
export function standardLabels(values: LabelValues, names: readonly string[] = standardLabelNames): readonly Label[] {
  return names.map((name) => ({
    name,
    value: values[name] || (name === 'grpc_response_status' ? '' : 'unknown'),
  }));
}
