/** Telemetry: what is told about the traffic of workloads. Source: istio/api telemetry/v1alpha1/telemetry.proto. */
import { Type, type Static } from 'typebox';
import * as s from './schema.ts';

const accessLogging = s.message({
  match: s.message({ mode: s.oneOf('CLIENT_AND_SERVER', 'CLIENT', 'SERVER') }),
  providers: s.listOf(s.record({ name: s.string })),
  disabled: s.boolean,
  filter: s.message({ expression: s.string }),
});

const metricNames = [
  'ALL_METRICS',
  'REQUEST_COUNT',
  'REQUEST_DURATION',
  'REQUEST_SIZE',
  'RESPONSE_SIZE',
  'TCP_OPENED_CONNECTIONS',
  'TCP_CLOSED_CONNECTIONS',
  'TCP_SENT_BYTES',
  'TCP_RECEIVED_BYTES',
  'GRPC_REQUEST_MESSAGES',
  'GRPC_RESPONSE_MESSAGES',
] as const;

const metrics = s.message({
  /** `prometheus` is the one that there is. */
  providers: s.listOf(s.record({ name: s.string })),
  overrides: s.listOf(
    s.message({
      match: s.message({
        /** Default ALL_METRICS. */
        metric: s.oneOf(...metricNames),
        customMetric: s.string,
        mode: s.oneOf('CLIENT_AND_SERVER', 'CLIENT', 'SERVER'),
      }),
      disabled: s.boolean,
      /** By label. */
      tagOverrides: s.mapOf(s.message({ operation: s.oneOf('UPSERT', 'REMOVE'), value: s.string })),
    }),
  ),
  reportingInterval: s.duration,
});

/** Known and not in force: what is in them is not looked at. */
const opaque = Type.Object({}, { 'x-kubernetes-preserve-unknown-fields': true });

export const telemetrySchema = Type.Partial(
  Type.Object({
    selector: s.message({ matchLabels: s.stringMap }),
    targetRef: opaque,
    targetRefs: s.listOf(opaque),
    accessLogging: s.listOf(accessLogging),
    metrics: s.listOf(metrics),
    tracing: s.listOf(opaque),
  }),
  {
    additionalProperties: false,
    description: 'What is told about the traffic of workloads: their access logs and metrics.',
  },
);

export type TelemetryMetrics = Static<typeof metrics>;
export type MetricsOverride = NonNullable<TelemetryMetrics['overrides']>[number];
export type AccessLogging = Static<typeof accessLogging>;
export type TelemetrySpec = Static<typeof telemetrySchema>;

/** Labels of the workloads that it is about; none: all of its namespace, or of the mesh for one of the root namespace. */
export function selectorOf({ selector }: TelemetrySpec): Readonly<Record<string, string>> {
  return selector?.matchLabels ?? {};
}

export function isNamespaceWide(spec: TelemetrySpec): boolean {
  return Object.keys(selectorOf(spec)).length === 0;
}
