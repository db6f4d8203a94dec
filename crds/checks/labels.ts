/** Labels and label selectors. */
import { childPath, type Findings } from '../findings.ts';
import { labelKeyFault, labelValueFault } from '../names.ts';

export function checkLabels(labels: Readonly<Record<string, string>>, path: string, findings: Findings): void {
  for (const [key, value] of Object.entries(labels)) {
    findings.expect(childPath(path, key), labelKeyFault(key) ?? labelValueFault(value));
  }
}

/** Istio's workload selectors take plain labels: no empty key, no wildcard. */
export function checkSelector(
  labels: Readonly<Record<string, string>> | undefined,
  path: string,
  findings: Findings,
): void {
  const entries = Object.entries(labels ?? {});
  if (entries.length === 0) findings.warn(path, 'has no labels: it selects every workload of the namespace');
  for (const [key, value] of entries) {
    const at = childPath(path, key);
    if (key === '') findings.error(at, 'label key must not be empty');
    if (key.includes('*') || value.includes('*')) findings.error(at, 'must not contain a wildcard');
  }
}
