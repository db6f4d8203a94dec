/** What was made of each peer metadata header; bounded, because anybody can send any value. */
import { decodePeerMetadata, type PeerMetadata } from '../api/peer-metadata.ts';
import { unknownWorkload } from '../api/workload-labels.ts';

/** Longer headers and label values are not remembered but count as an unknown peer. Istio's have 300 to 600 characters. */
const maxHeaderLength = 4096;
const maxValueLength = 256;

export class PeerCache<T> {
  readonly #maxEntries: number;
  readonly #create: (peer: PeerMetadata) => T;
  #unknownPeer: T;
  readonly #entries = new Map<string, T>();
  // Requests of one connection come from one peer: comparing with the last header spares hashing it.
  #lastHeader = '';
  #lastEntry: T;

  constructor(maxEntries: number, create: (peer: PeerMetadata) => T) {
    this.#maxEntries = maxEntries;
    this.#create = create;
    this.#unknownPeer = create(unknownWorkload);
    this.#lastEntry = this.#unknownPeer;
  }

  get(header: string): T {
    if (header === this.#lastHeader) return this.#lastEntry;
    if (header === '' || header.length > maxHeaderLength) return this.#unknownPeer;
    const entry = this.#entries.get(header) ?? this.#add(header);
    this.#lastHeader = header;
    this.#lastEntry = entry;
    return entry;
  }

  /** What was made of the header is out of date. */
  renew(header: string): T {
    if (!this.#entries.delete(header)) return this.get(header);
    this.#lastHeader = '';
    this.#lastEntry = this.#unknownPeer;
    return this.get(header);
  }

  /** Everything that was made is out of date. */
  clear(): void {
    this.#entries.clear();
    this.#unknownPeer = this.#create(unknownWorkload);
    this.#lastHeader = '';
    this.#lastEntry = this.#unknownPeer;
  }

  #add(header: string): T {
    const peer = decodePeerMetadata(header).value ?? unknownWorkload;
    const isPlausible = Object.values(peer).every((value: string) => value.length <= maxValueLength);
    const entry = isPlausible && peer !== unknownWorkload ? this.#create(peer) : this.#unknownPeer;
    this.#evictOldest();
    this.#entries.set(header, entry);
    return entry;
  }

  #evictOldest(): void {
    if (this.#entries.size < this.#maxEntries) return;
    const oldest = this.#entries.keys().next();
    if (oldest.done !== true) this.#entries.delete(oldest.value);
  }
}
