/** What is said on a connection for one check, once it is there. */
import type { CheckResult } from './prober.ts';

export interface Exchange {
  /** Empty: nothing is sent. */
  readonly request: Uint8Array;
  /** The result when the connection stands, if no answer is waited for. */
  readonly resultOnConnect: CheckResult | undefined;
  /** Whether the connection may carry another check after this one. */
  readonly isReusable: boolean;
  /** The answer goes on; undefined while it is not complete. */
  read(bytes: Buffer, length: number): CheckResult | undefined;
  /** The peer will send no more. */
  end(): CheckResult;
}
