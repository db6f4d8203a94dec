/** Resources by their paths: `/apis/GROUP/VERSION/namespaces/NAMESPACE/PLURAL/NAME`. */
import { apiVersionOf, type Kind, kinds } from '../../crds/kinds.ts';
import type { Resource, ResourceKey } from '../../crds/resource.ts';
import type { ApiRequest } from './router.ts';
import { ApiError } from './status.ts';

/** The place that a path names. */
export interface Place {
  readonly kind: Kind;
  /** One of the kind's; answers are written in it. */
  readonly version: string;
  /** Empty: all namespaces. */
  readonly namespace: string;
  /** Empty: the collection. */
  readonly name: string;
}

export function placeOf({ params }: ApiRequest): Place {
  const { group = '', version = '', plural = '', namespace = '', name = '' } = params;
  const kind = kinds.find((row) => row.group === group && row.plural === plural && row.versions.includes(version));
  if (kind !== undefined) return { kind, version, namespace, name };
  throw new ApiError('NotFound', `the server has no resource ${plural} in ${apiVersionOf({ group }, version)}`);
}

/** The body, when it is the resource that the path names. */
export function expectPlace(body: unknown, { kind, version, namespace, name }: Place): unknown {
  if (body === undefined) throw new ApiError('BadRequest', `expected a ${kind.kind}, got an empty body`);
  const { apiVersion, kind: writtenKind, metadata } = (body ?? {}) as Partial<Resource>;
  const pairs = [
    ['apiVersion', apiVersion, apiVersionOf(kind, version)],
    ['kind', writtenKind, kind.kind],
    ['metadata.namespace', metadata?.namespace ?? namespace, namespace],
    ['metadata.name', name === '' ? name : metadata?.name, name],
  ] as const;
  for (const [path, got, expected] of pairs) {
    if (got === expected) continue;
    throw new ApiError(
      'BadRequest',
      `${path} must be ${expected} as in the path, got ${JSON.stringify(got) ?? 'nothing'}`,
    );
  }
  return body;
}

export function nameIn(input: unknown): string {
  const name = (input as Partial<Resource>).metadata?.name;
  return typeof name === 'string' ? name : '';
}

export function keyAt({ kind, namespace, name }: Place): ResourceKey {
  return { kind: kind.kind, namespace, name };
}

export function describe({ kind, name }: Place): string {
  return `${kind.plural}${kind.group === '' ? '' : `.${kind.group}`} "${name}"`;
}

export function detailsOf({ kind, name }: Place): { name: string; group: string; kind: string } {
  return { name, group: kind.group, kind: kind.plural };
}

export function notFound(place: Place): ApiError {
  return new ApiError('NotFound', `${describe(place)} not found`, detailsOf(place));
}

/** A resource in the version that was asked for. */
export function represent<R extends Pick<Resource, 'apiVersion'>>(resource: R, { kind, version }: Place): R {
  return { ...resource, apiVersion: apiVersionOf(kind, version) };
}
