/** Which connections a filter chain of an intercepting listener takes. */
import { isIPv6 } from 'node:net';
import type { CidrRange, FilterChainMatch } from '../../proxy/api/envoy.gen.ts';

/** What http_inspector finds. HTTP/2 is left to the chains of TCP: sidecars do not speak it with each other yet. */
const httpProtocols = ['http/1.0', 'http/1.1'];

/** Narrows a match to connections that begin with an HTTP request in plain text. */
export function httpOnly(match: FilterChainMatch): FilterChainMatch {
  return { ...match, transport_protocol: 'raw_buffer', application_protocols: [...httpProtocols] };
}

/** `names`: exact, or `*.` and a domain; without any, or with `*`, every connection. */
export function ofServerNames(names: readonly string[]): FilterChainMatch {
  return names.length === 0 || names.includes('*') ? {} : { server_names: [...new Set(names)].sort() };
}

/** `subnets`: IP addresses and CIDR blocks; none: every connection. */
export function toSubnets(subnets: readonly string[]): FilterChainMatch {
  const ranges = [...new Set(subnets)].sort().map(cidrRangeOf);
  // The whole of an address family is no condition.
  return ranges.length === 0 || ranges.some(({ prefix_len }) => prefix_len === 0) ? {} : { prefix_ranges: ranges };
}

export function cidrRangeOf(subnet: string): CidrRange {
  const [address = '', length] = subnet.split('/');
  return { address_prefix: address, prefix_len: length === undefined ? (isIPv6(address) ? 128 : 32) : Number(length) };
}

/** The address itself when the block has one only. */
export function soleAddressOf(subnet: string): string | undefined {
  const { address_prefix = '', prefix_len } = cidrRangeOf(subnet);
  return prefix_len === (isIPv6(address_prefix) ? 128 : 32) ? address_prefix : undefined;
}

/** Envoy refuses a listener in which two chains have equal matches. */
export function isSameMatch(a: FilterChainMatch, b: FilterChainMatch): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(match: FilterChainMatch): unknown {
  return Object.entries(match).sort(([a], [b]) => (a < b ? -1 : 1));
}
