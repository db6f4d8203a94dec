/** Which bytes are the body: RFC 9112 §6.3, with every ambiguity refused instead of resolved. */
import { MeshError } from '../common/errors.ts';
import { isAuthority } from '../http/authority.ts';
import { parseContentLength } from '../http/content-length.ts';
import { HeaderName, Known } from '../http/header-name.ts';
import type { HeaderMap } from '../http/header-map.ts';
import { type RequestHead, type ResponseHead, chunkedBody, untilClose } from '../http/message-head.ts';

/** Sets authority, path, contentLength, expectsContinue and upgrade of a parsed request; an error when it must be refused. */
export function frameRequest(head: RequestHead): MeshError | undefined {
  const { headers } = head;
  const hostError = readAuthority(head);
  if (hostError !== undefined) return hostError;
  if (headers.hasKnown(Known.transferEncoding)) {
    if (headers.hasKnown(Known.contentLength))
      return malformed('both Content-Length and Transfer-Encoding are present');
    if (head.minorVersion === 0) return malformed('HTTP/1.0 has no Transfer-Encoding');
    if (!isChunked(headers)) return new MeshError('not_implemented', 'the only supported Transfer-Encoding is chunked');
    head.contentLength = chunkedBody;
  } else if (headers.hasKnown(Known.contentLength)) {
    const length = readContentLength(headers);
    if (length < 0) return malformed('Content-Length must be one decimal number');
    head.contentLength = length;
  }
  if (headers.hasKnown(Known.expect) && head.minorVersion === 1) {
    if (headers.knownValue(Known.expect)?.toLowerCase() !== '100-continue') {
      return malformed('the only known expectation is 100-continue');
    }
    head.expectsContinue = head.contentLength !== 0;
  }
  return headers.hasKnown(Known.upgrade) ? readUpgrade(head) : undefined;
}

/**
 * RFC 9110 §7.8: an Upgrade counts when Connection names it, and never in HTTP/1.0. What many clients offer in every
 * request, HTTP/2 without TLS, is passed over, as in Envoy.
 */
function readUpgrade(head: RequestHead): MeshError | undefined {
  const { headers } = head;
  if (head.minorVersion === 0 || !connectionHas(headers, 'upgrade')) return undefined;
  const protocol = headers.knownValues(Known.upgrade) ?? '';
  if (protocol === '' || protocol.toLowerCase() === 'h2c') return undefined;
  // Two readings of where the new protocol begins are how requests are smuggled.
  if (head.contentLength !== 0) return malformed('a request that asks for another protocol must not have content');
  head.upgrade = protocol;
  return undefined;
}

/** Sets contentLength of a parsed response to a request with `method`; an error when it must not be forwarded. */
export function frameResponse(head: ResponseHead, method: string): MeshError | undefined {
  const { headers, status } = head;
  const hasTransferEncoding = headers.hasKnown(Known.transferEncoding);
  const hasContentLength = headers.hasKnown(Known.contentLength);
  const length = hasContentLength ? readContentLength(headers) : 0;
  if (length < 0) return upstreamFault('Content-Length must be one decimal number');
  if (hasTransferEncoding && hasContentLength) {
    return upstreamFault('both Content-Length and Transfer-Encoding are present');
  }
  if (hasTransferEncoding && !isChunked(headers))
    return upstreamFault('the only supported Transfer-Encoding is chunked');
  if (status < 200 || status === 204 || status === 304 || method === 'HEAD') head.contentLength = 0;
  else if (hasTransferEncoding) head.contentLength = chunkedBody;
  else head.contentLength = hasContentLength ? length : untilClose;
  return undefined;
}

/** RFC 9112 §3.2: where the request is addressed to, and the path that is matched and forwarded. */
function readAuthority(head: RequestHead): MeshError | undefined {
  const { headers, path } = head;
  const host = headers.knownValue(Known.host);
  if (host === undefined && head.minorVersion === 1) return malformed('an HTTP/1.1 request needs a Host header');
  if (host !== undefined && host !== '' && host !== lastAuthority && !isAuthority(host))
    return malformed('the Host header is not a valid host');
  lastAuthority = host ?? '';
  head.authority = lastAuthority;
  if (head.method === 'CONNECT') return new MeshError('not_implemented', 'CONNECT is not supported');
  if (path.charCodeAt(0) === slash) return undefined;
  if (path === '*') return head.method === 'OPTIONS' ? undefined : malformed('only OPTIONS may ask for *');
  return readAbsoluteForm(head, host);
}

const slash = 47;
/** The last Host that was found valid: most requests in a row carry the same, and comparing is cheaper than checking. */
let lastAuthority = '';

/** `http://host:port/path`, what a client sends to a proxy it knows of. The Host header must agree with it. */
function readAbsoluteForm(head: RequestHead, host: string | undefined): MeshError | undefined {
  const match = /^http:\/\/([^/?#]+)([^#]*)$/i.exec(head.path);
  const authority = match?.[1];
  if (match === null || authority === undefined || !isAuthority(authority)) {
    return malformed('the request target must begin with / or http://');
  }
  if (host !== undefined && host.toLowerCase() !== authority.toLowerCase()) {
    return malformed('the Host header differs from the host of the request target');
  }
  const rest = match[2] ?? '';
  head.authority = authority;
  head.hasOriginalStartLine = false;
  head.path = rest.startsWith('/') ? rest : `/${rest}`;
  return undefined;
}

/**
 * The declared length, or -1. Leading zeros and white space behind the number are read in more than one way (llhttp
 * refuses the tab): such a length is sent on as a plain number.
 */
function readContentLength(headers: HeaderMap): number {
  const text = headers.knownValue(Known.contentLength) ?? '';
  const length = parseContentLength(text);
  const isPlain =
    (text.length === 1 || text.charCodeAt(0) !== 48) && headers.endsLineAt(headers.known[Known.contentLength] ?? 0);
  if (length >= 0 && !isPlain) headers.set(contentLengthName, String(length));
  return length;
}

const contentLengthName = new HeaderName('content-length');

function isChunked(headers: HeaderMap): boolean {
  const value = headers.knownValue(Known.transferEncoding);
  return value === 'chunked' || value?.toLowerCase() === 'chunked';
}

function malformed(reason: string): MeshError {
  return new MeshError('bad_request', reason);
}

function upstreamFault(reason: string): MeshError {
  return new MeshError('upstream_protocol_error', reason);
}

/** Whether the Connection headers' list holds `token` (lower case). */
export function connectionHas(headers: HeaderMap, token: string): boolean {
  const value = headers.knownValues(Known.connection);
  if (value === undefined) return false;
  if (value === token) return true;
  if (value === 'keep-alive' || value === 'close') return false;
  if (value.length === token.length) return value.toLowerCase() === token;
  return listMembers(value).includes(token);
}

/** The members of a header's list (RFC 9110 §5.6.1) in lower case. */
export function listMembers(value: string): string[] {
  return value.toLowerCase().split(',').map(trimOws);
}

/**
 * Spaces and tabs, and only they, are white space around a member. `String.trim` takes the byte 0xa0 for a no-break
 * space: the proxy would read a token where other readers see none. A regular expression would be quadratic here.
 */
function trimOws(text: string): string {
  let start = 0;
  let end = text.length;
  while (start < end && isOws(text.charCodeAt(start))) start++;
  while (end > start && isOws(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

const isOws = (code: number): boolean => code === 32 || code === 9;
