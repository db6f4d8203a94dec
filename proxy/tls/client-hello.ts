/**
 * Envoy's tls_inspector (`envoy.filters.listener.tls_inspector`): the server name and the protocols that the first
 * bytes of a connection ask for, without answering them. RFC 8446 §4.1.2 and §5.1, RFC 6066 §3, RFC 7301 §3.1.
 */
import { isIP } from 'node:net';
import { isHostName } from '../common/host-name.ts';

/** What the first bytes of a connection turn out to be. */
export type ClientHelloResult =
  /** Too few to tell: ask again when more have come. */
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'not_tls' }
  /** TLS, but more of it than is kept for an inspection: the connection is to be closed. */
  | { readonly kind: 'too_large' }
  | ClientHello;

export interface ClientHello {
  readonly kind: 'client_hello';
  /** In lower case; empty without one, and for one that is no host name. */
  readonly serverName: string;
  /** In the client's order of preference. */
  readonly alpn: readonly string[];
}

/** Envoy's default for `max_client_hello_size`: bytes on the wire, the headers of records among them. */
export const maxClientHelloBytes = 16_384;

const incomplete: ClientHelloResult = { kind: 'incomplete' };
const notTls: ClientHelloResult = { kind: 'not_tls' };
const tooLarge: ClientHelloResult = { kind: 'too_large' };

const recordHeaderBytes = 5;
const maxFragmentBytes = 16_384;
const messageHeaderBytes = 4;
const handshakeRecord = 22;
const clientHelloMessage = 1;
const serverNameExtension = 0;
const alpnExtension = 16;

/** Looks at `bytes[0..length)`, all that has come so far. Takes linear time and never throws. */
export function inspectClientHello(bytes: Uint8Array, length: number = bytes.length): ClientHelloResult {
  const first = readFirstHeaders(bytes, Math.min(length, maxClientHelloBytes));
  if (typeof first !== 'number') return first;
  const messageBytes = messageHeaderBytes + first;
  if (recordHeaderBytes + messageBytes > maxClientHelloBytes) return tooLarge;
  const message = new Uint8Array(messageBytes);
  const filled = joinFragments(bytes, Math.min(length, maxClientHelloBytes), message);
  if (filled === undefined) return notTls;
  if (filled < messageBytes) return length >= maxClientHelloBytes ? tooLarge : incomplete;
  return parseClientHello(message) ?? notTls;
}

/** The length of the message, once its header has come; it may be cut over records of a byte each. */
function readFirstHeaders(bytes: Uint8Array, length: number): number | ClientHelloResult {
  const header = new Uint8Array(messageHeaderBytes);
  const filled = joinFragments(bytes, length, header);
  if (filled === undefined) return notTls;
  if (filled > 0 && header[0] !== clientHelloMessage) return notTls;
  if (filled === messageHeaderBytes) return uint24(header, 1);
  return length >= maxClientHelloBytes ? tooLarge : incomplete;
}

/** Copies what records carry until `target` is full or bytes end: how much that was, undefined for what is no TLS. */
function joinFragments(bytes: Uint8Array, length: number, target: Uint8Array): number | undefined {
  let at = 0;
  let filled = 0;
  while (at < length && filled < target.length) {
    if (!isHandshakeHeader(bytes, at, length)) return undefined;
    const start = at + recordHeaderBytes;
    if (start > length) break;
    const fragmentBytes = uint16(bytes, at + 3);
    // RFC 8446 §5.1: no empty fragments of a handshake.
    if (fragmentBytes === 0 || fragmentBytes > maxFragmentBytes) return undefined;
    const end = Math.min(start + fragmentBytes, length, start + target.length - filled);
    target.set(bytes.subarray(start, end), filled);
    filled += end - start;
    at = start + fragmentBytes;
  }
  return filled;
}

/** Whether a header of which only a part may have come can be that of a handshake record of SSL 3.0 or later. */
function isHandshakeHeader(bytes: Uint8Array, at: number, length: number): boolean {
  if (bytes[at] !== handshakeRecord) return false;
  return at + 1 >= length || bytes[at + 1] === 3;
}

/** Undefined: lengths that do not add up. */
function parseClientHello(message: Uint8Array): ClientHello | undefined {
  const body = new Region(message, messageHeaderBytes, message.length);
  body.skip(2 + 32);
  const sessionId = body.vector(1);
  const cipherSuites = body.vector(2);
  const compressionMethods = body.vector(1);
  if (sessionId.length > 32 || cipherSuites.length < 2 || cipherSuites.length % 2 !== 0) return undefined;
  if (compressionMethods.length < 1) return undefined;
  // Before TLS 1.2 there need not be any.
  const extensions = body.isAtEnd ? body : body.vector(2);
  if (body.isBroken || !body.isAtEnd) return undefined;
  return parseExtensions(extensions);
}

function parseExtensions(extensions: Region): ClientHello | undefined {
  let serverName: string | undefined = undefined;
  let alpn: string[] | undefined = undefined;
  while (!extensions.isAtEnd) {
    const type = extensions.uint(2);
    const data = extensions.vector(2);
    if (extensions.isBroken) return undefined;
    if (type === serverNameExtension) {
      if (serverName !== undefined) return undefined;
      serverName = parseServerName(data);
      if (serverName === undefined) return undefined;
    } else if (type === alpnExtension) {
      if (alpn !== undefined) return undefined;
      alpn = parseProtocols(data);
      if (alpn === undefined) return undefined;
    }
  }
  return { kind: 'client_hello', serverName: serverName ?? '', alpn: alpn ?? [] };
}

/** RFC 6066 §3: one name, of the only type that there is. */
function parseServerName(data: Region): string | undefined {
  const list = data.vector(2);
  const type = list.uint(1);
  const name = list.vector(2);
  if (list.isBroken || !list.isAtEnd || !data.isAtEnd || type !== 0 || name.length === 0) return undefined;
  const text = name.text();
  return isHostName(text) && isIP(text) === 0 ? text.toLowerCase() : '';
}

function parseProtocols(data: Region): string[] | undefined {
  const list = data.vector(2);
  if (list.isBroken || !data.isAtEnd || list.isAtEnd) return undefined;
  const protocols: string[] = [];
  while (!list.isAtEnd) {
    const protocol = list.vector(1);
    if (list.isBroken || protocol.length === 0) return undefined;
    protocols.push(protocol.text());
  }
  return protocols;
}

/** A part of a message that is read from left to right. Past its end it is broken, empty and reads zeros. */
class Region {
  readonly #bytes: Uint8Array;
  #at: number;
  readonly #end: number;
  isBroken = false;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#at = start;
    this.#end = end;
  }

  get length(): number {
    return this.#end - this.#at;
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  skip(count: number): number {
    const start = this.#at;
    if (count > this.length) this.isBroken = true;
    this.#at = Math.min(this.#end, start + count);
    return start;
  }

  /** A number of one or two bytes. */
  uint(size: 1 | 2): number {
    const start = this.skip(size);
    if (this.isBroken) return 0;
    return size === 1 ? (this.#bytes[start] ?? 0) : uint16(this.#bytes, start);
  }

  /** What stands behind a length of `size` bytes. */
  vector(size: 1 | 2): Region {
    const length = this.uint(size);
    const start = this.skip(length);
    const region = new Region(this.#bytes, start, this.isBroken ? start : start + length);
    region.isBroken = this.isBroken;
    return region;
  }

  text(): string {
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + this.#at, this.length).toString('latin1');
  }
}

function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
}

function uint24(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 16) | uint16(bytes, at + 1);
}
