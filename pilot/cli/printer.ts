/** Resources as `get` prints them. */
import type { Kind, PrinterColumn } from '../../crds/kinds.ts';
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
    ...columns.map((column) => printCell(resource, column, options.nowMs)),
  ]);
  return formatTable([...namespaceHead, 'Name', ...columns.map(({ name }) => name)], rows);
}

export function printNames(resources: readonly Resource[], kind: Kind): string {
  return resources.map(({ metadata }) => `${qualifiedKind(kind)}/${metadata.name}\n`).join('');
}

function printCell(resource: Resource, { jsonPath, type }: PrinterColumn, nowMs: number): string {
  const values = selectValues(resource, jsonPath);
  if (values.length === 0) return type === 'string' ? '<none>' : '<unknown>';
  if (type === 'date') return formatAge(nowMs - Date.parse(String(values[0])));
  return values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join(',');
}

/** Kubernetes' simple JSON path: fields and `[*]`. */
function selectValues(value: unknown, jsonPath: string): unknown[] {
  let found: unknown[] = [value];
  for (const [, field, star] of jsonPath.matchAll(/\.(\w+)|(\[\*\])/g)) {
    found = found.flatMap((item) => {
      if (star !== undefined) return Array.isArray(item) ? item : [];
      const child: unknown = typeof item === 'object' && item !== null ? Reflect.get(item, field ?? '') : undefined;
      return child === undefined || child === null ? [] : [child];
    });
  }
  return found;
}

const units = [
  { name: 'd', ms: 86_400_000, upToMs: Number.POSITIVE_INFINITY },
  { name: 'h', ms: 3_600_000, upToMs: 2 * 86_400_000 },
  { name: 'm', ms: 60_000, upToMs: 2 * 3_600_000 },
  { name: 's', ms: 1000, upToMs: 2 * 60_000 },
];

/** One unit, the finest that stays below twice the next: `95s`, `100m`, `40h`, `9d`. */
export function formatAge(ageMs: number): string {
  const age = Math.max(0, ageMs);
  const unit = units.findLast(({ upToMs }) => age < upToMs) ?? { name: 's', ms: 1000 };
  return `${Math.floor(age / unit.ms)}${unit.name}`;
}
