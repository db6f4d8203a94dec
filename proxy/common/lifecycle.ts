/** Shape 5: constructors do no I/O. Whoever started children closes them in reverse. All three are idempotent. */
export interface Lifecycle {
  /** Resolves when ready to serve; rejects when that cannot be. */
  start(): Promise<void>;
  /** Stop accepting, finish what runs, at most `deadlineMs`; then close. */
  drain(deadlineMs: number): Promise<void>;
  /** Close now. */
  close(): Promise<void>;
}
