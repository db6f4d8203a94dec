/** What a Canary refers to: its host, the subsets, and other Canaries. */
import { type CanarySpec, hostOfCanary } from './canary.ts';
import { show } from './findings.ts';
import { resolveShortName } from './host.ts';
import type { MeshIndex, ReferenceFindings, SomeResource } from './references.ts';

export function checkCanaryReferences(
  { spec, metadata }: SomeResource,
  mesh: MeshIndex,
  { errors, warnings }: ReferenceFindings,
): void {
  const { subsets, ...target } = spec as CanarySpec;
  const host = hostOfCanary(target);
  const path = target.host === undefined ? 'spec.targetRef.name' : 'spec.host';
  const fullName = resolveShortName(host, metadata.namespace).toLowerCase();
  const other = mesh.mesh.resources.find((each) => {
    const isSelf = each.metadata.name === metadata.name && each.metadata.namespace === metadata.namespace;
    if (each.kind !== 'Canary' || isSelf) return false;
    const otherHost = hostOfCanary(each.spec as CanarySpec);
    return resolveShortName(otherHost, each.metadata.namespace).toLowerCase() === fullName;
  });
  if (other !== undefined) {
    const message = `Canary ${other.metadata.namespace}/${other.metadata.name} releases host ${show(host)} already`;
    errors.push({ path, message });
  }
  if (!mesh.isKnown(host, metadata.namespace)) {
    warnings.push({ path, message: `no service ${show(host)} is known yet` });
  }
  const known = mesh.subsetsOf(host, metadata.namespace);
  for (const name of ['primary', 'canary'] as const) {
    if (known.has(subsets[name])) continue;
    const message = `no DestinationRule of host ${show(host)} defines subset ${show(subsets[name])} yet: the release waits for it`;
    warnings.push({ path: `spec.subsets.${name}`, message });
  }
}
