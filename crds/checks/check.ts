/** What a check of one resource is given besides its spec. */
import type { Findings } from '../findings.ts';

export interface CheckedMetadata {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** Looks at the fields of `spec` together; the schema has already looked at each one alone. */
export type Check<S> = (spec: S, metadata: CheckedMetadata, findings: Findings) => void;
