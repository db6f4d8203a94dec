/** Values by host, where a host may be a wildcard: the exact name wins, then the longest wildcard that covers the name. */
import { isHostCoveredBy } from '../../crds/host.ts';

export class HostTable<T> {
  readonly #exact = new Map<string, T>();
  readonly #wildcards: [host: string, value: T][] = [];

  /** `entries`: hosts are unique, lower case. */
  constructor(entries: Iterable<readonly [host: string, value: T]>) {
    for (const [host, value] of entries) {
      this.#exact.set(host, value);
      if (host.startsWith('*')) this.#wildcards.push([host, value]);
    }
    this.#wildcards.sort(([a], [b]) => b.length - a.length);
  }

  /** Of the entry that fits `hostname`, itself a name or a wildcard. */
  find(hostname: string): T | undefined {
    return this.#exact.get(hostname) ?? this.#wildcards.find(([host]) => isHostCoveredBy(hostname, host))?.[1];
  }

  entries(): IterableIterator<[host: string, value: T]> {
    return this.#exact.entries();
  }
}
