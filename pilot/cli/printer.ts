/** Resources as `get` prints them. */
import type { Kind } from '../../crds/kinds.ts';
import { cellOf } from '../../crds/printer-columns.ts';
import type { Resource } from '../../crds/resource.ts';
import { qualifiedKind } from './kind-words.ts';
import { formatTable } from './text-table.ts';

export interface TableOptions {
  readonly kind: Kind;
  readonly isWide: boolean;
  readonly hasNamespace: boolean;
  readonly nowMs: number;
}

/** The kind's printer columns, as kubectl shows them. */
export function printTable(resources: readonly Resource[], options: TableOptions): string {
  const columns = options.kind.printerColumns.filter(({ priority }) => priority === 0 || options.isWide);
  const namespaceHead = options.hasNamespace ? ['Namespace'] : [];
  const rows = resources.map((resource) => [
    ...(options.hasNamespace ? [resource.metadata.namespace] : []),
    resource.metadata.name,
    ...columns.map((column) => cellOf(resource, column, options.nowMs)),
  ]);
  return formatTable([...namespaceHead, 'Name', ...columns.map(({ name }) => name)], rows);
}

export function printNames(resources: readonly Resource[], kind: Kind): string {
  return resources.map(({ metadata }) => `${qualifiedKind(kind)}/${metadata.name}\n`).join('');
}
