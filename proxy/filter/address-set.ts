/** Addresses and ranges of them, looked up. Per request this is all that a rule about sources costs. */
import { BlockList, isIPv4 } from 'node:net';
import type { CidrRange } from '../api/listener.ts';
import { mappedPrefix } from '../common/mapped-address.ts';

interface RangesOfLength {
  readonly mask: number;
  readonly bases: Set<number>;
}

/** Ranges of IPv4 are found by one look-up for each length that they have; those of IPv6 by Node, which takes a microsecond. */
export class AddressSet {
  readonly #v4: readonly RangesOfLength[];
  readonly #v6: BlockList | undefined;
  /** Requests come one after the other on a connection. */
  #lastEndpoint = '';
  #lastAnswer = false;

  constructor(ranges: readonly CidrRange[]) {
    const byLength = new Map<number, RangesOfLength>();
    const list = new BlockList();
    let hasV6 = false;
    for (const { address, prefixLength } of ranges) {
      if (isIPv4(address)) {
        const mask = prefixLength === 0 ? 0 : -1 << (32 - prefixLength);
        const known = byLength.get(prefixLength) ?? { mask, bases: new Set() };
        byLength.set(prefixLength, known);
        known.bases.add((ipv4Of(address, 0, address.length) ?? 0) & mask);
      } else {
        list.addSubnet(address, prefixLength, 'ipv6');
        hasV6 = true;
      }
    }
    this.#v4 = [...byLength.values()];
    this.#v6 = hasV6 ? list : undefined;
  }

  /** `endpoint`: `ip:port`. */
  has(endpoint: string | undefined): boolean {
    if (endpoint === undefined) return false;
    if (endpoint === this.#lastEndpoint) return this.#lastAnswer;
    this.#lastEndpoint = endpoint;
    this.#lastAnswer = this.#hasAt(endpoint, endpoint.lastIndexOf(':'));
    return this.#lastAnswer;
  }

  hasAddress(address: string): boolean {
    return this.#hasAt(address, address.length);
  }

  /** The address stands in front of `end`. */
  #hasAt(text: string, end: number): boolean {
    const start = text.charCodeAt(0) === openBracket ? 1 : 0;
    const colon = text.indexOf(':');
    if (colon < 0 || colon >= end) return this.#hasIpv4(ipv4Of(text, 0, end));
    // A socket of both families writes IPv4 addresses as IPv6 ones.
    if (text.startsWith(mappedPrefix, start) && text.includes('.')) {
      return this.#hasIpv4(ipv4Of(text, start + mappedPrefix.length, start === 0 ? end : end - 1));
    }
    return this.#v6?.check(text.slice(start, end - start), 'ipv6') === true;
  }

  #hasIpv4(address: number | undefined): boolean {
    if (address === undefined) return false;
    for (const { mask, bases } of this.#v4) if (bases.has(address & mask)) return true;
    return false;
  }
}

const openBracket = 0x5b;
const dot = 0x2e;

/** The address in dotted decimals from `start` to `end`, as a signed number of 32 bits; undefined where there is none. */
function ipv4Of(text: string, start: number, end: number): number | undefined {
  let address = 0;
  let part = 0;
  let digits = 0;
  let dots = 0;
  for (let i = start; i < end; i++) {
    const code = text.charCodeAt(i);
    if (code === dot) {
      if (digits === 0 || (dots += 1) > 3) return undefined;
      address = (address << 8) | part;
      part = 0;
      digits = 0;
    } else {
      if (code < 0x30 || code > 0x39) return undefined;
      part = part * 10 + code - 0x30;
      if ((digits += 1) > 3 || part > 255) return undefined;
    }
  }
  return dots === 3 && digits > 0 ? (address << 8) | part : undefined;
}
