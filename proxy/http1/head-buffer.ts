/**
 * The beginning of a head that has not arrived whole. Bytes are searched once each: a peer that sends a head byte by byte
 * costs a copy per byte, not a parse per byte.
 */
import { ByteBuffer } from '../common/byte-buffer.ts';

const terminator = Buffer.from('\r\n\r\n');

export class HeadBuffer {
  readonly #buffer = new ByteBuffer();
  #searchedLength = 0;
  #parsedLength = 0;

  get isEmpty(): boolean {
    return this.#buffer.length === 0;
  }

  get length(): number {
    return this.#buffer.length;
  }

  get bytes(): Buffer {
    return this.#buffer.bytes;
  }

  append(bytes: Buffer, start: number, end: number): void {
    this.#buffer.append(bytes, start, end);
  }

  /**
   * Whether parsing again can tell something new: the head may be complete, or it doubled, so that one that is wrong is
   * refused without waiting for its end.
   */
  isWorthParsing(): boolean {
    const from = Math.max(0, this.#searchedLength - terminator.length + 1);
    this.#searchedLength = this.#buffer.length;
    const mayBeComplete = this.bytes.indexOf(terminator, from) >= 0;
    if (!mayBeComplete && this.#buffer.length < this.#parsedLength * 2) return false;
    this.#parsedLength = this.#buffer.length;
    return true;
  }

  /** Forgets the bytes; whoever holds `bytes` keeps them. */
  clear(): void {
    this.#buffer.clear();
    this.#searchedLength = 0;
    this.#parsedLength = 0;
  }
}
