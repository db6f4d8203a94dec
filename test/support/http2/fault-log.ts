/** What the proxy logs as an error while a test runs: a handler that threw costs a connection, and is a bug all the same. */
import { createLogger } from '../../../proxy/common/log.ts';

export class FaultLog {
  readonly lines: string[] = [];
  readonly logger = createLogger('test', 'error', (line) => this.lines.push(line));
}
