/**
 * Who sent a request, and what it may say about itself (Envoy docs `http_conn_man/headers`): at the edge of the mesh
 * nothing is believed that a trusted proxy has not said. Made where the configuration asks for it only.
 */
import { BlockList, isIP, isIPv6 } from 'node:net';
import type { RequestOriginConfig } from '../api/listener.ts';
import { isLoopbackAddress, publicAddress } from '../common/local-address.ts';
import { withoutMapping } from '../common/mapped-address.ts';
import { externalAddressName, forwardedForName, internalName } from './forwarded-headers.ts';
import { controlBit, controlHeaders, Known } from './header-name.ts';
import { fieldStride, type HeaderMap } from './header-map.ts';
import type { HttpStream } from './stream.ts';

/** Undefined where requests are taken at their word: a sidecar between applications of the mesh. */
export function createRequestOrigin(config: RequestOriginConfig): RequestOrigin | undefined {
  const { usesRemoteAddress, xffNumTrustedHops, internalAddresses } = config;
  const asks = usesRemoteAddress || xffNumTrustedHops > 0 || internalAddresses.length > 0;
  return asks ? new RequestOrigin(config) : undefined;
}

/** Headers that begin so are words of the mesh among itself. A superset of those that Envoy takes from strangers. */
const internalPrefixes = ['x-envoy-', 'x-heddle-'] as const;

export class RequestOrigin {
  readonly #config: RequestOriginConfig;
  readonly #internal = new BlockList();
  /** As Envoy has it: a client on this machine is told to others by an address that means something to them. */
  readonly #ownAddress = publicAddress();

  constructor(config: RequestOriginConfig) {
    this.#config = config;
    for (const { address, prefixLength } of config.internalAddresses) {
      this.#internal.addSubnet(address, prefixLength, familyOf(address));
    }
  }

  /** Sets who the client is, and corrects the headers that tell. */
  establish(stream: HttpStream): void {
    const { headers } = stream.request;
    const peer = peerAddressOf(stream);
    const forwardedFor = headers.knownValues(Known.forwardedFor);
    const { usesRemoteAddress } = this.#config;
    const client = this.#clientOf(forwardedFor);
    if (client !== undefined) stream.forwardedAddress = `${client}:0`;
    // One hop, and it is one of ours: nobody else can have written the request.
    const isSole = usesRemoteAddress ? forwardedFor === undefined : client !== undefined && client === forwardedFor;
    const isInternal = isSole && this.#isInternal(client ?? peer);
    headers.remove(internalName);
    if (usesRemoteAddress) this.#tellPeer(headers, peer, forwardedFor);
    if (isInternal) headers.add(internalName, 'true');
    else this.#distrust(headers, client ?? peer);
  }

  /** By `x-forwarded-for`; undefined where it is not believed, or has no address in that place. */
  #clientOf(forwardedFor: string | undefined): string | undefined {
    const { usesRemoteAddress, xffNumTrustedHops } = this.#config;
    // The last of the trusted proxies is the peer itself, which wrote the last address.
    const skipped = usesRemoteAddress ? xffNumTrustedHops - 1 : xffNumTrustedHops;
    return forwardedFor === undefined || skipped < 0 ? undefined : addressFromRight(forwardedFor, skipped);
  }

  #tellPeer(headers: HeaderMap, peer: string, forwardedFor: string | undefined): void {
    const address = isLoopbackAddress(peer) ? (this.#ownAddress ?? peer) : peer;
    headers.removeKnown(Known.forwardedFor);
    headers.add(forwardedForName, forwardedFor === undefined ? address : `${forwardedFor},${address}`);
    if (this.#config.xffNumTrustedHops > 0 && headers.hasKnown(Known.forwardedProto)) return;
    headers.removeKnown(Known.forwardedProto);
  }

  /** Takes from a request what only the mesh may say. */
  #distrust(headers: HeaderMap, client: string): void {
    if (!this.#config.usesRemoteAddress) {
      if (headers.hasKnown(controlBit)) for (const name of Object.values(controlHeaders)) headers.remove(name);
      return;
    }
    removeInternal(headers);
    headers.add(externalAddressName, client);
    if (!this.#config.preservesExternalRequestId) headers.removeKnown(Known.requestId);
  }

  #isInternal(address: string): boolean {
    return isIP(address) !== 0 && this.#internal.check(address, familyOf(address));
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}

function peerAddressOf({ codec }: HttpStream): string {
  const { remoteAddress = '' } = codec ?? {};
  return withoutMapping(remoteAddress.slice(0, remoteAddress.lastIndexOf(':')));
}

/** The address that `skipped` proxies have added theirs behind. */
export function addressFromRight(forwardedFor: string, skipped: number): string | undefined {
  let end = forwardedFor.length;
  for (let i = 0; i < skipped; i++) {
    end = forwardedFor.lastIndexOf(',', end - 1);
    if (end <= 0) return undefined;
  }
  const address = forwardedFor.slice(forwardedFor.lastIndexOf(',', end - 1) + 1, end).trim();
  return isIP(address) === 0 ? undefined : address;
}

function removeInternal(headers: HeaderMap): void {
  const { fields, count } = headers;
  for (let i = 0, at = 0; i < count; i++, at += fieldStride) {
    if (isInternalName(headers.text, fields[at] ?? 0)) headers.removeAt(i);
  }
  headers.removeKnown(Known.peerMetadata);
}

function isInternalName(text: string, start: number): boolean {
  const isCandidate = (text.charCodeAt(start) | 0x20) === 0x78 && text.charCodeAt(start + 1) === 0x2d;
  return isCandidate && internalPrefixes.some((prefix) => hasPrefix(text, start, prefix));
}

function hasPrefix(text: string, start: number, prefix: string): boolean {
  return text.slice(start, start + prefix.length).toLowerCase() === prefix;
}
