/** What a Telemetry refers to, at apply: the mesh's extension providers. */
import { providerFault } from './access-log.ts';
import type { Mesh, ReferenceFindings, SomeResource } from './references.ts';
import { isNamespaceWide, type TelemetrySpec } from './telemetry.ts';

/** A provider cannot come later: the mesh configuration is read once. */
export function checkTelemetryReferences(
  { spec, metadata }: SomeResource,
  { resources, meshConfig }: Mesh,
  findings: ReferenceFindings,
): void {
  const { accessLogging = [] } = spec as TelemetrySpec;
  for (const [index, { providers = [] }] of accessLogging.entries()) {
    for (const [nth, { name }] of providers.entries()) {
      const message = meshConfig && providerFault(name, meshConfig);
      const path = `spec.accessLogging[${index}].providers[${nth}].name`;
      if (message !== undefined) findings.errors.push({ path, message });
    }
  }
  if (!isNamespaceWide(spec as TelemetrySpec)) return;
  const owner = resources.find(
    (each) =>
      each.kind === 'Telemetry' &&
      each.metadata.namespace === metadata.namespace &&
      isNamespaceWide(each.spec as TelemetrySpec),
  )?.metadata;
  if (owner === undefined || owner.name === metadata.name) return;
  const message = `Telemetry ${owner.namespace}/${owner.name} is older and selects the whole namespace too: it wins, this one is ignored`;
  findings.warnings.push({ path: 'spec.selector', message });
}
