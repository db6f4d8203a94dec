/** Conditions of a delegate within those of the rule that includes it (semantics S31). */
import type { HTTPMatchRequest, StringMatch } from '../../crds/virtual-service.ts';

/**
 * The requests that match one of `outer` and one of `inner`. Undefined when a match of `inner` lies outside of all of
 * `outer`: such a rule is dropped as a whole, as in Istio.
 */
export function mergeMatches(
  outer: readonly HTTPMatchRequest[],
  inner: readonly HTTPMatchRequest[],
): HTTPMatchRequest[] | undefined {
  if (outer.length === 0) return [...inner];
  if (inner.length === 0) return [...outer];
  const merged = inner.map((match) =>
    outer.filter((around) => isWithin(match, around)).map((around) => mergeMatch(around, match)),
  );
  return merged.some((list) => list.length === 0) ? undefined : merged.flat();
}

/** What `inner` says counts; maps are joined. */
function mergeMatch(outer: HTTPMatchRequest, inner: HTTPMatchRequest): HTTPMatchRequest {
  const name = [outer.name, inner.name].filter(Boolean).join('-');
  const merged: HTTPMatchRequest = { ...outer, ...inner };
  for (const key of ['headers', 'withoutHeaders', 'queryParams'] as const) {
    if (outer[key] !== undefined) merged[key] = { ...outer[key], ...inner[key] };
  }
  if (outer.sourceLabels !== undefined) merged.sourceLabels = { ...outer.sourceLabels, ...inner.sourceLabels };
  return name === '' ? merged : { ...merged, name };
}

function isWithin(inner: HTTPMatchRequest, outer: HTTPMatchRequest): boolean {
  const { gateways = [] } = outer;
  return (
    (['uri', 'scheme', 'method', 'authority'] as const).every((key) => isNarrower(inner[key], outer[key])) &&
    (['headers', 'withoutHeaders', 'queryParams'] as const).every((key) =>
      Object.entries(inner[key] ?? {}).every(([name, match]) => isNarrower(match, outer[key]?.[name])),
    ) &&
    (inner.ignoreUriCase ?? false) === (outer.ignoreUriCase ?? false) &&
    isSameIfSet(inner.port, outer.port) &&
    (!outer.sourceNamespace || inner.sourceNamespace === outer.sourceNamespace) &&
    Object.entries(inner.sourceLabels ?? {}).every(([key, value]) => isSameIfSet(value, outer.sourceLabels?.[key])) &&
    (gateways.length === 0 || (inner.gateways ?? []).every((gateway) => gateways.includes(gateway)))
  );
}

function isSameIfSet<T extends string | number>(inner: T | undefined, outer: T | undefined): boolean {
  return !inner || !outer || inner === outer;
}

/** Whether everything that `inner` matches is matched by `outer`. Of expressions nobody can tell. */
function isNarrower(inner: StringMatch | undefined, outer: StringMatch | undefined): boolean {
  if (inner === undefined || outer === undefined) return true;
  if (inner.regex || outer.regex) return false;
  if (outer.exact !== undefined) return inner.exact === outer.exact;
  if (outer.prefix !== undefined) return (inner.exact ?? inner.prefix ?? '').startsWith(outer.prefix);
  return true;
}
