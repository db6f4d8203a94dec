/** Clusters and endpoints, decoded from `envoy.config.cluster.v3.Cluster` and `…endpoint.v3.ClusterLoadAssignment`. */

import type { CircuitBreakers, ConnectionLifetime, TcpKeepalive } from './circuit-breakers.ts';
import type { DnsCacheConfig, DnsPolicy } from './dns.ts';
import type { HealthCheck } from './health-check.ts';
import type { Http2Options } from './http2-options.ts';
import type { OutlierDetection } from './outlier-detection.ts';
import type { LbPolicy, LoadBalancing } from './load-balancing.ts';
import type { SourceAddresses } from './source-addresses.ts';
import type { UpstreamTls } from './tls.ts';

export interface Cluster extends ConnectionLifetime {
  readonly name: string;
  readonly discovery:
    | { readonly kind: 'static'; readonly assignment: ClusterLoadAssignment }
    /** Endpoints come from EDS under `serviceName`. */
    | { readonly kind: 'eds'; readonly serviceName: string }
    /** Endpoints may be names, which are looked up; `isLogical` takes one address at a time (LOGICAL_DNS, else STRICT_DNS). */
    | {
        readonly kind: 'dns';
        readonly isLogical: boolean;
        readonly assignment: ClusterLoadAssignment;
        readonly policy: DnsPolicy;
      }
    /**
     * Each connection goes where it was meant to go before it was redirected, at `port` instead of its own when that is set;
     * a host that nobody used for `cleanupIntervalMs` is forgotten.
     */
    | { readonly kind: 'original_dst'; readonly port: number | undefined; readonly cleanupIntervalMs: number }
    /** Each request goes to the host that its authority names; `lbPolicy` has no say. */
    | { readonly kind: 'dynamic_forward_proxy'; readonly cache: DnsCacheConfig };
  readonly lbPolicy: LbPolicy;
  readonly loadBalancing: LoadBalancing;
  /** Envoy's default is 5,000. */
  readonly connectTimeoutMs: number;
  /** What endpoints are spoken to in; `downstream`: the version that a request came in, HTTP/1.1 for what is no request. */
  readonly protocol: 'http1' | 'http2' | 'downstream';
  /** In force where endpoints are spoken to in HTTP/2. */
  readonly http2: Http2Options;
  /** Undefined: endpoints are spoken to in plain text. */
  readonly tls: UpstreamTls | undefined;
  /**
   * Connections begin with a header of this version that names the downstream's address, before TLS too; undefined: they do
   * not (haproxy.org/download/2.9/doc/proxy-protocol.txt).
   */
  readonly proxyProtocol: ProxyProtocolVersion | undefined;
  /** Where connections to endpoints come from; undefined: the system chooses. */
  readonly sourceAddresses: SourceAddresses | undefined;
  readonly circuitBreakers: CircuitBreakers;
  /** Undefined: hosts are never ejected. */
  readonly outlierDetection: OutlierDetection | undefined;
  /** Undefined: nobody asks hosts how they are. */
  readonly healthCheck: HealthCheck | undefined;
  /** Undefined: connections send no probes. */
  readonly tcpKeepalive: TcpKeepalive | undefined;
  /** The service behind this cluster, from Istio's `metadata.filter_metadata.istio.services[0]`. */
  readonly service: ServiceIdentity | undefined;
}

/** `V1` is text, `V2` binary. */
export type ProxyProtocolVersion = 'V1' | 'V2';

export interface ServiceIdentity {
  /** Fully qualified: `reviews.default.svc.cluster.local`. */
  readonly host: string;
  /** Short: `reviews`. */
  readonly name: string;
  readonly namespace: string;
  /** Of the workloads of a subset, where a cluster is one's: what reaches none of them counts for it. */
  readonly version?: string;
}

export interface ClusterLoadAssignment {
  readonly clusterName: string;
  /** Each address once. */
  readonly endpoints: readonly Endpoint[];
  /** A priority takes its whole load while healthy hosts × this / 100 cover all its hosts; Envoy's default is 140. */
  readonly overprovisioningFactor: number;
}

/** Where something runs; what is not said is empty. */
export interface Place {
  readonly region: string;
  readonly zone: string;
  readonly subZone: string;
}

/** A group of endpoints in one place. */
export interface Locality extends Place {
  /** Share among the localities of its priority, for clusters that weight them; 0 = none was given. */
  readonly weight: number;
}

export interface Endpoint {
  /** An IP address; in the configuration of a cluster that looks names up also a name. */
  readonly address: string;
  readonly port: number;
  /** UNKNOWN and HEALTHY take traffic; UNHEALTHY, DRAINING, TIMEOUT and DEGRADED do not. */
  readonly isHealthy: boolean;
  /** Undefined: checks go where requests go, under the name that the check has. */
  readonly healthCheck: EndpointHealthCheck | undefined;
  /** >= 1. */
  readonly weight: number;
  /** 0 is used first; higher numbers as health requires. */
  readonly priority: number;
  /** The same object for all endpoints of one locality and priority. */
  readonly locality: Locality;
  /** Who listens there, from Istio's `metadata.filter_metadata.istio.workload`; undefined outside the mesh. */
  readonly workload: WorkloadIdentity | undefined;
}

/** What an endpoint has to say about checks of its health. */
export interface EndpointHealthCheck {
  /** 0: the endpoint's own. */
  readonly port: number;
  /** Host header of HTTP checks; empty: the check's. */
  readonly hostname: string;
  /** Not checked, and so healthy. */
  readonly isDisabled: boolean;
}

/** Istio writes it on endpoints as `workload;namespace;canonicalService;canonicalRevision;cluster`. */
export interface WorkloadIdentity {
  readonly name: string;
  readonly namespace: string;
  readonly canonicalService: string;
  readonly canonicalRevision: string;
  /** Cluster id of the mesh the workload runs in, for example `Kubernetes`. */
  readonly clusterId: string;
}
