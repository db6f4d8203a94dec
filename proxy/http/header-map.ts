/**
 * The headers of one message: the raw text of its head plus where each name and value stands in it. Nothing is cut out
 * before somebody asks for it, and what nobody changed is forwarded as the text it came as. Codec-neutral: a codec that
 * has no head text (HTTP/2) writes one, line by line.
 */
import {
  bitOfHash,
  controlBit,
  type HeaderName,
  isHeaderName,
  knownHeaderCount,
  knownHeaderIndex,
  knownHeaders,
  notedHeaders,
} from './header-name.ts';

/** Numbers per header in `fields`: name start, name end, value start, value end, hash of the name. */
export const fieldStride = 5;
/** Known headers up to this index (host, content-length, transfer-encoding) may come only once. */
const lastSingleton = 2;
/** Stands in the place of the name end; the name start stays, because it ends the line before. */
const removed = -1;

export class HeaderMap {
  /** latin1 text of the head. */
  text = '';
  count = 0;
  /** `HeaderName.bit` of every header that came or was added, removed ones too: what has none of them need not be looked for. */
  nameBits = 0;
  fields = new Int32Array(fieldStride * 24);
  /** For each `Known` header the index of its last occurrence; meaningful only where `knownMask` has its bit. */
  readonly known = new Int16Array(knownHeaderCount);
  knownMask = 0;
  /** Bits of the `Known` headers that came more than once. */
  repeatedMask = 0;
  /** What was added, in order, up to `addedCount`. */
  readonly addedNames: HeaderName[] = [];
  readonly addedValues: string[] = [];
  /** Counted apart: setting an array's length costs more than everything else here. */
  addedCount = 0;

  reset(): void {
    this.text = '';
    this.count = 0;
    this.nameBits = 0;
    this.knownMask = 0;
    this.repeatedMask = 0;
    this.addedCount = 0;
  }

  copyFrom(other: HeaderMap): void {
    this.text = other.text;
    this.count = other.count;
    this.nameBits = other.nameBits;
    this.fields = other.fields.slice(0, other.count * fieldStride);
    this.known.set(other.known);
    this.knownMask = other.knownMask;
    this.repeatedMask = other.repeatedMask;
    this.addedCount = 0;
    for (let i = 0; i < other.addedCount; i++) {
      const name = other.addedNames[i];
      if (name !== undefined) this.add(name, other.addedValues[i] ?? '');
    }
  }

  /** Doubles the room for headers; the parser calls it while it fills `fields`. */
  grow(): void {
    const larger = new Int32Array(this.fields.length * 2);
    larger.set(this.fields);
    this.fields = larger;
  }

  /** Takes a field over that came without a text of the whole head; `line` is its header line, `hash` that of its name. */
  receive(name: string, value: string, hash: number, line: string): void {
    const slot = this.count * fieldStride;
    if (slot === this.fields.length) this.grow();
    const { fields } = this;
    const start = this.text.length;
    const valueStart = start + name.length + 2;
    fields[slot] = start;
    fields[slot + 1] = start + name.length;
    fields[slot + 2] = valueStart;
    fields[slot + 3] = valueStart + value.length;
    fields[slot + 4] = hash;
    this.nameBits |= bitOfHash(hash);
    this.text += line;
    this.count += 1;
  }

  /**
   * Notes where the headers stand that the proxy acts on, once the text is complete. Returns false when one that decides
   * framing or routing comes twice: two readings of one message are how requests are smuggled (RFC 9112 §11.2).
   */
  noteKnown(): boolean {
    const { fields, known, text } = this;
    let mask = 0;
    let repeatedMask = 0;
    for (let i = 0, slot = 0; i < this.count; i++, slot += fieldStride) {
      const index = knownHeaderIndex(fields[slot + 4] ?? 0);
      if (index < 0) continue;
      if (!isHeaderName(text, fields[slot] ?? 0, fields[slot + 1] ?? 0, notedHeaders[index]?.text ?? '')) continue;
      if (index >= knownHeaderCount) {
        mask |= 1 << controlBit;
        continue;
      }
      if ((mask & (1 << index)) !== 0) {
        if (index <= lastSingleton) return false;
        repeatedMask |= 1 << index;
      }
      known[index] = i;
      mask |= 1 << index;
    }
    this.knownMask = mask;
    this.repeatedMask = repeatedMask;
    return true;
  }

  hasKnown(index: number): boolean {
    return (this.knownMask & (1 << index)) !== 0;
  }

  /** As if the header had not come: `knownValue` tells of headers that were only removed. */
  removeKnown(index: number): void {
    const name = knownHeaders[index];
    if (name !== undefined) this.remove(name);
    this.knownMask &= ~(1 << index);
  }

  /** Received value of a `Known` header's last occurrence, also when it was removed since. */
  knownValue(index: number): string | undefined {
    return this.hasKnown(index) ? this.valueAt(this.known[index] ?? 0) : undefined;
  }

  /** All received values of a `Known` header, joined with a comma; must be asked before they are removed. */
  knownValues(index: number): string | undefined {
    const name = (this.repeatedMask & (1 << index)) === 0 ? undefined : knownHeaders[index];
    return name === undefined ? this.knownValue(index) : this.get(name);
  }

  valueAt(index: number): string {
    const at = index * fieldStride;
    return this.text.slice(this.fields[at + 2], this.fields[at + 3]);
  }

  nameAt(index: number): string {
    const at = index * fieldStride;
    return this.text.slice(this.fields[at], this.fields[at + 1]);
  }

  /** Whether the value stands at the very end of its line, without white space behind it. */
  endsLineAt(index: number): boolean {
    return this.text.charCodeAt(this.fields[index * fieldStride + 3] ?? 0) === 13;
  }

  isRemovedAt(index: number): boolean {
    return this.fields[index * fieldStride + 1] === removed;
  }

  /** All values joined with a comma, as a header match sees them (RFC 9110 §5.3); undefined when absent. */
  get(name: HeaderName): string | undefined {
    if ((this.nameBits & name.bit) === 0) return undefined;
    const { text, fields, count, addedCount } = this;
    let value: string | undefined = undefined;
    for (let i = 0, at = 0; i < count; i++, at += fieldStride) {
      if (fields[at + 4] !== name.hash || !isHeaderName(text, fields[at] ?? 0, fields[at + 1] ?? 0, name.text))
        continue;
      value = value === undefined ? this.valueAt(i) : `${value},${this.valueAt(i)}`;
    }
    for (let i = 0; i < addedCount; i++) {
      if (!isSameName(this.addedNames[i], name)) continue;
      const more = this.addedValues[i] ?? '';
      value = value === undefined ? more : `${value},${more}`;
    }
    return value;
  }

  /** The first of its values, as format strings see it (Envoy's `%REQ(X)%`); undefined when absent. */
  first(name: HeaderName): string | undefined {
    if ((this.nameBits & name.bit) === 0) return undefined;
    const at = this.find(name, 0);
    if (at >= 0) return this.valueAt(at);
    for (let i = 0; i < this.addedCount; i++) if (isSameName(this.addedNames[i], name)) return this.addedValues[i];
    return undefined;
  }

  /** Whether `holds` of one of the values, each by itself; undefined when absent. */
  some(name: HeaderName, holds: (value: string) => boolean): boolean | undefined {
    if ((this.nameBits & name.bit) === 0) return undefined;
    let answer: boolean | undefined = undefined;
    for (let i = this.find(name, 0); i >= 0; i = this.find(name, i + 1)) {
      if (holds(this.valueAt(i))) return true;
      answer = false;
    }
    for (let i = 0; i < this.addedCount; i++) {
      if (!isSameName(this.addedNames[i], name)) continue;
      if (holds(this.addedValues[i] ?? '')) return true;
      answer = false;
    }
    return answer;
  }

  /** Whether one of the values is `expected`, compared where it stands. */
  hasExactly(name: HeaderName, expected: string): boolean {
    if ((this.nameBits & name.bit) === 0) return false;
    const { text, fields, count } = this;
    for (let i = 0, at = 0; i < count; i++, at += fieldStride) {
      if (fields[at + 4] !== name.hash) continue;
      const start = fields[at + 2] ?? 0;
      // Of another length, or under another name with the same hash: not the value either way.
      if ((fields[at + 3] ?? 0) - start !== expected.length || !text.startsWith(expected, start)) continue;
      if (isHeaderName(text, fields[at] ?? 0, fields[at + 1] ?? 0, name.text)) return true;
    }
    for (let i = 0; i < this.addedCount; i++) {
      if (this.addedValues[i] === expected && isSameName(this.addedNames[i], name)) return true;
    }
    return false;
  }

  /** Index of the first received header named `name` at or after `from`, or -1. */
  find(name: HeaderName, from: number): number {
    if ((this.nameBits & name.bit) === 0) return -1;
    const { fields, count } = this;
    for (let i = from, at = from * fieldStride; i < count; i++, at += fieldStride) {
      if (fields[at + 4] !== name.hash) continue;
      // A removed header has a name end before its start, which equals no name.
      if (isHeaderName(this.text, fields[at] ?? 0, fields[at + 1] ?? 0, name.text)) return i;
    }
    return -1;
  }

  /** Appends a header. Neither part may hold CR, LF or NUL: the configuration decoder checks. */
  add(name: HeaderName, value: string): void {
    this.nameBits |= name.bit;
    this.addedNames[this.addedCount] = name;
    this.addedValues[this.addedCount] = value;
    this.addedCount += 1;
  }

  set(name: HeaderName, value: string): void {
    this.remove(name);
    this.add(name, value);
  }

  remove(name: HeaderName): void {
    if ((this.nameBits & name.bit) === 0) return;
    for (let i = this.find(name, 0); i >= 0; i = this.find(name, i + 1)) this.removeAt(i);
    if (this.addedCount > 0) this.#removeAdded(name);
  }

  #removeAdded(name: HeaderName): void {
    let kept = 0;
    for (let i = 0; i < this.addedCount; i++) {
      const addedName = this.addedNames[i];
      if (addedName === undefined || isSameName(addedName, name)) continue;
      if (kept < i) {
        this.addedNames[kept] = addedName;
        this.addedValues[kept] = this.addedValues[i] ?? '';
      }
      kept += 1;
    }
    this.addedCount = kept;
  }

  removeAt(index: number): void {
    this.fields[index * fieldStride + 1] = removed;
  }
}

/** Most names differ in their hash already. */
function isSameName(added: HeaderName | undefined, name: HeaderName): boolean {
  return added !== undefined && added.hash === name.hash && added.text === name.text;
}
