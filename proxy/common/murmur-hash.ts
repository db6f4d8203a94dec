/**
 * MurmurHash3 (x86, 32 bits): spreads header values and host addresses evenly, in integer arithmetic only. 32 bits give
 * four thousand million points, enough for the largest ring (8 million) and Maglev table (5 million) that Envoy allows.
 * Envoy itself uses 64 bits of xxHash: the same key may choose another host there, but just as steadily.
 * Source: github.com/aappleby/smhasher, MurmurHash3.cpp, public domain algorithm.
 */

const c1 = 0xcc9e2d51;
const c2 = 0x1b873593;

/** Of the characters' low bytes, which is all there is in a header or an address; the result is in [0, 2^32). */
export function murmurHash(text: string, seed = 0): number {
  const { length } = text;
  const tail = length & ~3;
  let hash = seed | 0;
  for (let i = 0; i < tail; i += 4) {
    hash ^= scramble(
      byteAt(text, i) | (byteAt(text, i + 1) << 8) | (byteAt(text, i + 2) << 16) | (byteAt(text, i + 3) << 24),
    );
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let rest = 0;
  for (let i = length - 1; i >= tail; i--) rest = (rest << 8) | byteAt(text, i);
  if (tail < length) hash ^= scramble(rest);
  return finalize(hash ^ length);
}

function byteAt(text: string, index: number): number {
  return text.charCodeAt(index) & 0xff;
}

function scramble(block: number): number {
  const mixed = Math.imul(block, c1);
  return Math.imul((mixed << 15) | (mixed >>> 17), c2);
}

/** Every bit of the input changes about half of the output's. */
function finalize(hash: number): number {
  let mixed = hash ^ (hash >>> 16);
  mixed = Math.imul(mixed, 0x85ebca6b);
  mixed ^= mixed >>> 13;
  mixed = Math.imul(mixed, 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}
