/**
 * Istio's standard metrics as sidecars report them and mixer serves them: names, labels in Istio's order and bucket
 * bounds. Source: istio.io/docs/reference/config/metrics.
 */
import type { Label } from '../common/exposition.ts';

export type StandardMetricName =
  | 'istio_requests_total'
  | 'istio_request_duration_milliseconds'
  | 'istio_request_bytes'
  | 'istio_response_bytes'
  | TcpMetricName;

export type TcpMetricName =
  | 'istio_tcp_connections_opened_total'
  | 'istio_tcp_connections_closed_total'
  | 'istio_tcp_sent_bytes_total'
  | 'istio_tcp_received_bytes_total';

export interface StandardMetric {
  readonly name: StandardMetricName;
  readonly help: string;
  readonly type: 'counter' | 'histogram';
}

export const requestsTotal: StandardMetric = {
  name: 'istio_requests_total',
  help: 'Requests handled by a sidecar.',
  type: 'counter',
};

/** In the order in which a sidecar keeps them. */
export const standardHistograms: readonly StandardMetric[] = [
  {
    name: 'istio_request_duration_milliseconds',
    help: 'Time from the first byte of a request to the last byte of its response.',
    type: 'histogram',
  },
  { name: 'istio_request_bytes', help: 'Size of request bodies.', type: 'histogram' },
  { name: 'istio_response_bytes', help: 'Size of response bodies.', type: 'histogram' },
];

/** Of connections without requests that the proxy knows. */
export const tcpMetrics: readonly (StandardMetric & { readonly name: TcpMetricName; readonly type: 'counter' })[] = [
  { name: 'istio_tcp_connections_opened_total', help: 'Connections opened through a sidecar.', type: 'counter' },
  { name: 'istio_tcp_connections_closed_total', help: 'Connections through a sidecar that ended.', type: 'counter' },
  { name: 'istio_tcp_sent_bytes_total', help: 'Bytes sent to clients of connections.', type: 'counter' },
  { name: 'istio_tcp_received_bytes_total', help: 'Bytes received from clients of connections.', type: 'counter' },
];

export const standardMetrics: readonly StandardMetric[] = [requestsTotal, ...standardHistograms, ...tcpMetrics];

/** Upper bounds of the finite buckets, the same for durations and sizes: Envoy's default histogram buckets. */
export const standardUpperBounds: readonly number[] = [
  0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000, 300_000, 600_000, 1_800_000,
  3_600_000,
];

export const standardLabelNames = [
  'reporter',
  'source_workload',
  'source_canonical_service',
  'source_canonical_revision',
  'source_workload_namespace',
  'source_principal',
  'source_app',
  'source_version',
  'source_cluster',
  'destination_workload',
  'destination_workload_namespace',
  'destination_principal',
  'destination_app',
  'destination_version',
  'destination_service',
  'destination_canonical_service',
  'destination_canonical_revision',
  'destination_service_name',
  'destination_service_namespace',
  'destination_cluster',
  'request_protocol',
  'response_code',
  'grpc_response_status',
  'response_flags',
  'connection_security_policy',
] as const;

export type StandardLabelName = (typeof standardLabelNames)[number];

/** A connection has no response. */
export const tcpLabelNames: readonly StandardLabelName[] = standardLabelNames.filter(
  (name) => name !== 'response_code' && name !== 'grpc_response_status',
);

/** The labels of a standard metric. */
export function labelNamesOf(metricName: string): readonly StandardLabelName[] {
  return tcpMetrics.some(({ name }) => name === metricName) ? tcpLabelNames : standardLabelNames;
}

/** Labels of the series that takes what exceeds a cap: all `overflow`, only the reporter keeps its name. */
export function overflowLabels(
  reporter: string,
  names: readonly StandardLabelName[] = standardLabelNames,
): readonly Label[] {
  return names.map((name) => ({ name, value: name === 'reporter' ? reporter : 'overflow' }));
}
