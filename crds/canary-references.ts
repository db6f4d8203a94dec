/** What a Canary refers to: its host, the subsets, and other Canaries. */
import type { FieldError } from '../proxy/common/decoded.ts';
import { type CanarySpec, hostOfCanary } from './canary.ts';
import { canaryBlindness } from './canary-telemetry.ts';
import type { DestinationRuleSpec, Subset } from './destination-rule.ts';
import { show } from './findings.ts';
import { meshGateway, resolveGatewayName } from './gateway-name.ts';
import { resolveShortName } from './host.ts';
import type { MeshIndex, ReferenceFindings, ServingEndpoint, SomeResource } from './references.ts';

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
  for (const [index, gateway] of (target.gateways ?? []).entries()) {
    const name = resolveGatewayName(gateway, metadata.namespace);
    if (name === meshGateway || mesh.hasGateway(name)) continue;
    warnings.push({ path: `spec.gateways[${index}]`, message: `no Gateway ${name} is known yet` });
  }
  warnings.push(...canaryBlindness(path, mesh));
  if (target.gateways !== undefined) {
    const message = 'the share is in force there alone, the versions are judged on all of their requests';
    warnings.push({ path: 'spec.gateways', message });
  }
  const defined = subsetsOf(fullName, mesh);
  errors.push(...versionFaults(subsets, defined));
  if (mesh.isKnown(host, metadata.namespace)) {
    warnings.push(...missingVersions(subsets, defined, mesh.mesh.endpointsOf?.(fullName)));
  }
}

/** A release begins when both have somebody to answer. */
function missingVersions(
  subsets: CanarySpec['subsets'],
  defined: ReadonlyMap<string, Subset>,
  endpoints: readonly ServingEndpoint[] | undefined,
): FieldError[] {
  if (endpoints === undefined) return [];
  return (['primary', 'canary'] as const).flatMap((name): FieldError[] => {
    const version = defined.get(subsets[name])?.labels?.['version'];
    if (version === undefined || endpoints.some(({ labels }) => labels['version'] === version)) return [];
    const message = `subset ${show(subsets[name])} has no endpoint: none of version ${show(version)} is registered, the release waits for one`;
    return [{ path: `spec.subsets.${name}`, message }];
  });
}

/** By name; of duplicates the first counts, as in the mesh (semantics D2). */
function subsetsOf(hostname: string, mesh: MeshIndex): ReadonlyMap<string, Subset> {
  const subsets = new Map<string, Subset>();
  for (const { kind, spec, metadata } of mesh.mesh.resources) {
    if (kind !== 'DestinationRule') continue;
    const rule = spec as DestinationRuleSpec;
    if (resolveShortName(rule.host, metadata.namespace).toLowerCase() !== hostname) continue;
    for (const subset of rule.subsets ?? []) if (!subsets.has(subset.name)) subsets.set(subset.name, subset);
  }
  return subsets;
}

type Faults = ReferenceFindings['errors'];

/** Requests are counted by the label `version` of who answered: what a subset selects by must be that, and nothing else. */
function versionFaults(subsets: CanarySpec['subsets'], defined: ReadonlyMap<string, Subset>): Faults {
  const faults: Faults = [];
  for (const name of ['primary', 'canary'] as const) {
    const labels = defined.get(subsets[name])?.labels;
    if (!defined.has(subsets[name]) || Object.keys(labels ?? {}).join() === 'version') continue;
    const message = `subset ${show(subsets[name])} must select by the label version alone, by which requests are counted, got ${show(labels ?? {})}`;
    faults.push({ path: `spec.subsets.${name}`, message });
  }
  const [primary, canary] = [subsets.primary, subsets.canary].map((name) => defined.get(name)?.labels?.['version']);
  if (faults.length === 0 && canary !== undefined && canary === primary) {
    const message = `must select another version than primary, both select ${show(canary)}`;
    faults.push({ path: 'spec.subsets.canary', message });
  }
  return faults;
}
