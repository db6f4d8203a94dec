/** What a Telemetry refers to, at apply: the mesh's extension providers. */
import type { FieldError } from '../proxy/common/decoded.ts';
import { type AccessLogConfig, providerFault } from './access-log.ts';
import type { Mesh, ReferenceFindings, SomeResource } from './references.ts';
import { isNamespaceWide, type TelemetrySpec } from './telemetry.ts';

/** Names of providers that cannot come later: the mesh configuration is read once. */
export function providerFaults({ accessLogging = [] }: TelemetrySpec, meshConfig: AccessLogConfig): FieldError[] {
  return accessLogging.flatMap(({ providers = [] }, index) =>
    providers.flatMap(({ name }, nth): FieldError[] => {
      const message = providerFault(name, meshConfig);
      const path = `spec.accessLogging[${index}].providers[${nth}].name`;
      return message === undefined ? [] : [{ path, message }];
    }),
  );
}

export function checkTelemetryReferences(
  { spec, metadata }: SomeResource,
  { resources, meshConfig }: Mesh,
  findings: ReferenceFindings,
): void {
  if (meshConfig !== undefined) findings.errors.push(...providerFaults(spec as TelemetrySpec, meshConfig));
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
