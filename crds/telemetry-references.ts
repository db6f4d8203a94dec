/** What a Telemetry refers to, at apply: the mesh's extension providers. */
import type { MeshIndex, ReferenceFindings, SomeResource } from './references.ts';
import { isNamespaceWide, type TelemetrySpec } from './telemetry.ts';

/** A provider cannot come later: the mesh configuration is read once. */
export function checkTelemetryReferences(
  { spec, metadata }: SomeResource,
  mesh: MeshIndex,
  findings: ReferenceFindings,
): void {
  const { accessLogging = [] } = spec as TelemetrySpec;
  for (const [index, { providers = [] }] of accessLogging.entries()) {
    for (const [nth, { name }] of providers.entries()) {
      const message = mesh.providerFault(name);
      const path = `spec.accessLogging[${index}].providers[${nth}].name`;
      if (message !== undefined) findings.errors.push({ path, message });
    }
  }
  const owner = isNamespaceWide(spec as TelemetrySpec) ? mesh.namespaceTelemetry(metadata.namespace) : undefined;
  if (owner === undefined || owner.name === metadata.name) return;
  const message = `Telemetry ${owner.namespace}/${owner.name} is older and selects the whole namespace too: it wins, this one is ignored`;
  findings.warnings.push({ path: 'spec.selector', message });
}
