/**
 * HTTP/1.1 heads, strictly (RFC 9112 §2–5): one walk over the bytes checks every character and notes where names and
 * values stand. What RFC 9112 lets a recipient tolerate and attackers use (bare LF, obs-fold, space before the colon,
 * control bytes) is refused. The text is cut out once, afterwards.
 */
import { latin1 } from '../common/latin1.ts';
import type { HeadLimits } from '../http/head-limits.ts';
import { bitOfHash, hashStep } from '../http/header-name.ts';
import { type HeaderMap, fieldStride } from '../http/header-map.ts';
import type { RequestHead, ResponseHead } from '../http/message-head.ts';

/** Results below zero; zero means that bytes are missing; above zero is the length of the head. */
export const headIncomplete = 0;
export const headMalformed = -1;
export const headTooLarge = -2;

const cr = 13;
const lf = 10;
const space = 32;
const colon = 58;

/** Per byte: 1 token (RFC 9110 §5.6.2), 2 field value incl. obs-text, space and tab, 4 request target, 8 digit. */
const classes = new Uint8Array(256);
const isToken = 1;
const isValue = 2;
const isTarget = 4;
const isDigit = 8;
for (let byte = 0; byte < 256; byte++) {
  const char = String.fromCharCode(byte);
  if (/[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(char)) classes[byte] = (classes[byte] ?? 0) | isToken;
  if (byte === 9 || (byte >= 32 && byte !== 127)) classes[byte] = (classes[byte] ?? 0) | isValue;
  // Visible ASCII, as Envoy and llhttp have it. A fragment never leaves the client: readers cut it off or do not.
  if (byte > 32 && byte < 127 && char !== '#') classes[byte] = (classes[byte] ?? 0) | isTarget;
  if (/[0-9]/.test(char)) classes[byte] = (classes[byte] ?? 0) | isDigit;
}

const is = (byte: number | undefined, mask: number): boolean => ((classes[byte ?? 0] ?? 0) & mask) !== 0;

/** Whether `byte` may stand in the name of a header or a trailer. */
export function isTokenByte(byte: number): boolean {
  return is(byte, isToken);
}

/** Parses a request head that starts at `start`. On success `head`, which must be as new, is filled. */
export function parseRequestHead(
  bytes: Buffer,
  { start, end }: { start: number; end: number },
  limits: HeadLimits,
  head: RequestHead,
): number {
  // One empty line before a request is old clients' habit and allowed (RFC 9112 §2.2).
  let from = start;
  if (bytes[from] === cr && from < end) {
    if (from + 1 >= end) return headIncomplete;
    if (bytes[from + 1] !== lf) return headMalformed;
    from += 2;
  }
  let at = from;
  while (at < end && is(bytes[at], isToken)) at++;
  if (at === end) return incompleteOr(at - start, limits);
  const methodEnd = at;
  if (methodEnd === from || bytes[at] !== space) return headMalformed;
  const targetStart = ++at;
  while (at < end && is(bytes[at], isTarget)) at++;
  if (at === end) return incompleteOr(at - start, limits);
  const targetEnd = at;
  if (targetEnd === targetStart || bytes[at] !== space) return headMalformed;
  const versionStart = at + 1;
  const version = parseVersion(bytes, versionStart, end);
  if (version < 0) return version === notYet ? headIncomplete : headMalformed;
  if (!(versionStart + 8 < end)) return headIncomplete;
  if (bytes[versionStart + 8] !== cr) return headMalformed;
  if (versionStart + 9 >= end) return headIncomplete;
  if (bytes[versionStart + 9] !== lf) return headMalformed;

  const headEnd = parseFields(bytes, { base: from, at: versionStart + 10, end }, limits, head.headers);
  if (headEnd <= 0) return headEnd;
  const text = latin1(bytes, from, headEnd);
  head.headers.text = text;
  if (!head.headers.noteKnown()) return headMalformed;
  head.minorVersion = version;
  head.hasOriginalStartLine = version === 1;
  head.method = methodEnd - from === 3 && text.startsWith('GET') ? 'GET' : text.slice(0, methodEnd - from);
  head.path = text.slice(targetStart - from, targetEnd - from);
  return headEnd - start;
}

/** Parses a response head that starts at `start` into `head`, which must be as new. */
export function parseResponseHead(
  bytes: Buffer,
  { start, end }: { start: number; end: number },
  limits: HeadLimits,
  head: ResponseHead,
): number {
  const version = parseVersion(bytes, start, end);
  if (version < 0) return version === notYet ? headIncomplete : headMalformed;
  let at = start + 8;
  // "HTTP/1.1 200" and then either " reason" or, as some servers send it, nothing.
  if (end - start < 13) return headIncomplete;
  if (bytes[at] !== space) return headMalformed;
  let status = 0;
  for (let i = 1; i <= 3; i++) {
    const byte = bytes[at + i] ?? 0;
    if (!is(byte, isDigit)) return headMalformed;
    status = status * 10 + byte - 48;
  }
  if (status < 100) return headMalformed;
  at += 4;
  let reasonStart = at;
  if (bytes[at] === space) {
    reasonStart = ++at;
    while (at < end && is(bytes[at], isValue)) at++;
    if (at === end) return incompleteOr(at - start, limits);
  }
  const reasonEnd = at;
  if (bytes[at] !== cr) return headMalformed;
  if (at + 1 >= end) return headIncomplete;
  if (bytes[at + 1] !== lf) return headMalformed;

  const headEnd = parseFields(bytes, { base: start, at: at + 2, end }, limits, head.headers);
  if (headEnd <= 0) return headEnd;
  const text = latin1(bytes, start, headEnd);
  head.headers.text = text;
  if (!head.headers.noteKnown()) return headMalformed;
  head.minorVersion = version;
  head.status = status;
  head.reason = text.slice(reasonStart - start, reasonEnd - start);
  return headEnd - start;
}

const notYet = -1;
const notHttp1 = -2;
const versionPrefix = Buffer.from('HTTP/1.');

/** 0 or 1 for HTTP/1.0 and HTTP/1.1; `notYet` or `notHttp1` otherwise. */
function parseVersion(bytes: Buffer, start: number, end: number): number {
  for (let i = 0; i < 7; i++) {
    if (start + i >= end) return notYet;
    if (bytes[start + i] !== versionPrefix[i]) return notHttp1;
  }
  if (start + 7 >= end) return notYet;
  const minor = (bytes[start + 7] ?? 0) - 48;
  return minor === 0 || minor === 1 ? minor : notHttp1;
}

function incompleteOr(length: number, limits: HeadLimits): number {
  return length > limits.maxBytes ? headTooLarge : headIncomplete;
}

/** Header lines up to and including the empty line. Offsets are stored relative to `base`. Returns the end or a code <= 0. */
function parseFields(
  bytes: Buffer,
  { base, at: first, end }: { base: number; at: number; end: number },
  limits: HeadLimits,
  headers: HeaderMap,
): number {
  let at = first;
  let { fields } = headers;
  let count = 0;
  let nameBits = 0;
  const table = classes;
  for (;;) {
    if (at >= end) return incompleteOr(at - base, limits);
    if (bytes[at] === cr) {
      if (at + 1 >= end) return headIncomplete;
      if (bytes[at + 1] !== lf) return headMalformed;
      if (at + 2 - base > limits.maxBytes) return headTooLarge;
      headers.count = count;
      headers.nameBits = nameBits;
      return at + 2;
    }
    if (count === limits.maxHeaders) return headTooLarge;
    const nameStart = at;
    let hash = 0;
    let byte = bytes[at] ?? 0;
    while (((table[byte] ?? 0) & isToken) !== 0) {
      hash = hashStep(hash, byte);
      at++;
      if (at === end) return incompleteOr(at - base, limits);
      byte = bytes[at] ?? 0;
    }
    const nameEnd = at;
    if (byte !== colon || nameEnd === nameStart) return headMalformed;
    at++;
    while (at < end && (bytes[at] === space || bytes[at] === 9)) at++;
    const valueStart = at;
    while (at < end && ((table[bytes[at] ?? 0] ?? 0) & isValue) !== 0) at++;
    if (at + 1 >= end) return at < end && bytes[at] !== cr ? headMalformed : incompleteOr(at - base, limits);
    if (bytes[at] !== cr || bytes[at + 1] !== lf) return headMalformed;
    let valueEnd = at;
    while (valueEnd > valueStart && (bytes[valueEnd - 1] === space || bytes[valueEnd - 1] === 9)) valueEnd--;
    at += 2;
    const slot = count * fieldStride;
    if (slot === fields.length) {
      headers.grow();
      ({ fields } = headers);
    }
    fields[slot] = nameStart - base;
    fields[slot + 1] = nameEnd - base;
    fields[slot + 2] = valueStart - base;
    fields[slot + 3] = valueEnd - base;
    fields[slot + 4] = hash;
    nameBits |= bitOfHash(hash);
    count++;
  }
}
