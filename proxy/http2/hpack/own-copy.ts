import { latin1 } from '../../common/latin1.ts';
import { maxEncoderTableBytes } from './representations.ts';

const scratch = Buffer.allocUnsafeSlow(maxEncoderTableBytes);

/**
 * The same latin1 text on its own: a piece that was cut out of a message's head keeps the whole head alive. For what a
 * table may hold, which is never longer than the table.
 */
export function ownCopy(text: string): string {
  return latin1(scratch, 0, scratch.write(text, 'latin1'));
}
