/** Clusters and endpoints, decoded from `envoy.config.cluster.v3.Cluster` and `…endpoint.v3.ClusterLoadAssignment`. */

export type LbPolicy = 'ROUND_ROBIN' | 'LEAST_REQUEST' | 'RANDOM';

export interface Cluster {
  readonly name: string;
  readonly discovery:
    | { readonly kind: 'static'; readonly assignment: ClusterLoadAssignment }
    /** Endpoints come from EDS under `serviceName`. */
    | { readonly kind: 'eds'; readonly serviceName: string };
  readonly lbPolicy: LbPolicy;
  /** Envoy's default is 5,000. */
  readonly connectTimeoutMs: number;
  /** HTTP version spoken to the endpoints. `http2` is only usable for gRPC services of the bootstrap. */
  readonly protocol: 'http1' | 'http2';
  /** Close an idle upstream connection after this long; 0 = never. Envoy's default is 3,600,000. */
  readonly idleTimeoutMs: number;
  /** The service behind this cluster, from Istio's `metadata.filter_metadata.istio.services[0]`. */
  readonly service: ServiceIdentity | undefined;
}

export interface ServiceIdentity {
  /** Fully qualified: `reviews.default.svc.cluster.local`. */
  readonly host: string;
  /** Short: `reviews`. */
  readonly name: string;
  readonly namespace: string;
}

export interface ClusterLoadAssignment {
  readonly clusterName: string;
  readonly endpoints: readonly Endpoint[];
}

export interface Endpoint {
  readonly address: string;
  readonly port: number;
  /** UNKNOWN and HEALTHY take traffic; UNHEALTHY, DRAINING, TIMEOUT and DEGRADED do not. */
  readonly isHealthy: boolean;
  /** >= 1. */
  readonly weight: number;
  /** Who listens there, from Istio's `metadata.filter_metadata.istio.workload`; undefined outside the mesh. */
  readonly workload: WorkloadIdentity | undefined;
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
