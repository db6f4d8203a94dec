/** Pure: the text of a list becomes its values, or all of it is refused. */
import { addressBlockFault } from '../../crds/checks/check-rule.ts';
import { type CheckList, listValueFault, maxListValues } from '../../crds/check-rule.ts';
import { show } from '../../crds/findings.ts';

export const maxListBytes = 1024 * 1024;

type Parsed =
  | { readonly values: readonly string[]; readonly fault?: undefined }
  | { readonly fault: string; readonly values?: undefined };

/** A JSON array of texts, or a value a line; what stands behind `#`, and lines without a value, do not count. */
export function parseListValues(text: string, list: CheckList): Parsed {
  const values = text.trimStart().startsWith('[') ? readArray(text) : readLines(text);
  if (values === undefined) return { fault: 'must be a JSON array of texts' };
  if (values.length === 0) return { fault: 'has no values' };
  if (values.length > maxListValues) return { fault: `has ${values.length} values, more than ${maxListValues}` };
  for (const [index, value] of values.entries()) {
    const fault = listValueFault(list, value, addressBlockFault);
    if (fault !== undefined) return { fault: `value ${index + 1}, ${show(value)}: ${fault}` };
  }
  return { values: [...new Set(values)].sort() };
}

function readArray(text: string): string[] | undefined {
  try {
    const values = JSON.parse(text) as unknown;
    return Array.isArray(values) && values.every((value) => typeof value === 'string') ? values : undefined;
  } catch {
    return undefined;
  }
}

function readLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.replace(/(^|\s)#.*$/, '').trim())
    .filter((line) => line !== '');
}
