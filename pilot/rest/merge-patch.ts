/** What `kubectl apply`, `patch`, `label` and `annotate` send: parts of a resource that are laid over it. */
import { ApiError } from './status.ts';

/** RFC 7396: for kinds that are no part of kubectl. */
export const mergePatchType = 'application/merge-patch+json';

/** Kubernetes' own, for kinds that kubectl has built in: of ours the Service. */
export const strategicMergePatchType = 'application/strategic-merge-patch+json';

/** `target` with what `patch` says; null takes a field away, lists are replaced. Both stay as they are. */
export function mergePatch(target: unknown, patch: unknown): unknown {
  return merge(target, patch, () => undefined);
}

/**
 * Lists that are named in `mergeKeys` are merged item by item. Source: kubernetes/community, "Strategic Merge Patch".
 * Throws ApiError for directives that are not known.
 */
export function strategicMergePatch(
  target: unknown,
  patch: unknown,
  mergeKeys: Readonly<Record<string, string>>,
): unknown {
  return merge(target, patch, (field, before, part) => {
    // In which order items came says nothing here.
    if (field.startsWith('$setElementOrder/')) return { isHandled: true };
    if (field.startsWith('$'))
      throw new ApiError('BadRequest', `the patch has the directive ${field}, which is not supported`);
    const mergeKey = Object.hasOwn(mergeKeys, field) ? mergeKeys[field] : undefined;
    if (mergeKey === undefined || !Array.isArray(part)) return undefined;
    return { isHandled: true, value: mergeItems(Array.isArray(before) ? before : [], part, mergeKey) };
  });
}

/** What becomes of a field; without `value` it stays as it is. Undefined: what RFC 7396 says. */
type FieldRule = (
  field: string,
  before: unknown,
  part: unknown,
) => { readonly isHandled: true; readonly value?: unknown } | undefined;

function merge(target: unknown, patch: unknown, rule: FieldRule): unknown {
  if (!isObject(patch)) return patch;
  const merged = new Map<string, unknown>(isObject(target) ? Object.entries(target) : []);
  for (const [field, part] of Object.entries(patch)) {
    const ruled = rule(field, merged.get(field), part);
    if (ruled === undefined && part === null) merged.delete(field);
    else if (ruled === undefined) merged.set(field, merge(merged.get(field), part, rule));
    else if (ruled.value !== undefined) merged.set(field, ruled.value);
  }
  return Object.fromEntries(merged);
}

function mergeItems(before: readonly unknown[], parts: readonly unknown[], mergeKey: string): unknown[] {
  const keyOf = (item: unknown): unknown => (isObject(item) ? Reflect.get(item, mergeKey) : item);
  let items = [...before];
  for (const part of parts) {
    const { $patch: directive, ...fields } = (isObject(part) ? part : {}) as Record<string, unknown>;
    const index = items.findIndex((item) => keyOf(item) === keyOf(part));
    if (directive === 'delete') items = items.filter((item) => keyOf(item) !== keyOf(part));
    else if (directive !== undefined) throw new ApiError('BadRequest', '$patch must be delete within a list');
    else if (index < 0) items.push(part);
    else items[index] = mergePatch(items[index], fields);
  }
  return items;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
