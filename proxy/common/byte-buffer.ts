/**
 * Bytes that are kept past the call that brought them, however small the pieces are: one buffer that doubles, so that
 * keeping costs a few copies per byte and at most twice the memory. An object per piece would let a body of one-byte
 * chunks cost more than a hundred times its length.
 */
const minCapacity = 512;
const none = Buffer.alloc(0);

export class ByteBuffer {
  #storage = none;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  /** What was appended. Whoever holds it keeps it, whatever is appended or cleared afterwards. */
  get bytes(): Buffer {
    return this.#storage.subarray(0, this.#length);
  }

  append(bytes: Buffer, start: number, end: number): void {
    const needed = this.#length + end - start;
    if (needed > this.#storage.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#storage.length * 2, minCapacity));
      this.#storage.copy(larger, 0, 0, this.#length);
      this.#storage = larger;
    }
    bytes.copy(this.#storage, this.#length, start, end);
    this.#length = needed;
  }

  /** Lets go of the bytes, and of the memory. */
  clear(): void {
    this.#storage = none;
    this.#length = 0;
  }
}
