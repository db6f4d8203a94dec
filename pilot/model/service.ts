/** Service: a name that requests are addressed to, wherever it was declared. */
import { clusterDomain } from '../../crds/host.ts';
import { isHttp, isKnownProtocol } from '../../crds/protocol.ts';
import type { Labels, Workload } from './workload.ts';

export interface Service {
  /** Fully qualified, lower case: `reviews.default.svc.cluster.local`, `api.example.com` or `*.example.com`. */
  readonly hostname: string;
  /** Short: `reviews`; the hostname itself for a host outside the cluster's domain. */
  readonly name: string;
  readonly namespace: string;
  /** The namespaces whose sidecars know it, in the words of a resource's `exportTo`; default all. */
  readonly exportTo?: readonly string[] | undefined;
  readonly ports: readonly ServicePort[];
  /** No sidecar is expected at its endpoints (ServiceEntry `location: MESH_EXTERNAL`). */
  readonly isMeshExternal: boolean;
  /** Selects workloads of the same namespace; undefined or empty selects none. */
  readonly selector: Labels | undefined;
  /** Workloads listed by the service itself (ServiceEntry `endpoints`). */
  readonly endpoints: readonly Workload[];
  /**
   * How its hosts are found; default `STATIC`: workloads of the mesh and `endpoints`. `DNS` and `DNS_ROUND_ROBIN` look up
   * the addresses of `endpoints`; with `NONE` and `DYNAMIC_DNS` a request itself says where it goes.
   */
  readonly resolution?: 'NONE' | 'STATIC' | 'DNS' | 'DNS_ROUND_ROBIN' | 'DYNAMIC_DNS';
}

/** Its endpoints are names that its clients look up: they stand in its clusters. */
export function isLookedUp({ resolution }: Service): boolean {
  return resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN';
}

/** A request itself says where it goes. */
export function followsRequests({ resolution }: Service): boolean {
  return resolution === 'NONE' || resolution === 'DYNAMIC_DNS';
}

export interface ServicePort {
  /** Empty when the only port has no name. */
  readonly name: string;
  readonly number: number;
  readonly protocol: Protocol;
  /** Where a workload without a sidecar listens, unless it says otherwise. */
  readonly targetPort: number;
}

/** `HTTP` stands for everything that is routed by Host and path. */
export type Protocol = 'HTTP' | 'TCP';

/** Istio's rule: `appProtocol`, else the port's name up to the first `-`. Unknown words are HTTP here: nothing else is sniffed. */
export function protocolOf(portName: string, appProtocol = ''): Protocol {
  const word = (appProtocol === '' ? portName.split('-', 1)[0] : appProtocol) ?? '';
  const isOpaque = word !== '' && isKnownProtocol(word) && !isHttp(word);
  return isOpaque ? 'TCP' : 'HTTP';
}

/** Ports that are routed; of several with one number the first counts. */
export function httpPorts(service: Service): readonly ServicePort[] {
  const { ports } = service;
  return ports.filter(
    ({ number, protocol }, i) => protocol === 'HTTP' && ports.findIndex((port) => port.number === number) === i,
  );
}

/** The name that Kubernetes' DNS gives a service. */
export function clusterHostname(name: string, namespace: string): string {
  return `${name}.${namespace}.svc.${clusterDomain}`.toLowerCase();
}
