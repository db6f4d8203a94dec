/** Which namespaces see a resource: `exportTo`. */

interface Exported {
  /** Where it was declared. */
  readonly namespace: string;
  readonly exportTo?: readonly string[] | undefined;
}

interface ExportedResource {
  readonly metadata: { readonly namespace: string };
  readonly spec: { readonly exportTo?: readonly string[] };
}

/** `.` is the resource's own namespace, `*` every one, and no entry means every one. `~` is the name of none. */
export function isExportedTo({ namespace: own, exportTo = [] }: Exported, namespace: string): boolean {
  if (exportTo.length === 0) return true;
  return exportTo.some((entry) => entry === '*' || (entry === '.' ? own : entry) === namespace);
}

export function isVisibleTo({ metadata, spec }: ExportedResource, namespace: string): boolean {
  return isExportedTo({ namespace: metadata.namespace, exportTo: spec.exportTo }, namespace);
}
