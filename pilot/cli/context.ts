/** What a verb touches of the outside world. The process passes its own, tests pass theirs. */
import type { Readable, Writable } from 'node:stream';

export interface CommandContext {
  readonly stdin: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** What the process ends with when the verb returns; see `exit-code.ts`. */
  exitCode: number;
}
