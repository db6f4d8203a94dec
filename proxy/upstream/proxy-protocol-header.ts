/** Headers of the PROXY protocol (haproxy.org/download/2.9/doc/proxy-protocol.txt), as Envoy writes them. */
import { withoutMapping } from '../common/mapped-address.ts';
import { isIPv4, isIPv6 } from 'node:net';
import type { ProxyProtocolVersion } from '../api/cluster.ts';
import { addressBytes } from '../common/address-bytes.ts';

/** From whom, and where to. */
export interface AddressPair {
  /** `ip:port`, IPv6 without brackets. */
  readonly remoteAddress: string;
  readonly localAddress: string;
}

/**
 * `downstream`: on whose behalf the connection is opened. Without one, as for checks of health, V1 names the connection's
 * own ends and V2 says LOCAL, which means the same.
 */
export function encodeProxyHeader(
  version: ProxyProtocolVersion,
  downstream: AddressPair | undefined,
  own: AddressPair,
): Buffer {
  const ends = endsOf(downstream ?? own);
  if (version === 'V1') return Buffer.from(encodeText(ends), 'latin1');
  return encodeBinary(downstream === undefined ? undefined : ends);
}

interface Ends {
  readonly source: End;
  readonly destination: End;
  readonly isIPv4: boolean;
}

interface End {
  readonly address: string;
  readonly port: number;
}

/** Undefined where nobody knows any more, because the client has hung up. */
function endsOf({ remoteAddress, localAddress }: AddressPair): Ends | undefined {
  const source = endOf(remoteAddress);
  const destination = endOf(localAddress);
  const isEach = (isFamily: (address: string) => boolean): boolean =>
    isFamily(source.address) && isFamily(destination.address);
  if (!isEach(isIPv4) && !isEach(isIPv6)) return undefined;
  return { source, destination, isIPv4: isIPv4(source.address) };
}

/** IPv4 addresses that are mapped into IPv6 are IPv4. */
function endOf(text: string): End {
  const colon = text.lastIndexOf(':');
  return { address: withoutMapping(text.slice(0, colon)), port: Number(text.slice(colon + 1)) };
}

function encodeText(ends: Ends | undefined): string {
  if (ends === undefined) return 'PROXY UNKNOWN\r\n';
  const { source, destination } = ends;
  const family = ends.isIPv4 ? 'TCP4' : 'TCP6';
  return `PROXY ${family} ${source.address} ${destination.address} ${source.port} ${destination.port}\r\n`;
}

const signature = Buffer.from('\r\n\r\n\0\r\nQUIT\n', 'latin1');
const commands = { LOCAL: 0x20, PROXY: 0x21 } as const;
/** Of TCP; unspecified where there is no address. */
const families = { unspecified: 0x00, IPv4: 0x11, IPv6: 0x21 } as const;
/** Command, family, and the length of what follows. */
const prefixBytes = 4;

function encodeBinary(ends: Ends | undefined): Buffer {
  const addresses =
    ends === undefined ? [] : [ends.source, ends.destination].flatMap(({ address }) => addressBytes(address));
  const ports = Buffer.alloc(ends === undefined ? 0 : 4);
  if (ends !== undefined) {
    ports.writeUInt16BE(ends.source.port, 0);
    ports.writeUInt16BE(ends.destination.port, 2);
  }
  const rest = Buffer.concat([Buffer.from(addresses), ports]);
  const prefix = Buffer.alloc(prefixBytes);
  prefix[0] = ends === undefined ? commands.LOCAL : commands.PROXY;
  prefix[1] = ends === undefined ? families.unspecified : families[ends.isIPv4 ? 'IPv4' : 'IPv6'];
  prefix.writeUInt16BE(rest.length, 2);
  return Buffer.concat([signature, prefix, rest]);
}
