/** What tells the processes of one workload apart. */
import { randomBytes } from 'node:crypto';

/** Of this very process: its pid alone is 1 in every container, and comes again after a restart. Letters and digits, `-`. */
export function newInstanceId(): string {
  return `${randomBytes(5).readUIntBE(0, 5).toString(36)}-${process.pid.toString(36)}`;
}
