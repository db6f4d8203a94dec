/** exportTo: which namespaces see a resource. */
import { type Findings, show } from '../findings.ts';
import { isDnsLabel } from '../names.ts';
import type { CheckedMetadata } from './check.ts';

export interface ExportToRules {
  /** `~`, visible to nobody, exists for ServiceEntry only. */
  readonly allowNone?: boolean;
  /** A DestinationRule with a workload selector stays in its namespace. */
  readonly onlyOwnNamespace?: boolean;
}

const path = 'spec.exportTo';

export function checkExportTo(
  exportTo: readonly string[],
  metadata: CheckedMetadata,
  findings: Findings,
  { allowNone = false, onlyOwnNamespace = false }: ExportToRules = {},
): void {
  const seen = new Set<string>();
  for (const [index, entry] of exportTo.entries()) {
    const at = `${path}[${index}]`;
    const namespace = entry === '.' ? metadata.namespace : entry;
    if (seen.has(namespace)) findings.error(at, `repeats ${show(namespace)}`);
    seen.add(namespace);
    const isKnown = namespace === '*' || (allowNone && namespace === '~') || isDnsLabel(namespace);
    if (!isKnown) findings.error(at, `must be ".", "*" or the name of a namespace, got ${show(entry)}`);
    if (onlyOwnNamespace && namespace !== metadata.namespace) {
      findings.error(at, `must be "." in a rule with a workloadSelector, got ${show(entry)}`);
    }
  }
  for (const alone of ['*', '~']) {
    if (seen.has(alone) && exportTo.length > 1) findings.error(path, `must have no other entry beside ${show(alone)}`);
  }
}
