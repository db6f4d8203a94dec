/**
 * Who a sidecar is. Istio's metadata keys where Istio has one (NAMESPACE, WORKLOAD_NAME, LABELS, CLUSTER_ID), plus what
 * a workload outside Kubernetes must say itself: SERVICE, ADDRESS and the ports.
 */
export interface Node {
  /** `sidecar~ADDRESS~WORKLOAD.NAMESPACE~NAMESPACE.svc.cluster.local`; a second instance of a workload differs in the workload part. */
  readonly id: string;
  /** Envoy's `node.cluster`: `SERVICE.NAMESPACE`. */
  readonly cluster: string;
  readonly metadata: NodeMetadata;
}

export interface NodeMetadata {
  /** NAME: this instance, unique in its namespace (a pod's name). */
  readonly name: string;
  /** NAMESPACE, default `default`. */
  readonly namespace: string;
  /** SERVICE: short name of the service whose instance this is; empty for a pure client. */
  readonly service: string;
  /** WORKLOAD_NAME: what instances of one version share, for example `reviews-v2` (a deployment's name). */
  readonly workloadName: string;
  /** LABELS: selected by subsets; `app` and `version` feed the telemetry. */
  readonly labels: Readonly<Record<string, string>>;
  /** CLUSTER_ID, default `Kubernetes`. */
  readonly clusterId: string;
  /** ADDRESS: where other sidecars reach this one. */
  readonly address: string;
  /** APP_PORT: where the application listens on loopback; 0 for a pure client. */
  readonly appPort: number;
  /** INBOUND_PORT: the sidecar's inbound listener; 0 = none. */
  readonly inboundPort: number;
  /** OUTBOUND_PORT: the sidecar's outbound listener. */
  readonly outboundPort: number;
}
