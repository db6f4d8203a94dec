/** Envoy's http_inspector, pure: whether a connection begins with HTTP, and which. */

/** `incomplete`: the first bytes may become either. */
export type HttpInspection = 'incomplete' | 'none' | 'http/1.0' | 'http/1.1' | 'h2c';

/** RFC 9113 §3.4. */
const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const prefaceProbe = preface.subarray(0, 5);
/** Longer request lines are served as HTTP only where that is declared. */
const maxLineBytes = 8_192;
const maxMethodBytes = 24;

const space = 0x20;
const carriageReturn = 0x0d;
const lineFeed = 0x0a;

/** `bytes[0..length)`: the beginning of a connection. Only methods in capitals are recognized: all that are registered are. */
export function inspectHttp(bytes: Buffer, length: number): HttpInspection {
  if (isBeginningOf(prefaceProbe, bytes, length)) return inspectPreface(bytes, length);
  let at = 0;
  while (at < length && isMethodByte(bytes[at] ?? 0)) at += 1;
  if (at > maxMethodBytes) return 'none';
  if (at === length) return 'incomplete';
  if (at === 0 || bytes[at] !== space) return 'none';
  const targetStart = at + 1;
  for (at = targetStart; at < length; at++) {
    const byte = bytes[at] ?? 0;
    if (byte === lineFeed) return inspectVersion(bytes, targetStart, at);
    if (byte < space && byte !== carriageReturn) return 'none';
    if (byte === 0x7f) return 'none';
  }
  return length > maxLineBytes ? 'none' : 'incomplete';
}

function inspectPreface(bytes: Buffer, length: number): HttpInspection {
  if (!isBeginningOf(preface, bytes, length)) return 'none';
  return length < preface.length ? 'incomplete' : 'h2c';
}

/** Whether `bytes` and `text` agree as far as both go, and there is something to compare. */
function isBeginningOf(text: Buffer, bytes: Buffer, length: number): boolean {
  const common = Math.min(length, text.length);
  return common > 0 && bytes.compare(text, 0, common, 0, common) === 0;
}

/** Capitals and `-`, as in `VERSION-CONTROL`. */
function isMethodByte(byte: number): boolean {
  return (byte >= 0x41 && byte <= 0x5a) || byte === 0x2d;
}

/** The end of the request line, whose line feed stands at `end`. */
function inspectVersion(bytes: Buffer, targetStart: number, end: number): HttpInspection {
  const lineEnd = bytes[end - 1] === carriageReturn ? end - 1 : end;
  const version = bytes.toString('latin1', Math.max(targetStart, lineEnd - 9), lineEnd);
  if (lineEnd - 9 <= targetStart) return 'none';
  if (version === ' HTTP/1.1') return 'http/1.1';
  return version === ' HTTP/1.0' ? 'http/1.0' : 'none';
}
