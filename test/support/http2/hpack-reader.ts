/** Reads header blocks (RFC 7541) to the letter: whatever a peer may not send throws. Shares nothing with the codec. */
import { readHuffman } from './hpack-huffman.ts';
import { staticTable } from './hpack-static-table.ts';
import type { Field } from './hpack-writer.ts';

const defaultTableBytes = 4_096;

export class HpackReader {
  readonly #table: Field[] = [];
  #tableBytes = defaultTableBytes;
  /** What we announced, and the peer has acknowledged. */
  #limitBytes = defaultTableBytes;
  /** The limit went below what the table may hold: the next block has to say so (§4.2). */
  #isUpdateDue = false;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  /** The peer has acknowledged that its table may have this size at most. */
  limitTable(bytes: number): void {
    this.#limitBytes = bytes;
    if (bytes < this.#tableBytes) this.#isUpdateDue = true;
  }

  read(block: Buffer): Field[] {
    this.#bytes = block;
    this.#at = 0;
    const fields: Field[] = [];
    while (this.#at < block.length) {
      const first = block.readUInt8(this.#at);
      if ((first & 0xe0) === 0x20) {
        if (fields.length > 0) throw new Error('a change of the table behind a field');
        this.#resize(this.#readInteger(5));
        continue;
      }
      if (this.#isUpdateDue) throw new Error('the table did not shrink to the announced size');
      fields.push(this.#readField(first));
    }
    return fields;
  }

  #readField(first: number): Field {
    if ((first & 0x80) !== 0) return this.#entry(this.#readInteger(7));
    const isIndexed = (first & 0xc0) === 0x40;
    const index = this.#readInteger(isIndexed ? 6 : 4);
    const name = index === 0 ? this.#readString() : this.#entry(index)[0];
    const field: Field = [name, this.#readString()];
    if (isIndexed) this.#insert(field);
    return field;
  }

  #entry(index: number): Field {
    const field = index <= staticTable.length ? staticTable[index - 1] : this.#table[index - staticTable.length - 1];
    if (field === undefined) throw new Error(`no field has index ${index}`);
    return field;
  }

  #insert(field: Field): void {
    this.#table.unshift(field);
    this.#evict();
  }

  #resize(bytes: number): void {
    if (bytes > this.#limitBytes) throw new Error(`a table of ${bytes} bytes where ${this.#limitBytes} were announced`);
    this.#tableBytes = bytes;
    this.#isUpdateDue = false;
    this.#evict();
  }

  #evict(): void {
    let size = this.#table.reduce((sum, [name, value]) => sum + name.length + value.length + 32, 0);
    while (size > this.#tableBytes) {
      const [name, value] = this.#table.pop() ?? ['', ''];
      size -= name.length + value.length + 32;
    }
  }

  #readInteger(prefixBits: number): number {
    const limit = 2 ** prefixBits - 1;
    let value = this.#next() & limit;
    if (value < limit) return value;
    for (let factor = 1; ; factor *= 128) {
      if (factor > 2 ** 28) throw new Error('an integer without end');
      const byte = this.#next();
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  }

  #readString(): string {
    const isHuffman = ((this.#bytes[this.#at] ?? 0) & 0x80) !== 0;
    const length = this.#readInteger(7);
    const end = this.#at + length;
    if (end > this.#bytes.length) throw new Error('a string is longer than its block');
    const bytes = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return isHuffman ? readHuffman(bytes) : bytes.toString('latin1');
  }

  #next(): number {
    const byte = this.#bytes[this.#at];
    if (byte === undefined) throw new Error('a header block ends in the middle of a field');
    this.#at += 1;
    return byte;
  }
}
