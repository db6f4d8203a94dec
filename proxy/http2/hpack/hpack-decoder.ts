import { HeaderField } from '../header-field.ts';
import { BlockReader } from './block-reader.ts';
import { DynamicTable, defaultTableSizeBytes } from './dynamic-table.ts';
import { type SensitiveNames, sensitiveNames } from './sensitive-names.ts';
import { firstDynamicIndex, staticFields } from './static-table.ts';

export interface FieldSink {
  onField(field: HeaderField): void;
}

/** First bytes from which on a representation is of a kind, and the bits of the integer in it (RFC 7541 §6). */
const indexed = 0x80;
const indexedMask = 0x7f;
const incremental = 0x40;
const incrementalMask = 0x3f;
const sizeUpdate = 0x20;
const sizeUpdateMask = 0x1f;
const neverIndexed = 0x10;
const literalMask = 0x0f;

/** Reads the header blocks of one connection (RFC 7541). Its peers may be hostile. */
export class HpackDecoder {
  readonly #reader = new BlockReader();
  readonly #sensitiveNames: SensitiveNames;
  readonly #maxTableSizeBytes: number;
  readonly #table: DynamicTable;

  /**
   * `maxTableSizeBytes` is what our SETTINGS_HEADER_TABLE_SIZE says. The table begins no larger than the default: beyond it
   * the peer must announce what it uses. One below the default takes for granted that the peer knows it already.
   */
  constructor(maxTableSizeBytes: number = defaultTableSizeBytes, names: SensitiveNames = sensitiveNames) {
    this.#sensitiveNames = names;
    this.#maxTableSizeBytes = maxTableSizeBytes;
    this.#table = new DynamicTable(Math.min(maxTableSizeBytes, defaultTableSizeBytes));
  }

  /**
   * Decodes one whole header block and hands each field to `sink` in order. False: a COMPRESSION_ERROR, after which the
   * connection is over, since the two ends' tables no longer agree.
   */
  decode(bytes: Buffer, start: number, end: number, sink: FieldSink): boolean {
    this.#reader.open(bytes, start, end);
    const isDecoded = this.#readSizeUpdates() && this.#readFields(sink);
    this.#reader.close();
    return isDecoded;
  }

  /** They stand only at the beginning of a block (RFC 7541 §4.2). */
  #readSizeUpdates(): boolean {
    for (;;) {
      const first = this.#reader.peek();
      if (first < sizeUpdate || first >= incremental) return true;
      const sizeBytes = this.#reader.readInteger(sizeUpdateMask);
      if (sizeBytes < 0 || sizeBytes > this.#maxTableSizeBytes) return false;
      this.#table.resize(sizeBytes);
    }
  }

  #readFields(sink: FieldSink): boolean {
    for (;;) {
      const first = this.#reader.peek();
      if (first < 0) return true;
      const field = this.#readField(first);
      if (field === undefined) return false;
      sink.onField(field);
    }
  }

  #readField(first: number): HeaderField | undefined {
    if (first >= indexed) return this.#fieldAt(this.#reader.readInteger(indexedMask));
    if (first >= incremental) {
      const field = this.#readLiteral(incrementalMask);
      if (field !== undefined) this.#table.add(field);
      return field;
    }
    if (first >= sizeUpdate) return undefined;
    const field = this.#readLiteral(literalMask);
    // Those that are not valid are not forwarded at all.
    if (first >= neverIndexed && field?.isValid === true) this.#sensitiveNames.add(field.name);
    return field;
  }

  #readLiteral(indexMask: number): HeaderField | undefined {
    const index = this.#reader.readInteger(indexMask);
    const sameName = this.#fieldAt(index);
    const name = index === 0 ? this.#reader.readText() : sameName?.name;
    if (name === undefined) return undefined;
    const value = this.#reader.readText();
    return value === undefined ? undefined : new HeaderField(name, value, sameName);
  }

  /** Undefined for indexes that are in neither table. */
  #fieldAt(index: number): HeaderField | undefined {
    if (index <= 0) return undefined;
    return index < firstDynamicIndex ? staticFields[index - 1] : this.#table.at(index - firstDynamicIndex);
  }
}
