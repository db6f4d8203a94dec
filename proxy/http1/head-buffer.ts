/**
 * The beginning of a head that has not arrived whole. Bytes are searched once each: a peer that sends a head byte by byte
 * costs a copy per byte, not a parse per byte.
 */
const terminator = Buffer.from('\r\n\r\n');

export class HeadBuffer {
  #bytes = Buffer.allocUnsafe(0);
  #length = 0;
  #searchedLength = 0;
  #parsedLength = 0;

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  append(bytes: Buffer, start: number, end: number): void {
    const needed = this.#length + end - start;
    if (needed > this.#bytes.length) {
      const larger = Buffer.allocUnsafe(Math.max(needed, this.#bytes.length * 2, 512));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    bytes.copy(this.#bytes, this.#length, start, end);
    this.#length = needed;
  }

  /**
   * Whether parsing again can tell something new: the head may be complete, or it doubled, so that one that is wrong is
   * refused without waiting for its end.
   */
  isWorthParsing(): boolean {
    const from = Math.max(0, this.#searchedLength - terminator.length + 1);
    this.#searchedLength = this.#length;
    const mayBeComplete = this.bytes.indexOf(terminator, from) >= 0;
    if (!mayBeComplete && this.#length < this.#parsedLength * 2) return false;
    this.#parsedLength = this.#length;
    return true;
  }

  /** Forgets the bytes; whoever holds `bytes` keeps them. */
  clear(): void {
    this.#bytes = Buffer.allocUnsafe(0);
    this.#length = 0;
    this.#searchedLength = 0;
    this.#parsedLength = 0;
  }
}
