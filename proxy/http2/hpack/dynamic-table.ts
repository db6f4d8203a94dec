import type { HeaderField } from '../header-field.ts';

/** What SETTINGS_HEADER_TABLE_SIZE is before anybody says anything (RFC 9113 §6.5.2). */
export const defaultTableSizeBytes = 4096;

/** The decoder's dynamic table (RFC 7541 §2.3.2): a ring whose oldest entries make room for new ones. */
export class DynamicTable {
  /** Its length is a power of two, so that masking a position makes it a slot. */
  #slots: (HeaderField | undefined)[] = Array.from({ length: 16 });
  /** Position behind the newest entry. */
  #next = 0;
  #count = 0;
  #sizeBytes = 0;
  #maxBytes: number;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get count(): number {
    return this.#count;
  }

  /** The entry that is `age` entries older than the newest one. */
  at(age: number): HeaderField | undefined {
    if (age >= this.#count) return undefined;
    return this.#slots[(this.#next - 1 - age) & (this.#slots.length - 1)];
  }

  /** One that is larger than the table empties it and is not kept, which is no error (RFC 7541 §4.4). */
  add(field: HeaderField): void {
    this.#evictTo(this.#maxBytes - field.sizeBytes);
    if (field.sizeBytes > this.#maxBytes) return;
    if (this.#count === this.#slots.length) this.#grow();
    this.#slots[this.#next] = field;
    this.#next = (this.#next + 1) & (this.#slots.length - 1);
    this.#count++;
    this.#sizeBytes += field.sizeBytes;
  }

  resize(maxBytes: number): void {
    this.#maxBytes = maxBytes;
    this.#evictTo(maxBytes);
  }

  #evictTo(sizeBytes: number): void {
    const mask = this.#slots.length - 1;
    while (this.#sizeBytes > sizeBytes && this.#count > 0) {
      const oldest = (this.#next - this.#count) & mask;
      this.#sizeBytes -= this.#slots[oldest]?.sizeBytes ?? 0;
      this.#slots[oldest] = undefined;
      this.#count--;
    }
  }

  #grow(): void {
    const count = this.#count;
    const grown: (HeaderField | undefined)[] = Array.from({ length: this.#slots.length * 2 });
    for (let i = 0; i < count; i++) grown[i] = this.at(count - 1 - i);
    this.#slots = grown;
    this.#next = count;
  }
}
