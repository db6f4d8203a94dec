/** Which namespaces see a resource: `exportTo`. */

interface Exported {
  readonly metadata: { readonly namespace: string };
  readonly spec: { readonly exportTo?: readonly string[] };
}

/** `.` is the resource's own namespace, `*` every one, and no entry means every one. */
export function isVisibleTo({ metadata, spec: { exportTo = [] } }: Exported, namespace: string): boolean {
  if (exportTo.length === 0) return true;
  return exportTo.some((entry) => entry === '*' || (entry === '.' ? metadata.namespace : entry) === namespace);
}
