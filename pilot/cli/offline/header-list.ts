/** Headers as a list, for people. */
import type { HeaderMap } from '../../../proxy/http/header-map.ts';

export type HeaderList = readonly (readonly [name: string, value: string])[];

/** Names in lower case, received ones first, in their order. */
export function listHeaders({ headers }: { readonly headers: HeaderMap }): HeaderList {
  const list: [string, string][] = [];
  for (let i = 0; i < headers.count; i++) {
    if (!headers.isRemovedAt(i)) list.push([headers.nameAt(i).toLowerCase(), headers.valueAt(i)]);
  }
  for (let i = 0; i < headers.addedCount; i++) {
    list.push([headers.addedNames[i]?.text ?? '', headers.addedValues[i] ?? '']);
  }
  return list;
}

/** What was done to `before`. A header whose value differs is set. */
export function compareHeaders(before: HeaderList, after: HeaderList): HeaderChanges {
  const [old, now] = [joined(before), joined(after)];
  return {
    set: Object.fromEntries([...now].filter(([name, value]) => old.get(name) !== value)),
    removed: [...old.keys()].filter((name) => !now.has(name)),
  };
}

export interface HeaderChanges {
  readonly set: Readonly<Record<string, string>>;
  readonly removed: readonly string[];
}

export function joined(list: HeaderList): Map<string, string> {
  const values = new Map<string, string>();
  for (const [name, value] of list) values.set(name, values.has(name) ? `${values.get(name)},${value}` : value);
  return values;
}
