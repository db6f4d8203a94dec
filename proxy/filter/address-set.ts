/** Addresses and ranges of them, looked up. Per request this is all that a rule about sources costs. */
import { BlockList, isIPv4 } from 'node:net';
import type { CidrRange } from '../api/listener.ts';

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
        known.bases.add(ipv4Of(address, 0) & mask);
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
    const isPlain = text.indexOf(':') >= end || !text.includes(':');
    if (isPlain) return this.#hasIpv4(ipv4Of(text, 0));
    // A socket of both families writes IPv4 addresses as IPv6 ones.
    if (text.startsWith(mappedPrefix, start) && text.includes('.')) {
      return this.#hasIpv4(ipv4Of(text, start + mappedPrefix.length));
    }
    return this.#v6?.check(text.slice(start, end - start), 'ipv6') === true;
  }

  #hasIpv4(address: number): boolean {
    for (const { mask, bases } of this.#v4) if (bases.has(address & mask)) return true;
    return false;
  }
}

const openBracket = 0x5b;
const mappedPrefix = '::ffff:';

/** The address in dotted decimals at `start`, as a signed number of 32 bits. */
function ipv4Of(text: string, start: number): number {
  let address = 0;
  let part = 0;
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30;
    if (digit >= 0 && digit <= 9) part = part * 10 + digit;
    else if (digit === -2) {
      address = (address << 8) | part;
      part = 0;
    } else break;
  }
  return (address << 8) | part;
}
