/** A log line as bytes. From line to line most columns stay as they are: only what changed is encoded and written again. */
import type { StreamInfo } from '../http/stream-info.ts';
import type { StreamReader, StreamValue } from './stream-variables.ts';

/** One value of a line. */
export interface Column {
  /** The text in front of it, the same in every line. */
  readonly prefix: string;
  readonly read: StreamReader;
  /** How any value stands in the line; numbers and plain text as they are, between two `quote`s. */
  readonly encode: (value: StreamValue) => string;
  readonly quote: '"' | '';
  /** Plain text is printable ASCII without quotes and backslashes; whether a space is plain too. */
  readonly allowsSpaces: boolean;
}

interface PlacedColumn extends Column {
  value: StreamValue;
  /** Where the encoded value stands among the bytes. */
  start: number;
  end: number;
}

const initialCapacity = 512;
const quoteByte = 0x22;
const backslashByte = 0x5c;

/** The line of a format. */
export class ColumnLine {
  readonly #columns: readonly PlacedColumn[];
  #bytes: Buffer;
  /** The bytes in use. */
  #line: Buffer;

  constructor(columns: readonly Column[], suffix: string) {
    let text = '';
    this.#columns = columns.map((column) => {
      text += column.prefix;
      const start = Buffer.byteLength(text);
      text += column.encode(undefined);
      return { ...column, value: undefined, start, end: Buffer.byteLength(text) };
    });
    this.#line = Buffer.from(text + suffix);
    this.#bytes = this.#line;
  }

  /** The line of a stream that is over; it holds until the next call. */
  write(stream: StreamInfo): Buffer {
    for (let i = 0; i < this.#columns.length; i++) {
      const column = this.#columns[i];
      if (column === undefined) break;
      const value = column.read(stream);
      if (value === column.value) continue;
      column.value = value;
      this.#change(i, column);
    }
    return this.#line;
  }

  #change(index: number, column: PlacedColumn): void {
    const { value, quote } = column;
    if (value !== undefined && value !== '') {
      const text = String(value);
      this.#resize(index, column, text.length + 2 * quote.length);
      if (writePlain(this.#bytes, column, text)) return;
    }
    const encoded = column.encode(value);
    this.#resize(index, column, Buffer.byteLength(encoded));
    this.#bytes.write(encoded, column.start);
  }

  /** Makes room of `length` bytes for the column: what stands behind it moves. */
  #resize(index: number, column: PlacedColumn, length: number): void {
    const growth = length - (column.end - column.start);
    if (growth === 0) return;
    const lineLength = this.#line.length + growth;
    if (lineLength > this.#bytes.length) this.#grow(lineLength);
    this.#bytes.copyWithin(column.end + growth, column.end, this.#line.length);
    this.#line = this.#bytes.subarray(0, lineLength);
    column.end += growth;
    for (let i = index + 1; i < this.#columns.length; i++) {
      const behind = this.#columns[i];
      if (behind === undefined) break;
      behind.start += growth;
      behind.end += growth;
    }
  }

  #grow(length: number): void {
    const larger = Buffer.alloc(Math.max(initialCapacity, 2 * length));
    this.#line.copy(larger);
    this.#bytes = larger;
  }
}

/** Writes plain text, as most values are; false: it is not. To look and write at once costs no more than to look. */
function writePlain(bytes: Buffer, { start, quote, allowsSpaces }: PlacedColumn, text: string): boolean {
  const lowest = allowsSpaces ? 0x20 : 0x21;
  let at = start;
  if (quote !== '') bytes[at++] = quoteByte;
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < lowest || code > 0x7e || code === quoteByte || code === backslashByte) return false;
    bytes[at++] = code;
  }
  if (quote !== '') bytes[at] = quoteByte;
  return true;
}
