/** Service: a name that requests are addressed to, wherever it was declared. */
import { clusterDomain } from '../../crds/host.ts';
import { isHttp, isHttp2, isKnownProtocol, isTls, isUdp } from '../../crds/protocol.ts';
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
  /** IP addresses and CIDR blocks that it is reached at; undefined: none yet, empty: none on purpose (`clusterIP: None`). */
  readonly addresses?: readonly string[] | undefined;
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

/**
 * Its clients may find its workloads at their own addresses: none was declared that stands for all of them. Names that are
 * looked up, and requests that say where they go, lead to addresses that nobody here knows.
 */
export function isReachedAtWorkloads(service: Service): boolean {
  const { addresses = [] } = service;
  return addresses.length === 0 && !isLookedUp(service) && !followsRequests(service);
}

/** It has no address on purpose: its name stands for all addresses of its workloads. */
export function isHeadless(service: Service): boolean {
  return service.addresses !== undefined && isReachedAtWorkloads(service);
}

/** Ports that clients reach at the addresses of single workloads. Requests name their service themselves. */
export function workloadPorts(service: Service): readonly ServicePort[] {
  if (!isReachedAtWorkloads(service)) return [];
  return connectionPorts(service).filter((port) => interceptedProtocol(port) !== 'HTTP');
}

export interface ServicePort {
  /** Empty when the only port has no name. */
  readonly name: string;
  readonly number: number;
  readonly protocol: Protocol;
  /** Where a workload without a sidecar listens, unless it says otherwise. */
  readonly targetPort: number;
  /** Nobody declared the port but its workloads, by being there: which version of HTTP they speak is not known. */
  readonly isImplicit?: true;
}

/**
 * `HTTP` and `HTTP2` stand for everything that is routed by Host and path, `TLS` for what names its host in plain text at
 * most. `UNSUPPORTED` is Istio's word for what nobody declared: the first bytes of a connection tell.
 */
export type Protocol = 'HTTP' | 'HTTP2' | 'TLS' | 'TCP' | 'UDP' | 'UNSUPPORTED';

/** Names that Kubernetes has for `appProtocol`, and no port can be called by. */
const kubernetesProtocols: Readonly<Record<string, Protocol>> = {
  'kubernetes.io/h2c': 'HTTP2',
  'kubernetes.io/ws': 'HTTP',
  'kubernetes.io/wss': 'TLS',
};

/** Istio's rule: `appProtocol`, else the port's name, up to the first `-`. */
export function protocolOf(portName: string, appProtocol = ''): Protocol {
  const known = kubernetesProtocols[appProtocol];
  if (known !== undefined) return known;
  const name = appProtocol === '' ? portName : appProtocol;
  const word = /^grpc-web/i.test(name) ? 'grpc-web' : (name.split('-', 1)[0] ?? '');
  if (word === '' || !isKnownProtocol(word)) return 'UNSUPPORTED';
  if (isHttp2(word)) return 'HTTP2';
  if (isHttp(word)) return 'HTTP';
  if (isTls(word)) return 'TLS';
  return isUdp(word) ? 'UDP' : 'TCP';
}

/** SMTP, DNS, MySQL and MongoDB: their servers speak first, or their clients wait for no one to look. Istio's list. */
const neverSniffed: ReadonlySet<number> = new Set([25, 53, 3306, 27_017]);

/** How connections to a port are handled where they are intercepted. What is not declared is sniffed, with exceptions. */
export function interceptedProtocol({ protocol, number }: ServicePort): 'HTTP' | 'TLS' | 'TCP' | 'UNSUPPORTED' {
  switch (protocol) {
    case 'HTTP':
    case 'HTTP2':
      return 'HTTP';
    case 'TLS':
      return 'TLS';
    case 'UNSUPPORTED':
      return neverSniffed.has(number) ? 'TCP' : 'UNSUPPORTED';
    default:
      return 'TCP';
  }
}

/** A version of HTTP; `downstream` is the one that a request comes in. */
export type HttpVersion = 'http1' | 'http2' | 'downstream';

/** What is spoken with the workloads of a port, as far as it carries HTTP: what nobody declared is passed on as it comes. */
export function httpVersionOf({ protocol, isImplicit }: Pick<ServicePort, 'protocol' | 'isImplicit'>): HttpVersion {
  if (protocol === 'HTTP2') return 'http2';
  return protocol === 'UNSUPPORTED' || isImplicit === true ? 'downstream' : 'http1';
}

/** Ports that carry connections; of several with one number the first counts. */
export function connectionPorts({ ports }: Service): readonly ServicePort[] {
  return ports.filter(
    ({ number, protocol }, i) => protocol !== 'UDP' && ports.findIndex((port) => port.number === number) === i,
  );
}

/** Ports that are routed by Host where requests are addressed to a sidecar: what nobody declared is HTTP there. */
export function httpPorts(service: Service): readonly ServicePort[] {
  return connectionPorts(service).filter(({ protocol }) => protocol !== 'TCP' && protocol !== 'TLS');
}

/** The name that Kubernetes' DNS gives a service. */
export function clusterHostname(name: string, namespace: string): string {
  return `${name}.${namespace}.svc.${clusterDomain}`.toLowerCase();
}
