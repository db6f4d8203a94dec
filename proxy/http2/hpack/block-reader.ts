import { latin1 } from '../../common/latin1.ts';
import { decodeHuffman } from './huffman-decoder.ts';

/** What `readInteger` returns for bytes that are no integer. */
export const malformed = -1;

/**
 * Four bytes behind the prefix hold more than any index or length can be. More of them, even when they are zero, are an
 * error (RFC 7541 §5.1), and so nothing overflows.
 */
const maxShift = 28;
const huffmanFlag = 0x80;
const lengthMask = 0x7f;
const nothing = Buffer.alloc(0);

/** Walks over one header block: the integers and string literals of RFC 7541 §5. */
export class BlockReader {
  #bytes: Buffer = nothing;
  #at = 0;
  #end = 0;

  open(bytes: Buffer, start: number, end: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = Math.min(end, bytes.length);
  }

  /** Lets go of the bytes. */
  close(): void {
    this.#bytes = nothing;
    this.#at = 0;
    this.#end = 0;
  }

  /** The next byte, which is not consumed; `malformed` at the end. */
  peek(): number {
    return this.#at < this.#end ? (this.#bytes[this.#at] ?? malformed) : malformed;
  }

  /** The integer that begins in those bits of the next byte that `prefixMask` has. */
  readInteger(prefixMask: number): number {
    const first = this.peek();
    if (first < 0) return malformed;
    this.#at++;
    const prefix = first & prefixMask;
    return prefix < prefixMask ? prefix : this.#readContinuation(prefix);
  }

  #readContinuation(prefix: number): number {
    let value = prefix;
    for (let shift = 0; shift < maxShift; shift += 7) {
      const byte = this.peek();
      if (byte < 0) return malformed;
      this.#at++;
      value += (byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    return malformed;
  }

  /** Undefined for bytes that are no string literal. */
  readText(): string | undefined {
    const isHuffman = (this.peek() & huffmanFlag) !== 0;
    const length = this.readInteger(lengthMask);
    const start = this.#at;
    if (length < 0 || length > this.#end - start) return undefined;
    if (length === 0) return '';
    const end = start + length;
    this.#at = end;
    return isHuffman ? decodeHuffman(this.#bytes, start, end) : latin1(this.#bytes, start, end);
  }
}
