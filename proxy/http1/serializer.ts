/** Heads as they go out. What nobody changed is cut from the received text in as few pieces as possible; framing is ours. */
import { Known, knownHeaders } from '../http/header-name.ts';
import { type HeaderMap, fieldStride } from '../http/header-map.ts';
import { type RequestHead, type ResponseHead, chunkedBody } from '../http/message-head.ts';
import { listMembers } from './framing.ts';

/**
 * Marks the headers that concern one connection only (RFC 9110 §7.6.1), so that they are not forwarded: Connection and
 * what it names, Keep-Alive, Proxy-Connection, TE, Trailer, Transfer-Encoding, Upgrade, and Expect, which this hop answers.
 */
export function removeHopByHop(headers: HeaderMap): void {
  if ((headers.knownMask & hopByHopMask) === 0) return;
  if (headers.hasKnown(Known.connection)) removeConnectionHeaders(headers);
  for (const index of hopByHop) if (headers.hasKnown(index)) removeEvery(headers, index);
}

const hopByHop = [
  Known.connection,
  Known.keepAlive,
  Known.proxyConnection,
  Known.te,
  Known.trailer,
  Known.transferEncoding,
  Known.upgrade,
  Known.expect,
];
const hopByHopMask = hopByHop.reduce<number>((mask, index) => mask | (1 << index), 0);

function removeEvery(headers: HeaderMap, index: number): void {
  const name = knownHeaders[index];
  if (name === undefined) return;
  for (let i = headers.find(name, 0); i >= 0; i = headers.find(name, i + 1)) headers.removeAt(i);
}

/** A header that this proxy acts on cannot be named away: that is how trusted headers are stripped on purpose. */
function removeConnectionHeaders(headers: HeaderMap): void {
  const value = headers.knownValues(Known.connection) ?? '';
  if (value === 'keep-alive' || value === 'close' || value === 'Keep-Alive' || value === 'Close') return;
  // A set, because a head holds up to 30,000 names: comparing each with each header would cost a second.
  const named = new Set(listMembers(value));
  for (const { text } of knownHeaders) named.delete(text);
  for (let i = 0; i < headers.count; i++) if (named.has(headers.nameAt(i).toLowerCase())) headers.removeAt(i);
}

/** A request head for an HTTP/1.1 upstream, complete with the empty line. */
export function serializeRequest(head: RequestHead): string {
  const startLine = head.hasOriginalStartLine ? '' : `${head.method} ${head.path} HTTP/1.1\r\n`;
  const host = head.headers.hasKnown(Known.host) ? '' : `host: ${head.authority}\r\n`;
  const framing = head.contentLength === chunkedBody ? 'transfer-encoding: chunked\r\n\r\n' : '\r\n';
  const upgrade = head.upgrade === '' ? '' : upgradeLines(head.upgrade);
  return startLine + spliceHeaders(head.headers, head.hasOriginalStartLine) + host + upgrade + framing;
}

/** What asks for another protocol, and what grants it (RFC 9110 §7.8). */
export function upgradeLines(protocol: string): string {
  return `connection: upgrade\r\nupgrade: ${protocol}\r\n`;
}

/** A response head as HTTP/1.1, complete with the empty line; `framing` holds the lines that frame the body. */
export function serializeResponse(head: ResponseHead, framing: string): string {
  const hasUntouchedStartLine = head.minorVersion === 1 && head.headers.text !== '';
  const startLine = hasUntouchedStartLine ? '' : `HTTP/1.1 ${head.status} ${head.reason}\r\n`;
  return `${startLine}${spliceHeaders(head.headers, hasUntouchedStartLine)}${framing}\r\n`;
}

/** All header lines that are left, received ones first; with the start line in front when it is untouched. */
function spliceHeaders(headers: HeaderMap, withStartLine: boolean): string {
  const { text, fields, count, addedNames, addedValues, addedCount } = headers;
  let out = '';
  let runStart = withStartLine ? 0 : -1;
  for (let i = 0, at = 0; i < count; i++, at += fieldStride) {
    const isRemoved = fields[at + 1] === -1;
    if (isRemoved === runStart < 0) continue;
    const start = fields[at] ?? 0;
    if (isRemoved) {
      out += text.slice(runStart, start);
      runStart = -1;
    } else {
      runStart = start;
    }
  }
  if (runStart >= 0) out += text.slice(runStart, text.length - 2);
  for (let i = 0; i < addedCount; i++) out += `${addedNames[i]?.linePrefix}${addedValues[i]}\r\n`;
  return out;
}
