import { fieldOverheadBytes } from '../header-field.ts';
import type { NameRecord } from './name-record.ts';
import { maxEncoderTableBytes, maxEntries } from './representations.ts';
import { firstDynamicIndex } from './static-table.ts';

const slotMask = maxEntries - 1;

/** An entry that takes more than this part of the table pushes out too many others. */
const largestPart = 1 / 4;

/**
 * The encoder's picture of the peer's dynamic table. Entries are numbered as they are inserted, from 1: such a serial
 * stays true while every index shifts with each insertion. The look-up by value is with the names' records.
 */
export class EncoderTable {
  #maxBytes = maxEncoderTableBytes;
  #sizeBytes = 0;
  /** Serial of the newest entry; the oldest one's is `#newest - #count + 1`. */
  #newest = 0;
  #count = 0;
  /** By serial, modulo the most entries there can be. */
  readonly #owners: NameRecord[] = [];
  readonly #values: string[] = [];

  get maxBytes(): number {
    return this.#maxBytes;
  }

  /** Index of the entry with this name and value, or 0. */
  indexOf(record: NameRecord, value: string): number {
    return this.hasEntryOf(record) ? this.#indexOfSerial(record.findSerial(value)) : 0;
  }

  /** Index of some entry with this name, or 0. */
  nameIndexOf(record: NameRecord): number {
    return this.hasEntryOf(record) ? this.#indexOfSerial(record.newestSerial) : 0;
  }

  hasEntryOf(record: NameRecord): boolean {
    return record.newestSerial > this.#newest - this.#count;
  }

  fits(name: string, value: string): boolean {
    return name.length + value.length + fieldOverheadBytes <= this.#maxBytes * largestPart;
  }

  /** Inserts what `fits`. */
  insert(record: NameRecord, value: string): void {
    const sizeBytes = record.name.length + value.length + fieldOverheadBytes;
    this.#evictTo(this.#maxBytes - sizeBytes);
    this.#newest++;
    this.#count++;
    this.#sizeBytes += sizeBytes;
    this.#owners[this.#newest & slotMask] = record;
    this.#values[this.#newest & slotMask] = value;
    record.noteInsertion(value, this.#newest);
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  #indexOfSerial(serial: number): number {
    return serial === 0 ? 0 : firstDynamicIndex + this.#newest - serial;
  }

  #evictTo(sizeBytes: number): void {
    while (this.#sizeBytes > sizeBytes) {
      const slot = (this.#newest - this.#count + 1) & slotMask;
      const owner = this.#owners[slot];
      const value = this.#values[slot] ?? '';
      this.#count--;
      this.#sizeBytes -= (owner?.name.length ?? 0) + value.length + fieldOverheadBytes;
      owner?.noteEviction(value);
      this.#values[slot] = '';
    }
  }
}
