/** Which connections a filter chain of an intercepting listener takes. */
import { isIPv6 } from 'node:net';
import type { CidrRange, FilterChainMatch } from '../../proxy/api/envoy.gen.ts';

/** What http_inspector finds. */
const httpProtocols = ['http/1.0', 'http/1.1', 'h2c'];

/** Narrows a match to connections that begin with an HTTP request in plain text. */
export function httpOnly(match: FilterChainMatch): FilterChainMatch {
  return { ...match, transport_protocol: 'raw_buffer', application_protocols: [...httpProtocols] };
}

/**
 * What `httpOnly` leaves of a match: two, because Envoy decides about the transport before it looks at protocols and never
 * turns back. Plain text of another protocol finds the first, what a tls_inspector found the second. The match of everything
 * is the default chain's, which takes both.
 */
export function besideHttp(match: FilterChainMatch): readonly FilterChainMatch[] {
  return isMatchAll(match) ? [match] : [{ ...match, transport_protocol: 'raw_buffer' }, match];
}

export function isMatchAll(match: FilterChainMatch): boolean {
  return Object.keys(match).length === 0;
}

/**
 * `names`: exact, or `*.` and a domain; without any, or with `*`, every connection. Undefined when no connection can have
 * one of the names: Envoy knows no wildcard for a part of a label.
 */
export function ofServerNames(names: readonly string[]): FilterChainMatch | undefined {
  if (names.length === 0 || names.includes('*')) return {};
  const known = names
    .filter((name) => !name.startsWith('*') || name.startsWith('*.'))
    .map((name) => name.toLowerCase());
  return known.length === 0 ? undefined : { server_names: [...new Set(known)].sort() };
}

/** `subnets`: IP addresses and CIDR blocks; none: every connection. */
export function toSubnets(subnets: readonly string[]): FilterChainMatch {
  const ranges = [...new Map(subnets.map(cidrRangeOf).map((range) => [formatRange(range), range])).values()].sort(
    (a, b) => (formatRange(a) < formatRange(b) ? -1 : 1),
  );
  // The whole of an address family is no condition.
  return ranges.length === 0 || ranges.some(({ prefix_len }) => prefix_len === 0) ? {} : { prefix_ranges: ranges };
}

function cidrRangeOf(subnet: string): CidrRange {
  const [given = '', length] = subnet.split('/');
  // The name of an interface says nothing to others.
  const [address = ''] = given.split('%');
  const bytes = bytesOf(address);
  const prefix_len = length === undefined ? bytes.length * 8 : Number(length);
  const network = bytes.map((byte, i) => byte & (0xff << Math.max(0, 8 * (i + 1) - prefix_len)));
  return { address_prefix: textOf(network), prefix_len };
}

function formatRange({ address_prefix, prefix_len }: CidrRange): string {
  return `${address_prefix}/${prefix_len}`;
}

/** The address itself when the block has one only. */
export function soleAddressOf(subnet: string): string | undefined {
  const { address_prefix = '', prefix_len } = cidrRangeOf(subnet);
  return prefix_len === (isIPv6(address_prefix) ? 128 : 32) ? address_prefix : undefined;
}

/** Of a valid address. */
function bytesOf(address: string): number[] {
  if (!isIPv6(address)) return address.split('.').map(Number);
  // The URL standard has one spelling of each address: an IPv4 part becomes two groups, and `::` stands once at most.
  const [head = '', tail] = new URL(`http://[${address}]`).hostname.slice(1, -1).split('::');
  const groupsOf = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => parseInt(group, 16)));
  const before = groupsOf(head);
  const after = groupsOf(tail ?? '');
  const groups = [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after];
  return groups.flatMap((group) => [group >> 8, group & 0xff]);
}

function textOf(bytes: readonly number[]): string {
  if (bytes.length === 4) return bytes.join('.');
  const groups = bytes.flatMap((byte, i) => (i % 2 === 0 ? ((byte << 8) | (bytes[i + 1] ?? 0)).toString(16) : []));
  return new URL(`http://[${groups.join(':')}]`).hostname.slice(1, -1);
}

/** What the chains of one listener take: Envoy refuses a listener in which two claim the same connections. */
export class ClaimedConnections {
  readonly #claims = new Set<string>();

  /** Claims what nobody has claimed yet; returns the matches of that, none when it is nothing. */
  claim(match: FilterChainMatch): FilterChainMatch[] {
    const { prefix_ranges, server_names } = match;
    const isWanted = (range: CidrRange | undefined, name: string | undefined): boolean => {
      const key = JSON.stringify([range ?? null, name ?? null, match.application_protocols ?? null]);
      const isFree = !this.#claims.has(key);
      this.#claims.add(key);
      return isFree;
    };
    const names = server_names ?? [undefined];
    const wanted = (prefix_ranges ?? [undefined]).map((range) => {
      return { range, names: names.filter((name) => isWanted(range, name)) };
    });
    if (wanted.every((part) => part.names.length === names.length)) return [match];
    return wanted
      .filter((part) => part.names.length > 0)
      .map((part) => ({
        ...match,
        ...(part.range === undefined ? {} : { prefix_ranges: [part.range] }),
        ...(server_names === undefined ? {} : { server_names: part.names.flatMap((name) => name ?? []) }),
      }));
  }
}
