/** A log line as bytes. From line to line most columns stay as they are: only what changed is encoded and written again. */
import type { StreamInfo } from '../http/stream-info.ts';
import type { StreamReader, StreamValue } from './stream-variables.ts';

/** One value of a line. */
export interface Column {
  /** The text in front of it; left out together with it. */
  readonly prefix: string;
  readonly read: StreamReader;
  /** How any value stands in the line, undefined: not at all. Numbers and plain text stand as they are, between two `quote`s. */
  readonly encode: (value: StreamValue) => string | undefined;
  readonly quote: '"' | '';
  /** Plain text is printable ASCII without quotes and backslashes; whether a space is plain too. */
  readonly allowsSpaces: boolean;
}

/** A column among the bytes of the line; empty where it is left out. */
interface PlacedColumn extends Column {
  readonly prefixLength: number;
  value: StreamValue;
  start: number;
  end: number;
}

export interface LineShape {
  readonly columns: readonly Column[];
  /** The text behind the last column. */
  readonly suffix: string;
  /** The columns are members of an object, each with a comma in front: a brace takes the place of the first comma. */
  readonly isObject: boolean;
}

const initialCapacity = 512;
const quoteByte = 0x22;
const commaByte = 0x2c;
const backslashByte = 0x5c;
const braceByte = 0x7b;

/** The line of a format. */
export class ColumnLine {
  readonly #columns: readonly PlacedColumn[];
  readonly #isObject: boolean;
  /** Room for a brace, for an object without members; the columns, the suffix, and room to grow. */
  #bytes: Buffer;
  #end: number;
  #line: Buffer;
  #hasMoved = true;

  constructor({ columns, suffix, isObject }: LineShape) {
    let text = '{';
    this.#columns = columns.map((column) => {
      const start = Buffer.byteLength(text);
      const encoded = column.encode(undefined);
      if (encoded !== undefined) text += column.prefix + encoded;
      const prefixLength = Buffer.byteLength(column.prefix);
      return { ...column, prefixLength, value: undefined, start, end: Buffer.byteLength(text) };
    });
    this.#isObject = isObject;
    this.#bytes = Buffer.from(text + suffix);
    this.#end = this.#bytes.length;
    this.#line = this.#bytes;
  }

  /** Becomes the line of a stream that is over; returns its length in bytes. */
  update(stream: StreamInfo): number {
    for (let i = 0; i < this.#columns.length; i++) {
      const column = this.#columns[i];
      if (column === undefined) break;
      const value = column.read(stream);
      if (value === column.value) continue;
      column.value = value;
      this.#change(i, column);
    }
    if (this.#hasMoved) this.#frame();
    return this.#line.length;
  }

  /** The line of the last `update`; `target` has room for it behind `start`. */
  copyTo(target: Buffer, start: number): void {
    target.set(this.#line, start);
    if (this.#isObject) target[start] = braceByte;
  }

  #frame(): void {
    this.#hasMoved = false;
    const hasBrace = this.#isObject && this.#bytes[1] !== commaByte;
    this.#line = this.#bytes.subarray(hasBrace ? 0 : 1, this.#end);
  }

  #change(index: number, column: PlacedColumn): void {
    const { value, quote, prefixLength } = column;
    if (value !== undefined && value !== '') {
      const text = String(value);
      this.#resize(index, column, prefixLength + text.length + 2 * quote.length);
      if (writePlain(this.#bytes, column, text)) return;
    }
    const encoded = column.encode(value);
    this.#resize(index, column, encoded === undefined ? 0 : prefixLength + Buffer.byteLength(encoded));
    if (encoded !== undefined) this.#bytes.write(encoded, column.start + prefixLength);
  }

  /** Makes room of `length` bytes for the column, with its prefix; what stands behind it moves. */
  #resize(index: number, column: PlacedColumn, length: number): void {
    const growth = length - (column.end - column.start);
    if (growth === 0) return;
    if (this.#end + growth > this.#bytes.length) this.#grow(this.#end + growth);
    this.#bytes.copyWithin(column.end + growth, column.end, this.#end);
    if (column.end === column.start) this.#bytes.write(column.prefix, column.start);
    this.#end += growth;
    column.end += growth;
    for (let i = index + 1; i < this.#columns.length; i++) {
      const behind = this.#columns[i];
      if (behind === undefined) break;
      behind.start += growth;
      behind.end += growth;
    }
    this.#hasMoved = true;
  }

  #grow(length: number): void {
    const larger = Buffer.alloc(Math.max(initialCapacity, 2 * length));
    this.#bytes.copy(larger, 0, 0, this.#end);
    this.#bytes = larger;
  }
}

/** Writes plain text, as most values are; false: it is not. To look and write at once costs no more than to look. */
function writePlain(bytes: Buffer, { start, prefixLength, quote, allowsSpaces }: PlacedColumn, text: string): boolean {
  const lowest = allowsSpaces ? 0x20 : 0x21;
  let at = start + prefixLength;
  if (quote !== '') bytes[at++] = quoteByte;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < lowest || code > 0x7e || code === quoteByte || code === backslashByte) return false;
    bytes[at++] = code;
  }
  if (quote !== '') bytes[at] = quoteByte;
  return true;
}
