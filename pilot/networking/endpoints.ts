/** Endpoints: which addresses stand behind an outbound cluster. */
import type {
  ClusterLoadAssignment,
  LbEndpoint,
  Locality as LocalityJson,
  LocalityLbEndpoints,
} from '../../proxy/api/envoy.gen.ts';
import { workloadIdentity } from '../../proxy/api/peer-metadata.ts';
import type { LocatedClient } from '../model/client.ts';
import { policyOf } from '../model/destination-rules.ts';
import { formatLocality, type Locality } from '../model/locality.ts';
import type { PushConfig } from '../model/push-context.ts';
import { connectionPorts, followsRequests, isLookedUp, type ServicePort } from '../model/service.ts';
import { isSelected, targetPortOf, type Labels, type Workload } from '../model/workload.ts';
import { parseOutboundClusterName } from './cluster-name.ts';
import { type EndpointGroup, place, type Placement, placementFor } from './placement.ts';

/** What an assignment depends on besides the service's workloads. */
export interface EndpointSelection {
  readonly clusterName: string;
  readonly hostname: string;
  readonly port: ServicePort;
  /** Of the subset; empty: all workloads. */
  readonly labels: Labels;
  /** Undefined: it is the same wherever its client runs. */
  readonly placement: Placement | undefined;
  /** Where checks of their health go; 0: where requests go. */
  readonly healthCheckPort: number;
}

/** Undefined when the cluster does not exist for this client. */
export function selectEndpoints(
  config: PushConfig,
  clusterName: string,
  client: LocatedClient,
): EndpointSelection | undefined {
  const cluster = parseOutboundClusterName(clusterName);
  const service = cluster && config.services.visibleTo(client.namespace).find(cluster.hostname);
  if (cluster === undefined || service === undefined) return undefined;
  // Others find their hosts by themselves.
  if (isLookedUp(service) || followsRequests(service)) return undefined;
  const port = connectionPorts(service).find(({ number }) => number === cluster.port);
  if (port === undefined) return undefined;
  const rule = config.destinationRules.find(service, client);
  const subset = rule?.subsets.find(({ name }) => name === cluster.subset);
  if (cluster.subset !== '' && subset === undefined) return undefined;
  const placement = placementFor(policyOf(rule, subset, port.number), client, config.meshConfig);
  const healthCheckPort = rule?.healthCheck?.port ?? 0;
  return { clusterName, hostname: service.hostname, port, labels: subset?.labels ?? {}, placement, healthCheckPort };
}

/** gRPC clients want a locality and its weight on every group of endpoints, even when there is one group only. */
export function buildLoadAssignment(
  workloads: readonly Workload[],
  selection: EndpointSelection,
): ClusterLoadAssignment {
  const { clusterName, labels, placement } = selection;
  const selected = workloads.filter((workload) => isSelected(workload.labels, labels));
  if (selected.length === 0) return { cluster_name: clusterName };
  const groups = place(groupByLocality(selected), placement);
  return { cluster_name: clusterName, endpoints: groups.map((group) => buildGroup(group, selection)) };
}

/** Sorted by locality. */
function groupByLocality(workloads: readonly Workload[]): EndpointGroup[] {
  const groups = new Map<string, Workload[]>();
  for (const workload of workloads) {
    const key = formatLocality(workload.locality);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [workload]);
    else group.push(workload);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, members]) => ({
      locality: members[0]?.locality ?? { region: '', zone: '', subZone: '' },
      priority: 0,
      weight: members.reduce((sum, { weight }) => sum + weight, 0),
      workloads: members,
    }));
}

function buildGroup(
  { locality, priority, weight, workloads }: EndpointGroup,
  selection: EndpointSelection,
): LocalityLbEndpoints {
  return {
    locality: buildLocality(locality),
    ...(priority === 0 ? {} : { priority }),
    load_balancing_weight: weight,
    lb_endpoints: workloads.map((workload) => buildEndpoint(workload, selection)),
  };
}

function buildLocality({ region, zone, subZone }: Locality): LocalityJson {
  return {
    ...(region === '' ? {} : { region }),
    ...(zone === '' ? {} : { zone }),
    ...(subZone === '' ? {} : { sub_zone: subZone }),
  };
}

/** The metadata is Istio's: `workload;namespace;canonicalService;canonicalRevision;cluster`, read by the client's telemetry. */
function buildEndpoint(workload: Workload, { port, healthCheckPort }: EndpointSelection): LbEndpoint {
  const { name, namespace, canonicalService, canonicalRevision, clusterId } = workloadIdentity(workload);
  const identity = [name, namespace, canonicalService, canonicalRevision, clusterId].join(';');
  return {
    endpoint: {
      address: { socket_address: { address: workload.address, port_value: targetPortOf(workload, port) } },
      ...(healthCheckPort === 0 ? {} : { health_check_config: { port_value: healthCheckPort } }),
    },
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
