/** Telemetry: what is told about the traffic of workloads. Source: istio/api telemetry/v1alpha1/telemetry.proto. */
import { Type, type Static } from 'typebox';
import * as s from './schema.ts';

const accessLogging = s.message({
  match: s.message({ mode: s.oneOf('CLIENT_AND_SERVER', 'CLIENT', 'SERVER') }),
  providers: s.listOf(s.record({ name: s.string })),
  disabled: s.boolean,
  filter: s.message({ expression: s.string }),
});

/** Known and not in force: what is in them is not looked at. */
const opaque = Type.Object({}, { 'x-kubernetes-preserve-unknown-fields': true });

export const telemetrySchema = Type.Partial(
  Type.Object({
    selector: s.message({ matchLabels: s.stringMap }),
    targetRef: opaque,
    targetRefs: s.listOf(opaque),
    accessLogging: s.listOf(accessLogging),
    metrics: s.listOf(opaque),
    tracing: s.listOf(opaque),
  }),
  { additionalProperties: false, description: 'What is told about the traffic of workloads: their access logs.' },
);

export type AccessLogging = Static<typeof accessLogging>;
export type TelemetrySpec = Static<typeof telemetrySchema>;

/** Labels of the workloads that it is about; none: all of its namespace, or of the mesh for one of the root namespace. */
export function selectorOf({ selector }: TelemetrySpec): Readonly<Record<string, string>> {
  return selector?.matchLabels ?? {};
}

export function isNamespaceWide(spec: TelemetrySpec): boolean {
  return Object.keys(selectorOf(spec)).length === 0;
}
