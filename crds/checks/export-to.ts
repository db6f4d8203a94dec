/** exportTo: which namespaces see a resource. */
import { exportToAnnotation, parseExportTo } from '../export-to.ts';
import { childPath, type Findings, show } from '../findings.ts';
import { isDnsLabel } from '../names.ts';
import type { CheckedMetadata } from './check.ts';

export interface ExportToRules {
  /** `~`, visible to nobody, exists for services only. */
  readonly allowNone?: boolean;
  /** A DestinationRule with a workload selector stays in its namespace. */
  readonly onlyOwnNamespace?: boolean;
}

const path = 'spec.exportTo';
const annotationPath = childPath('metadata.annotations', exportToAnnotation);

export function checkExportTo(
  exportTo: readonly string[],
  metadata: CheckedMetadata,
  findings: Findings,
  { onlyOwnNamespace = false, ...rules }: ExportToRules = {},
): void {
  for (const { index, message } of faultsOf(exportTo, metadata, rules)) {
    findings.error(index === undefined ? path : `${path}[${index}]`, message);
  }
  if (!onlyOwnNamespace) return;
  for (const [index, entry] of exportTo.entries()) {
    if (entry === '.' || entry === metadata.namespace) continue;
    findings.error(`${path}[${index}]`, `must be "." in a rule with a workloadSelector, got ${show(entry)}`);
  }
}

/** Of a Kubernetes Service: its text has one path for all entries. */
export function checkExportToAnnotation(metadata: CheckedMetadata, findings: Findings): void {
  const exportTo = parseExportTo(metadata.annotations[exportToAnnotation] ?? '');
  for (const { message } of faultsOf(exportTo, metadata, { allowNone: true })) findings.error(annotationPath, message);
}

interface Fault {
  /** Of the entry; undefined: the list as a whole. */
  readonly index: number | undefined;
  readonly message: string;
}

function faultsOf(exportTo: readonly string[], { namespace: own }: CheckedMetadata, rules: ExportToRules): Fault[] {
  const { allowNone = false } = rules;
  const faults: Fault[] = [];
  const seen = new Set<string>();
  const words = allowNone ? '".", "*", "~"' : '".", "*"';
  for (const [index, entry] of exportTo.entries()) {
    const namespace = entry === '.' ? own : entry;
    if (seen.has(namespace)) faults.push({ index, message: `repeats ${show(namespace)}` });
    seen.add(namespace);
    const isKnown = namespace === '*' || (allowNone && namespace === '~') || isDnsLabel(namespace);
    if (!isKnown) faults.push({ index, message: `must be ${words} or the name of a namespace, got ${show(entry)}` });
  }
  for (const alone of ['*', '~'].filter((entry) => seen.has(entry) && exportTo.length > 1)) {
    faults.push({ index: undefined, message: `must have no other entry beside ${show(alone)}` });
  }
  return faults;
}
