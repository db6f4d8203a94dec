/**
 * The two buffers that bytes pass through: all sockets read into one, and what is written is put together in the other. They
 * are one allocation, so that the distance between them is known: a copy to a little behind its source, counted within pages,
 * takes several times as long, because the processor mistakes each load for one of what was stored just before (4K aliasing).
 */

export const readBufferBytes = 131_072;
/** As much as one write takes. */
export const slabBytes = 131_072;
const pageBytes = 4_096;

const both = Buffer.allocUnsafeSlow(readBufferBytes + slabBytes + pageBytes);

export const sharedReadBuffer = both.subarray(0, readBufferBytes);

export const firstSlab = both.subarray(readBufferBytes);

/** In place of one that a write still holds. Like the first it has room to begin at any place of a page. */
export function allocateSlab(): Buffer {
  return Buffer.allocUnsafeSlow(slabBytes + pageBytes);
}

/** Where `prefixBytes` go in a slab, so that what follows them has the same place of a page as `start` of `bytes`. */
export function placeInSlab(slab: Buffer, prefixBytes: number, bytes: Buffer, start: number): number {
  return (bytes.byteOffset + start - slab.byteOffset - prefixBytes) & (pageBytes - 1);
}
