/** Endpoints: which addresses stand behind an outbound cluster. */
import type { ClusterLoadAssignment, LbEndpoint } from '../../proxy/api/envoy.gen.ts';
import { workloadIdentity } from '../../proxy/api/peer-metadata.ts';
import type { PushConfig } from '../model/push-context.ts';
import { httpPorts, type ServicePort } from '../model/service.ts';
import { isSelected, targetPortOf, type Labels, type Workload } from '../model/workload.ts';
import { parseOutboundClusterName } from './cluster-name.ts';

/** What an assignment depends on besides the service's workloads. */
export interface EndpointSelection {
  readonly clusterName: string;
  readonly hostname: string;
  readonly port: ServicePort;
  /** Of the subset; empty: all workloads. */
  readonly labels: Labels;
}

/** Undefined when the cluster does not exist for clients in this namespace. */
export function selectEndpoints(
  config: PushConfig,
  clusterName: string,
  namespace: string,
): EndpointSelection | undefined {
  const cluster = parseOutboundClusterName(clusterName);
  const service = cluster && config.serviceByHostname.get(cluster.hostname);
  if (cluster === undefined || service === undefined) return undefined;
  const port = httpPorts(service).find(({ number }) => number === cluster.port);
  if (port === undefined) return undefined;
  const { hostname } = service;
  if (cluster.subset === '') return { clusterName, hostname, port, labels: {} };
  const rule = config.destinationRules.find(service, namespace);
  const subset = rule?.subsets.find(({ name }) => name === cluster.subset);
  return subset && { clusterName, hostname, port, labels: subset.labels ?? {} };
}

/** gRPC clients want a locality and its weight on every group of endpoints, even when there is one group only. */
export function buildLoadAssignment(
  workloads: readonly Workload[],
  { clusterName, port, labels }: EndpointSelection,
): ClusterLoadAssignment {
  const selected = workloads.filter((workload) => isSelected(workload.labels, labels));
  if (selected.length === 0) return { cluster_name: clusterName };
  const totalWeight = selected.reduce((sum, { weight }) => sum + weight, 0);
  const lb_endpoints = selected.map((workload) => buildEndpoint(workload, port));
  return { cluster_name: clusterName, endpoints: [{ locality: {}, load_balancing_weight: totalWeight, lb_endpoints }] };
}

/** The metadata is Istio's: `workload;namespace;canonicalService;canonicalRevision;cluster`, read by the client's telemetry. */
function buildEndpoint(workload: Workload, port: ServicePort): LbEndpoint {
  const { name, namespace, canonicalService, canonicalRevision, clusterId } = workloadIdentity(workload);
  const identity = [name, namespace, canonicalService, canonicalRevision, clusterId].join(';');
  return {
    endpoint: { address: { socket_address: { address: workload.address, port_value: targetPortOf(workload, port) } } },
    metadata: { filter_metadata: { istio: { workload: identity } } },
    load_balancing_weight: workload.weight,
  };
}

/** An assignment of one address, or of none. */
export function buildAddressAssignment(
  clusterName: string,
  address: { readonly address: string; readonly port: number } | undefined,
): ClusterLoadAssignment {
  if (address === undefined) return { cluster_name: clusterName };
  const socket_address = { address: address.address, port_value: address.port };
  const lb_endpoints = [{ endpoint: { address: { socket_address } } }];
  return { cluster_name: clusterName, endpoints: [{ locality: {}, load_balancing_weight: 1, lb_endpoints }] };
}
