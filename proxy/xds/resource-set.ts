/** Decodes the resources of one response. One bad resource spoils them all: nothing is applied in part. */
import type { EncodedResource } from '../api/discovery.ts';
import { show } from '../api/field-path.ts';
import type { MessageName } from '../api/protojson.ts';
import { decodeResource, peekResourceName, type ResourceType } from '../api/resource-types.ts';
import type { Decoded, FieldError } from '../common/decoded.ts';

/** A resource with the bytes that it came in, by which the next version of it is recognised as unchanged. */
export interface Resource<T> {
  readonly value: T;
  readonly bytes: Buffer;
}

/** By name. */
export type ResourceSet<T> = ReadonlyMap<string, Resource<T>>;

/** Resources of `known` are used again where the bytes are equal. Paths of faults start with the name of the resource. */
export function decodeResourceSet<N extends MessageName, T>(
  type: ResourceType<N, T>,
  encoded: readonly EncodedResource[],
  known: ResourceSet<T>,
): Decoded<ResourceSet<T>> {
  const resources = new Map<string, Resource<T>>();
  const errors: FieldError[] = [];
  encoded.forEach((each, i) => {
    const peeked = peekResourceName(each.value);
    const resource = decodeOne(type, each, known.get(peeked));
    if (resource.errors !== undefined) {
      errors.push(...resource.errors.map((error) => atResource(peeked || `resources[${i}]`, error)));
      return;
    }
    const name = type.nameOf(resource.value.value);
    if (name === '') errors.push(atResource(`resources[${i}]`, { path: '', message: 'must have a name' }));
    if (resources.has(name)) errors.push(atResource(name, { path: '', message: 'must be there only once' }));
    resources.set(name, resource.value);
  });
  return errors.length > 0 ? { errors } : { value: resources };
}

/** Says to which resource a fault belongs. */
export function atResource(name: string, { path, message }: FieldError): FieldError {
  return { path: path === '' ? name : `${name}: ${path}`, message };
}

function decodeOne<N extends MessageName, T>(
  type: ResourceType<N, T>,
  { typeUrl, value: bytes }: EncodedResource,
  known: Resource<T> | undefined,
): Decoded<Resource<T>> {
  if (typeUrl !== type.typeUrl) {
    return { errors: [{ path: '', message: `must be a ${type.typeUrl}, got ${show(typeUrl)}` }] };
  }
  if (known !== undefined && known.bytes.equals(bytes)) return { value: known };
  const decoded = decodeResource(type, bytes);
  // A copy, because a slice would keep the whole response alive.
  return decoded.errors === undefined ? { value: { value: decoded.value, bytes: Buffer.from(bytes) } } : decoded;
}
