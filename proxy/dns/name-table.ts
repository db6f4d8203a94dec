/** Names that are answered here, compiled from a DNS filter's virtual domains. */
import type { DnsVirtualDomain } from '../api/dns-filter.ts';
import { writeAddressRecord } from './answer.ts';
import { type AddressType, recordTypes } from './message.ts';

export class NameEntry {
  readonly #domain: DnsVirtualDomain;
  #records: { readonly a: readonly Buffer[]; readonly aaaa: readonly Buffer[] } | undefined = undefined;

  constructor(domain: DnsVirtualDomain) {
    this.#domain = domain;
  }

  /** None where it exists in the other family only. Written when somebody asks: of most names nobody ever does. */
  recordsOf(type: AddressType): readonly Buffer[] {
    const { addresses, ttlSeconds } = this.#domain;
    const ofFamily = (isIpv6: boolean): Buffer[] =>
      addresses
        .filter((address) => address.includes(':') === isIpv6)
        .map((address) => writeAddressRecord(address, ttlSeconds));
    this.#records ??= { a: ofFamily(false), aaaa: ofFamily(true) };
    return type === recordTypes.A ? this.#records.a : this.#records.aaaa;
  }
}

export class NameTable {
  readonly #entries = new Map<string, NameEntry>();
  readonly #hasWildcards: boolean;
  readonly #searchSuffixes: readonly string[];

  /** `searchDomains`: what resolvers of this machine append to names, lower case. */
  constructor(domains: readonly DnsVirtualDomain[], searchDomains: readonly string[]) {
    for (const domain of domains) this.#entries.set(domain.name, new NameEntry(domain));
    this.#hasWildcards = domains.some(({ name }) => name.startsWith('*.'));
    this.#searchSuffixes = searchDomains.map((domain) => `.${domain}`);
  }

  /**
   * An entry of its own counts first, then the longest wildcard that covers the name. `expanded`: a resolver has appended a
   * search domain to a name that is known here; it will ask for that as well, and nobody else can know better.
   */
  find(name: string): NameEntry | 'expanded' | undefined {
    const own = this.#entries.get(name);
    if (own !== undefined) return own;
    return this.#isExpanded(name) ? 'expanded' : this.#findWildcard(name);
  }

  /** Of names without a dot nobody can tell: `reviews.corp.example` may well be a host of that domain. */
  #isExpanded(name: string): boolean {
    return this.#searchSuffixes.some((suffix) => {
      if (!name.endsWith(suffix)) return false;
      const first = name.slice(0, -suffix.length);
      return first.includes('.') && (this.#entries.has(first) || this.#findWildcard(first) !== undefined);
    });
  }

  #findWildcard(name: string): NameEntry | undefined {
    if (!this.#hasWildcards) return undefined;
    for (let dot = name.indexOf('.'); dot >= 0; dot = name.indexOf('.', dot + 1)) {
      const entry = this.#entries.get(`*${name.slice(dot)}`);
      if (entry !== undefined) return entry;
    }
    return undefined;
  }
}
