/** Workload: one instance that serves requests, known by its sidecar's ADS stream or listed by a user. */
import { interceptionPorts, isIntercepted } from '../../proxy/api/interception.ts';
import type { ApplicationProtocol, NodeMetadata } from '../../proxy/api/node.ts';
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
  /** What its application speaks at its main port, where it says so. */
  readonly protocol?: ApplicationProtocol;
}

export type WorkloadPorts =
  /** All traffic enters through the sidecar's inbound listener, whatever port of the service was meant. */
  | { readonly kind: 'sidecar'; readonly inboundPort: number; readonly appPort: number }
  /** Connections keep the port they were made for: its sidecar takes them on the way. `appPorts`: all; empty: unknown. */
  | { readonly kind: 'intercepted'; readonly inboundPort: number; readonly appPorts: readonly number[] }
  /** Ports by the names of the service's ports; what is not listed is reached at the service's target port. */
  | { readonly kind: 'direct'; readonly byName: Readonly<Record<string, number>> };

/** The workload of a sidecar; undefined for a pure client, which serves nothing. */
export function workloadOf(metadata: NodeMetadata): Workload | undefined {
  const { name, namespace, workloadName, service, clusterId, address, appProtocol } = metadata;
  const ports = portsOf(metadata);
  if (ports === undefined) return undefined;
  const protocol = appProtocol === undefined ? {} : { protocol: appProtocol };
  const identity = { name, namespace, workloadName, service, ...placeOf(metadata), clusterId };
  return { ...identity, address, weight: 1, ports, ...protocol };
}

/** An intercepted workload that lists no ports still serves those of its services, if it is an instance of any. */
function portsOf(metadata: NodeMetadata): WorkloadPorts | undefined {
  const { service, labels, inboundPort, appPort, appPorts = [] } = metadata;
  if (!isIntercepted(metadata)) {
    return inboundPort === 0 || appPort === 0 ? undefined : { kind: 'sidecar', inboundPort, appPort };
  }
  if (service === '' && appPorts.length === 0 && Object.keys(labels).length === 0) return undefined;
  return { kind: 'intercepted', inboundPort: inboundPort || interceptionPorts.inbound, appPorts };
}

/** Where a sidecar runs, and its labels. What it says itself counts more than labels. */
export function placeOf({ locality, labels, clusterId }: NodeMetadata): Pick<Workload, 'locality' | 'labels'> {
  const place = locality ?? localityOfLabels(labels);
  return { locality: place, labels: withTopologyLabels(labels, place, clusterId) };
}

/** The port of a workload that serves `port` of a service. */
export function targetPortOf(workload: Workload, port: ServicePort): number {
  const { ports } = workload;
  switch (ports.kind) {
    case 'sidecar':
      return ports.inboundPort;
    case 'intercepted':
      // An application with one port has nothing else that could be meant.
      return ports.appPorts.length === 1 ? (ports.appPorts[0] ?? port.targetPort) : port.targetPort;
    case 'direct':
      return ports.byName[port.name] ?? port.targetPort;
  }
}

/** Whether `labels` has every entry of `selector`. */
export function isSelected(labels: Labels, selector: Labels): boolean {
  return Object.entries(selector).every(([key, value]) => labels[key] === value);
}
