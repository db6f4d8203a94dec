/**
 * Header names as numbers. The head parser folds each name into a 32-bit hash while it checks the characters, so finding
 * a header is comparing integers; equality is always confirmed on the text, so that a collision costs time, not safety.
 */
export class HeaderName {
  /** Lower case. */
  readonly text: string;
  /** As it begins a header line: `name: `. */
  readonly linePrefix: string;
  readonly hash: number;
  /** The one that headers of this name set in `HeaderMap.nameBits`. */
  readonly bit: number;

  constructor(text: string) {
    this.text = text.toLowerCase();
    this.linePrefix = `${this.text}: `;
    this.hash = hashHeaderName(this.text);
    this.bit = bitOfHash(this.hash);
  }
}

/** Case-insensitive: 0x20 is set in every byte, as `hashStep` does for the parser. */
export function hashHeaderName(text: string): number {
  let hash = 0;
  for (let i = 0; i < text.length; i++) hash = hashStep(hash, text.charCodeAt(i));
  return hash;
}

export function hashStep(hash: number, byte: number): number {
  return (Math.imul(hash, 31) + (byte | 0x20)) | 0;
}

/** One of 32, by the low bits of the hash. */
export function bitOfHash(hash: number): number {
  return 1 << hash;
}

/** Whether `text[start..end)` spells `name`, ASCII case-insensitively. */
export function isHeaderName(text: string, start: number, end: number, name: string): boolean {
  if (end - start !== name.length) return false;
  for (let i = 0; i < name.length; i++) {
    const code = text.charCodeAt(start + i);
    const lower = code >= 65 && code <= 90 ? code | 0x20 : code;
    if (lower !== name.charCodeAt(i)) return false;
  }
  return true;
}

/**
 * Headers that the proxy itself acts on get an index into `HeaderMap.known`, found through a small table keyed by the
 * hash's low bits.
 */
const knownNames = [
  'host',
  'content-length',
  'transfer-encoding',
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'upgrade',
  'te',
  'trailer',
  'expect',
  'x-request-id',
  'x-forwarded-proto',
  'x-forwarded-for',
  'x-envoy-peer-metadata',
  'x-envoy-upstream-service-time',
  'user-agent',
  'x-forwarded-client-cert',
] as const;

export const knownHeaders: readonly HeaderName[] = knownNames.map((name) => new HeaderName(name));

/** Index of each known header, for `HeaderMap.known`. */
export const Known = {
  host: 0,
  contentLength: 1,
  transferEncoding: 2,
  connection: 3,
  keepAlive: 4,
  proxyConnection: 5,
  proxyAuthenticate: 6,
  proxyAuthorization: 7,
  upgrade: 8,
  te: 9,
  trailer: 10,
  expect: 11,
  requestId: 12,
  forwardedProto: 13,
  forwardedFor: 14,
  peerMetadata: 15,
  upstreamServiceTime: 16,
  userAgent: 17,
  clientCert: 18,
} as const;

export const knownHeaderCount: number = knownHeaders.length;

/**
 * With these a request steers how it is treated (Envoy docs `http_filters/router_filter`). All of them share one bit of
 * `HeaderMap.knownMask`: most requests carry none, and whoever sees the bit looks for each.
 */
export const controlHeaders = {
  maxRetries: new HeaderName('x-envoy-max-retries'),
  retryOn: new HeaderName('x-envoy-retry-on'),
  retryGrpcOn: new HeaderName('x-envoy-retry-grpc-on'),
  retriableStatusCodes: new HeaderName('x-envoy-retriable-status-codes'),
  retriableHeaderNames: new HeaderName('x-envoy-retriable-header-names'),
  timeout: new HeaderName('x-envoy-upstream-rq-timeout-ms'),
  perTryTimeout: new HeaderName('x-envoy-upstream-rq-per-try-timeout-ms'),
  timeoutAltResponse: new HeaderName('x-envoy-upstream-rq-timeout-alt-response'),
  hedgeOnPerTryTimeout: new HeaderName('x-envoy-hedge-on-per-try-timeout'),
} as const;

/** Bit of `HeaderMap.knownMask` that any of `controlHeaders` sets. */
export const controlBit = 31;

/** What has a slot in the table of hashes: `Known` headers first. */
export const notedHeaders: readonly HeaderName[] = [...knownHeaders, ...Object.values(controlHeaders)];

const tableBits = 10;
const tableMask = (1 << tableBits) - 1;
/** hash & tableMask → 1 + index, 0 when no known header has these bits. */
const knownByHash = buildTable();

function buildTable(): Uint8Array {
  const table = new Uint8Array(tableMask + 1);
  notedHeaders.forEach((name, index) => {
    const slot = name.hash & tableMask;
    if (table[slot] !== 0) throw new Error(`known headers ${name.text} and another share slot ${slot}`);
    table[slot] = index + 1;
  });
  return table;
}

/** Index in `notedHeaders` of the header with this hash, or -1. The caller confirms on the text. */
export function knownHeaderIndex(hash: number): number {
  return (knownByHash[hash & tableMask] ?? 0) - 1;
}
