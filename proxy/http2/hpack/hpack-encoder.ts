import { EncoderTable } from './encoder-table.ts';
import { NameRecord } from './name-record.ts';
import { ownCopy } from './own-copy.ts';
import {
  incrementalTexts,
  indexedTexts,
  literalText,
  maxEncoderTableBytes,
  neverIndexedTexts,
  sizeUpdateText,
  unindexedTexts,
} from './representations.ts';
import { type SensitiveNames, maxRememberedNameLength, sensitiveNames } from './sensitive-names.ts';

/** More names than the table has entries; then those are forgotten of which none is in it. */
const maxRecords = 256;
const nothingPending = -1;
/** How a literal without indexing begins that spells its name. */
const unnamedLiteral = unindexedTexts[0] ?? '';

/** Writes the header blocks of one connection (RFC 7541). Names are lower case already. */
export class HpackEncoder {
  readonly #table = new EncoderTable();
  readonly #records = new Map<string, NameRecord>();
  readonly #sensitiveNames: SensitiveNames;
  #sensitiveVersion: number;
  /** The table's size that the next block announces, and the smallest that it had to have since the last one. */
  #pendingBytes = nothingPending;
  #smallestPendingBytes = maxEncoderTableBytes;

  constructor(names: SensitiveNames = sensitiveNames) {
    this.#sensitiveNames = names;
    this.#sensitiveVersion = names.version;
  }

  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  setPeerTableSize(sizeBytes: number): void {
    this.#pendingBytes = Math.min(sizeBytes, maxEncoderTableBytes);
    this.#smallestPendingBytes = Math.min(this.#smallestPendingBytes, this.#pendingBytes);
  }

  /** Latin1 text that begins a block: pending dynamic table size updates, mostly ''. */
  beginBlock(): string {
    if (this.#sensitiveVersion !== this.#sensitiveNames.version) this.#noteSensitiveNames();
    return this.#pendingBytes === nothingPending ? '' : this.#announceSize();
  }

  /** The representation of one field, as latin1 text. */
  encode(name: string, value: string): string {
    // Such names are in no table and never sensitive, and nothing is to remember them.
    if (name.length > maxRememberedNameLength) return unnamedLiteral + literalText(name) + literalText(value);
    const record = this.#records.get(name) ?? this.#addRecord(name);
    if (record.isSensitive) return this.#literal(neverIndexedTexts, record, value);
    const index = record.staticIndexOf(value) || this.#table.indexOf(record, value);
    if (index !== 0) {
      record.noteHit();
      return indexedTexts[index] ?? '';
    }
    if (!record.isWorthInserting || !this.#table.fits(name, value)) return this.#literal(unindexedTexts, record, value);
    // The reference to the name is to the table as it is before the insertion (RFC 7541 §4.4).
    const text = this.#literal(incrementalTexts, record, value);
    this.#table.insert(record, ownCopy(value));
    return text;
  }

  #literal(beginnings: readonly string[], record: NameRecord, value: string): string {
    const index = record.staticIndex || this.#table.nameIndexOf(record);
    const beginning = beginnings[index] ?? '';
    return index === 0 ? beginning + record.literal + literalText(value) : beginning + literalText(value);
  }

  /**
   * Both updates are needed when the size went down and up again: the entries that the peer dropped in between must be
   * dropped here too (RFC 7541 §4.2).
   */
  #announceSize(): string {
    const finalBytes = this.#pendingBytes;
    const smallestBytes = this.#smallestPendingBytes;
    this.#pendingBytes = nothingPending;
    this.#smallestPendingBytes = maxEncoderTableBytes;
    const text = smallestBytes < this.#table.maxBytes ? this.#resize(smallestBytes) : '';
    return finalBytes === this.#table.maxBytes ? text : text + this.#resize(finalBytes);
  }

  #resize(sizeBytes: number): string {
    this.#table.resize(sizeBytes);
    return sizeUpdateText(sizeBytes);
  }

  #addRecord(name: string): NameRecord {
    if (this.#records.size >= maxRecords) this.#forgetNames();
    const record = new NameRecord(ownCopy(name), this.#sensitiveNames.has(name));
    this.#records.set(record.name, record);
    return record;
  }

  #forgetNames(): void {
    for (const record of this.#records.values()) {
      if (!this.#table.hasEntryOf(record)) this.#records.delete(record.name);
    }
  }

  #noteSensitiveNames(): void {
    this.#sensitiveVersion = this.#sensitiveNames.version;
    for (const record of this.#records.values()) record.isSensitive = this.#sensitiveNames.has(record.name);
  }
}
