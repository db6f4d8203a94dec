/** Judges what users want to write, all resources of a call together. Pure: decides, and stores nothing. */
import type { FieldError } from '../../proxy/common/decoded.ts';
import type { NewResource } from '../../crds/config-store.ts';
import type { Kind } from '../../crds/kinds.ts';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import { checkReferences, MeshIndex, type ServingEndpoint } from '../../crds/references.ts';
import type { Resource } from '../../crds/resource.ts';
import { byAge, isUnchanged, keyOf, keyText } from '../../crds/resource-table.ts';
import { findUnsupported, validateResource } from '../../crds/validate.ts';

/** A finding about the resource at `index` of the call. */
export interface IndexedError extends FieldError {
  readonly index: number;
}

export interface AdmittedResource {
  readonly kind: Kind;
  readonly resource: NewResource;
  /** metadata.resourceVersion as the user wrote it. */
  readonly resourceVersion: string | undefined;
  /** What is stored now; undefined when the resource is new. */
  readonly previous: Resource | undefined;
  readonly result: 'created' | 'configured' | 'unchanged';
}

export interface Admission {
  /** As many as inputs when there are no errors. */
  readonly admitted: readonly AdmittedResource[];
  readonly errors: readonly IndexedError[];
  readonly warnings: readonly IndexedError[];
}

export interface AdmissionContext {
  /** Everything that is stored. */
  readonly stored: readonly Resource[];
  serviceExists(host: string): boolean;
  /** What serves a service of this full name now; undefined where nobody can know. */
  endpointsOf?(host: string): readonly ServingEndpoint[] | undefined;
  /** Of the process; undefined where nobody knows it. */
  readonly meshConfig?: MeshConfig | undefined;
  /** creationTimestamp of what is new. */
  readonly now: string;
  readonly defaultNamespace: string;
}

export function admit(inputs: readonly unknown[], context: AdmissionContext): Admission {
  const stored = new Map(context.stored.map((resource) => [keyText(keyOf(resource)), resource]));
  const errors: IndexedError[] = [];
  const warnings: IndexedError[] = [];
  const admitted: AdmittedResource[] = [];
  const seen = new Map<string, number>();
  for (const [index, input] of inputs.entries()) {
    const report = (found: readonly FieldError[]): void =>
      void errors.push(...found.map((error) => ({ index, ...error })));
    const decoded = validateResource(input, context.defaultNamespace);
    if (decoded.errors !== undefined) {
      report(decoded.errors);
      continue;
    }
    report(findUnsupported(input));
    const { kind, resource, resourceVersion } = decoded.value;
    warnings.push(...decoded.value.warnings.map((warning) => ({ index, ...warning })));
    const key = keyText(keyOf(resource));
    const earlier = seen.get(key);
    if (earlier !== undefined)
      report([{ path: 'metadata.name', message: `repeats resource ${earlier} of this call: ${key}` }]);
    seen.set(key, index);
    const previous = stored.get(key);
    const kept = withStatus(resource, previous);
    admitted.push({ kind, resource: kept, resourceVersion, previous, result: resultOf(kept, previous) });
  }
  // What refers to a resource with errors would only repeat them.
  if (errors.length > 0) return { admitted, errors, warnings };
  return { admitted, ...checkAllReferences(admitted, context, warnings) };
}

/** A status has its own way in: what users write leaves it as it is. */
function withStatus(resource: NewResource, previous: Resource | undefined): NewResource {
  return previous?.status === undefined ? resource : { ...resource, status: previous.status };
}

function resultOf(resource: NewResource, previous: Resource | undefined): AdmittedResource['result'] {
  if (previous === undefined) return 'created';
  return isUnchanged(previous, resource) ? 'unchanged' : 'configured';
}

function checkAllReferences(
  admitted: readonly AdmittedResource[],
  context: AdmissionContext,
  warnings: readonly IndexedError[],
): Pick<Admission, 'errors' | 'warnings'> {
  const written = new Set(admitted.map(({ resource }) => keyText(keyOf(resource))));
  const kept = context.stored.filter((resource) => !written.has(keyText(keyOf(resource))));
  const coming = admitted.map(({ resource: { kind, spec, metadata }, previous }) => ({
    kind,
    spec,
    metadata: { ...metadata, creationTimestamp: previous?.metadata.creationTimestamp ?? context.now },
  }));
  const mesh = new MeshIndex({
    resources: [...kept, ...coming].sort(byAge),
    serviceExists: (host) => context.serviceExists(host),
    endpointsOf: (host) => context.endpointsOf?.(host),
    meshConfig: context.meshConfig,
  });
  const found = admitted.map(({ resource, previous }) => checkReferences(resource, mesh, previous));
  const withIndex = (list: readonly FieldError[], index: number): IndexedError[] =>
    list.map((error) => ({ index, ...error }));
  return {
    errors: found.flatMap(({ errors }, index) => withIndex(errors, index)),
    warnings: [...warnings, ...found.flatMap(({ warnings: list }, index) => withIndex(list, index))],
  };
}
