/**
 * What tests read from raw bytes: an independent and deliberately plain reading of HTTP/1.1 that shares nothing with the
 * codec. Text is latin1, one character per byte.
 */
export interface HttpMessage {
  readonly startLine: string;
  /** The whole head with its empty line. */
  readonly head: string;
  /** Names as sent. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: string;
  /** Characters of the message in the text. */
  readonly length: number;
}

export interface ReadOptions {
  /** A response without a declared length ends with the connection. */
  readonly kind: 'request' | 'response';
  /** The response to a HEAD request. */
  readonly isHead?: boolean;
  /** No more bytes will come. */
  readonly isEnded?: boolean;
}

/** The message at the beginning of `text`; undefined when it is not complete. Throws on what is not HTTP/1.1. */
export function readMessage(text: string, options: ReadOptions): HttpMessage | undefined {
  const headEnd = text.indexOf('\r\n\r\n');
  if (headEnd < 0) return undefined;
  const [startLine = '', ...lines] = text.slice(0, headEnd).split('\r\n');
  const headers = lines.map(readHeader);
  const head = text.slice(0, headEnd + 4);
  const body = readBody(text.slice(head.length), { startLine, headers }, options);
  return body && { startLine, head, headers, body: body.content, length: head.length + body.length };
}

export function headerOf(message: Pick<HttpMessage, 'headers'>, name: string): string | undefined {
  return message.headers.find(([each]) => each.toLowerCase() === name)?.[1];
}

/** 0 when the start line is not that of a response. */
export function statusOf({ startLine }: Pick<HttpMessage, 'startLine'>): number {
  return Number(/^HTTP\/1\.1 (\d{3})(?: |$)/.exec(startLine)?.[1] ?? 0);
}

function readHeader(line: string): readonly [string, string] {
  const match = /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+):[ \t]*(.*?)[ \t]*$/.exec(line);
  if (match === null) throw new Error(`not a header line: ${JSON.stringify(line)}`);
  return [match[1] ?? '', match[2] ?? ''];
}

interface Body {
  readonly content: string;
  readonly length: number;
}

function readBody(
  rest: string,
  head: Pick<HttpMessage, 'startLine' | 'headers'>,
  { kind, isHead = false, isEnded = false }: ReadOptions,
): Body | undefined {
  const none = { content: '', length: 0 };
  if (kind === 'response') {
    const status = statusOf(head);
    if (status < 100) throw new Error(`not a status line: ${JSON.stringify(head.startLine)}`);
    if (isHead || status < 200 || status === 204 || status === 304) return none;
  }
  const transferEncoding = headerOf(head, 'transfer-encoding');
  const contentLength = headerOf(head, 'content-length');
  if (transferEncoding !== undefined) {
    if (contentLength !== undefined) throw new Error('both Content-Length and Transfer-Encoding');
    if (transferEncoding !== 'chunked') throw new Error(`Transfer-Encoding: ${transferEncoding}`);
    return readChunks(rest);
  }
  if (contentLength !== undefined) {
    const length = Number(contentLength);
    return rest.length < length ? undefined : { content: rest.slice(0, length), length };
  }
  if (kind === 'request') return none;
  return isEnded ? { content: rest, length: rest.length } : undefined;
}

function readChunks(rest: string): Body | undefined {
  let content = '';
  for (let at = 0; ;) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const line = rest.slice(at, lineEnd);
    if (!/^[0-9a-f]+$/.test(line)) throw new Error(`not a chunk size: ${JSON.stringify(line)}`);
    const size = parseInt(line, 16);
    const end = lineEnd + 2 + size;
    if (rest.length < end + 2) return undefined;
    if (rest.slice(end, end + 2) !== '\r\n') throw new Error('a chunk does not end with CRLF');
    content += rest.slice(lineEnd + 2, end);
    at = end + 2;
    if (size === 0) return { content, length: at };
  }
}
