/**
 * The buffers that bytes pass through: all sockets read into one, and what is written is put together in a slab. They are one
 * allocation, so that the distance between them is known: a copy to less than 32 bytes behind its source, counted within
 * pages, takes three times as long, because the processor mistakes each load for one of what was stored just before (4K
 * aliasing). Of 64 KiB bodies that is 28 µs per request, in the few processes whose memory happens to lie like that.
 */
import type { Socket } from 'node:net';

export const readBufferBytes = 131_072;
/** As much as one write takes. */
export const slabBytes = 131_072;
/** One does as long as the kernel takes every write whole; each slow reader holds one more, and beyond these a write has a buffer of its own. */
export const slabCount = 16;
const pageBytes = 4_096;
/** With room to begin at any place of a page. */
const roomBytes = slabBytes + pageBytes;

const all = Buffer.allocUnsafeSlow(readBufferBytes + slabCount * roomBytes);

export const sharedReadBuffer = all.subarray(0, readBufferBytes);

interface Slab {
  readonly bytes: Buffer;
  /** With a write that has not been taken whole. */
  holder: Socket | undefined;
}

const slabs = Array.from({ length: slabCount }, (_, i): Slab => {
  const start = readBufferBytes + i * roomBytes;
  return { bytes: all.subarray(start, start + roomBytes), holder: undefined };
});
let current = 0;

/** Where the next write can be put together; always the same one while nobody holds it. Undefined when all are held. */
export function freeSlab(): Buffer | undefined {
  for (let i = 0; i < slabCount; i++) {
    const at = (current + i) % slabCount;
    const slab = slabs[at];
    if (slab === undefined || isHeld(slab)) continue;
    slab.holder = undefined;
    current = at;
    return slab.bytes;
  }
  return undefined;
}

/** A closed socket writes no more. */
function isHeld({ holder }: Slab): boolean {
  return holder !== undefined && !holder.destroyed && holder.writableLength > 0;
}

/** Keeps what `freeSlab` returned last from everybody else until nothing waits to be written to `socket`. */
export function holdSlab(socket: Socket): void {
  const slab = slabs[current];
  if (slab !== undefined) slab.holder = socket;
}

/** Where `prefixBytes` go in a slab, so that what follows them has the same place of a page as `start` of `bytes`. */
export function placeInSlab(slab: Buffer, prefixBytes: number, bytes: Buffer, start: number): number {
  return (bytes.byteOffset + start - slab.byteOffset - prefixBytes) & (pageBytes - 1);
}
