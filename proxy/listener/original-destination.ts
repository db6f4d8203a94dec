/**
 * Where a captured connection wanted to go. REDIRECT writes the proxy's address into the packets and keeps the one the
 * caller meant in connection tracking; TPROXY leaves them as they were, so the socket's own address is the answer.
 */
import { isMapped, withoutMapping } from '../common/mapped-address.ts';
import type net from 'node:net';
import { readSocketOption, setSocketOption, socketOptions } from '../common/socket-options.ts';

export interface Destination {
  /** IPv4 addresses that are mapped into IPv6 are printed as IPv4. */
  readonly address: string;
  readonly port: number;
}

interface SocketWithHandle {
  readonly _handle?: { readonly fd?: number } | null;
}

const { SOL_IP, SOL_IPV6, SO_ORIGINAL_DST, IP_TRANSPARENT, IPV6_TRANSPARENT } = socketOptions;
const ipv4Destination = { level: SOL_IP, name: SO_ORIGINAL_DST };
const ipv6Destination = { level: SOL_IPV6, name: SO_ORIGINAL_DST };
const ipv4Transparent = { level: SOL_IP, name: IP_TRANSPARENT };
const ipv6Transparent = { level: SOL_IPV6, name: IPV6_TRANSPARENT };

/** A `sockaddr_in`, and the longer `sockaddr_in6`. The kernel fills in one connection's address at a time. */
const ipv4SocketAddress = Buffer.alloc(16);
const ipv6SocketAddress = Buffer.alloc(28);

/**
 * Of a connection that REDIRECT brought here. Undefined when it was addressed to this socket, or when the kernel keeps
 * no such record (`findSocketOptionsFault` tells beforehand whether it can be asked). `ownPort`: of a listener that only gets
 * connections to its own port; the socket need not be asked for its address then.
 */
export function originalDestinationOf(socket: net.Socket, ownPort?: number): Destination | undefined {
  const fd = (socket as SocketWithHandle)._handle?.fd;
  if (fd === undefined || fd < 0) return undefined;
  const { remoteAddress = '' } = socket;
  const isIPv6 = remoteAddress.includes(':') && !isMapped(remoteAddress);
  const destination = isIPv6 ? readIPv6Destination(fd) : readIPv4Destination(fd);
  // Tracked but not redirected: the kernel names the address that the connection has anyway.
  if (destination === undefined) return undefined;
  if (ownPort !== undefined && destination.port !== ownPort) return destination;
  return isOwnAddress(socket, destination) ? undefined : destination;
}

/** Of a connection that TPROXY brought here: the address its socket has. Undefined once the socket is closed. */
export function localDestinationOf({ localAddress, localPort }: net.Socket): Destination | undefined {
  if (localAddress === undefined || localPort === undefined) return undefined;
  return { address: withoutMapping(localAddress), port: localPort };
}

/**
 * Lets a socket have addresses that are not this machine's, as a listener must for TPROXY (Envoy's `transparent`).
 * Returns why it could not: `EPERM` without CAP_NET_ADMIN (CAP_NET_RAW also serves). Undefined when it is done.
 */
export function setTransparent(fd: number): string | undefined {
  // An IPv4 socket refuses the option of IPv6.
  const refusal = setSocketOption(fd, ipv6Transparent, 1);
  return refusal === undefined ? undefined : setSocketOption(fd, ipv4Transparent, 1);
}

function readIPv4Destination(fd: number): Destination | undefined {
  const bytes = ipv4SocketAddress;
  if (!readSocketOption(fd, ipv4Destination, bytes)) return undefined;
  return { address: `${bytes[4]}.${bytes[5]}.${bytes[6]}.${bytes[7]}`, port: bytes.readUInt16BE(2) };
}

function readIPv6Destination(fd: number): Destination | undefined {
  const bytes = ipv6SocketAddress;
  if (!readSocketOption(fd, ipv6Destination, bytes)) return undefined;
  return { address: formatIPv6(bytes), port: bytes.readUInt16BE(2) };
}

/** The port first: it differs unless a caller meant the very port the proxy listens on. */
function isOwnAddress(socket: net.Socket, { address, port }: Destination): boolean {
  return socket.localPort === port && withoutMapping(socket.localAddress ?? '') === address;
}

const groupsOffset = 8;
const groupCount = 8;

/** RFC 5952, as Node prints its own addresses: the first longest run of two or more zero groups becomes `::`. */
function formatIPv6(bytes: Buffer): string {
  const runStart = findLongestZeroRun(bytes);
  let text = '';
  for (let group = 0; group < groupCount; group++) {
    if (group === runStart) {
      while (group + 1 < groupCount && readGroup(bytes, group + 1) === 0) group++;
      text += '::';
    } else {
      if (group > 0 && !text.endsWith(':')) text += ':';
      text += readGroup(bytes, group).toString(16);
    }
  }
  return text;
}

/** The group it begins with; -1 when no two zero groups stand together. */
function findLongestZeroRun(bytes: Buffer): number {
  let start = -1;
  let longest = 1;
  let length = 0;
  for (let group = 0; group < groupCount; group++) {
    length = readGroup(bytes, group) === 0 ? length + 1 : 0;
    if (length <= longest) continue;
    longest = length;
    start = group - length + 1;
  }
  return start;
}

function readGroup(bytes: Buffer, group: number): number {
  return bytes.readUInt16BE(groupsOffset + 2 * group);
}
