/** Workload: one instance that serves requests, known by its sidecar's ADS stream or listed by a user. */
import type { NodeMetadata } from '../../proxy/api/node.ts';
import { type Locality, localityOfLabels, withTopologyLabels } from './locality.ts';
import type { ServicePort } from './service.ts';

export type Labels = Readonly<Record<string, string>>;

export interface Workload {
  /** Unique among the workloads of its namespace. */
  readonly name: string;
  readonly namespace: string;
  /** What instances of one version share: `reviews-v2`. */
  readonly workloadName: string;
  /** Short name of the service it says it belongs to; empty when it says none. */
  readonly service: string;
  /** Those of its place among them. */
  readonly labels: Labels;
  readonly locality: Locality;
  readonly clusterId: string;
  /** IP address where others reach it; among the endpoints of a service whose names are looked up also a name. */
  readonly address: string;
  /** Relative to the service's other workloads; >= 1. */
  readonly weight: number;
  readonly ports: WorkloadPorts;
}

export type WorkloadPorts =
  /** All traffic enters through the sidecar's inbound listener, whatever port of the service was meant. */
  | { readonly kind: 'sidecar'; readonly inboundPort: number; readonly appPort: number }
  /** Ports by the names of the service's ports; what is not listed is reached at the service's target port. */
  | { readonly kind: 'direct'; readonly byName: Readonly<Record<string, number>> };

/** The workload of a sidecar; undefined for a pure client, which serves nothing. */
export function workloadOf(metadata: NodeMetadata): Workload | undefined {
  const { name, namespace, workloadName, service, clusterId, address, inboundPort, appPort } = metadata;
  if (inboundPort === 0 || appPort === 0) return undefined;
  const ports = { kind: 'sidecar', inboundPort, appPort } as const;
  return { name, namespace, workloadName, service, ...placeOf(metadata), clusterId, address, weight: 1, ports };
}

/** Where a sidecar runs, and its labels. What it says itself counts more than labels. */
export function placeOf({ locality, labels, clusterId }: NodeMetadata): Pick<Workload, 'locality' | 'labels'> {
  const place = locality ?? localityOfLabels(labels);
  return { locality: place, labels: withTopologyLabels(labels, place, clusterId) };
}

/** The port of a workload that serves `port` of a service. */
export function targetPortOf(workload: Workload, port: ServicePort): number {
  const { ports } = workload;
  return ports.kind === 'sidecar' ? ports.inboundPort : (ports.byName[port.name] ?? port.targetPort);
}

/** Whether `labels` has every entry of `selector`. */
export function isSelected(labels: Labels, selector: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
