/** What `get` shows of a resource: the kind's printer columns, as CustomResourceDefinitions have them. */
import type { PrinterColumn } from './kinds.ts';
import type { Resource } from './resource.ts';

/** As kubectl shows it: a date by its age. */
export function cellOf(resource: Resource, column: PrinterColumn, nowMs: number): string {
  const values = valuesOf(resource, column);
  if (values.length === 0) return column.type === 'string' ? '<none>' : '<unknown>';
  if (column.type === 'date') return formatAge(nowMs - Date.parse(String(values[0])));
  return values.map((value) => (typeof value === 'string' ? value : JSON.stringify(value))).join(',');
}

/** The values at a column's path, none where there is nothing. Kubernetes' simple JSON path: fields and `[*]`. */
function valuesOf(resource: unknown, { jsonPath }: Pick<PrinterColumn, 'jsonPath'>): unknown[] {
  let found: unknown[] = [resource];
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
