/** Addresses and ranges of them, looked up. */
import { BlockList, isIPv4, isIPv6 } from 'node:net';
import type { CidrRange } from '../api/listener.ts';

/** Whole IPv4 addresses, of which workloads have one each, are found by their text; the rest are ranges. */
export class AddressSet {
  readonly #addresses = new Set<string>();
  readonly #ranges: BlockList | undefined;

  constructor(ranges: readonly CidrRange[]) {
    const list = new BlockList();
    let hasRanges = false;
    for (const { address, prefixLength } of ranges) {
      const isWhole = isIPv4(address) && prefixLength === 32;
      if (isWhole) this.#addresses.add(address);
      else list.addSubnet(address, prefixLength, isIPv6(address) ? 'ipv6' : 'ipv4');
      hasRanges ||= !isWhole;
    }
    this.#ranges = hasRanges ? list : undefined;
  }

  /** `endpoint`: `ip:port`. */
  has(endpoint: string | undefined): boolean {
    return endpoint !== undefined && this.hasAddress(plainAddress(endpoint));
  }

  hasAddress(address: string): boolean {
    if (this.#addresses.has(address)) return true;
    return this.#ranges !== undefined && this.#ranges.check(address, address.includes(':') ? 'ipv6' : 'ipv4');
  }
}

/** A socket of both families writes IPv4 addresses as IPv6 ones. */
const mappedPrefix = '::ffff:';

function plainAddress(endpoint: string): string {
  const start = endpoint.startsWith('[') ? 1 : 0;
  const address = endpoint.slice(start, endpoint.lastIndexOf(':') - start);
  return address.startsWith(mappedPrefix) && address.includes('.') ? address.slice(mappedPrefix.length) : address;
}
