/** Bodies that are worth checking: random, from a seed, with their digest. */
import { createHash } from 'node:crypto';
import { seededRandom } from '../seeded-random.ts';

export function randomBytes(length: number, seed = length + 1): Buffer {
  const random = seededRandom(seed);
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length; at++) bytes[at] = random() * 256;
  return bytes;
}

export function digestOf(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
