/** Responses as bytes, what of them reaches the client, and whether the upstream connection may be used again. */
import { head } from './request-case.ts';

export interface ResponseCase {
  readonly name: string;
  readonly method: string;
  /** What the upstream sends, latin1. */
  readonly send: string;
  /** The upstream sends FIN behind it. */
  readonly ends: boolean;
  /** What the client gets: the exact head and the content of the body; `reset` when nothing complete, then a reset. */
  readonly client: { readonly head: string; readonly body: string } | 'bad gateway' | 'reset';
  /** The next request goes out on the same connection. */
  readonly reuses: boolean;
}

interface ForwardedCase {
  readonly method?: string;
  readonly send: string;
  readonly client: { readonly head: string; readonly body: string };
  readonly ends?: boolean;
  readonly reuses?: boolean;
}

function forwarded(name: string, { method, send, client, ends, reuses }: ForwardedCase): ResponseCase {
  return { name, method: method ?? 'GET', send, client, ends: ends ?? false, reuses: reuses ?? true };
}

function rejected(name: string, send: string, client: 'bad gateway' | 'reset' = 'bad gateway'): ResponseCase {
  return { name, method: 'GET', send, client, ends: false, reuses: false };
}

/** The head as the client sees it. */
function received(lines: readonly string[], body = '', framing: readonly string[] = []): ForwardedCase['client'] {
  return { head: head(...lines, 'x-envoy-upstream-service-time: 0', ...framing), body };
}

const ok = 'HTTP/1.1 200 OK';
const chunkedLine = 'transfer-encoding: chunked';

const framings: readonly ResponseCase[] = [
  forwarded('Content-Length', {
    send: `${head(ok, 'Content-Length: 5')}a\r\n\r\n`,
    client: received([ok, 'Content-Length: 5'], 'a\r\n\r\n'),
  }),
  forwarded('Content-Length: 0', { send: head(ok, 'content-length: 0'), client: received([ok, 'content-length: 0']) }),
  forwarded('chunks with extensions and trailers', {
    send: `${head(ok, 'Transfer-Encoding: chunked', 'Trailer: T')}3;x=1\r\nabc\r\nB\r\n0123456789\n\r\n0\r\nT: 1\r\n\r\n`,
    client: received([ok], 'abc0123456789\n', [chunkedLine]),
  }),
  forwarded('no chunk but the last', {
    send: `${head(ok, 'Transfer-Encoding: Chunked')}0\r\n\r\n`,
    client: received([ok], '', [chunkedLine]),
  }),
  forwarded('a body until the connection closes', {
    send: `${head(ok, 'X: 1')}all of it`,
    client: received([ok, 'X: 1'], 'all of it', [chunkedLine]),
    ends: true,
    reuses: false,
  }),
  forwarded('an empty body until the connection closes', {
    send: head(ok),
    client: received([ok], '', [chunkedLine]),
    ends: true,
    reuses: false,
  }),
  forwarded('a body that looks like a response', {
    send: `${head(ok, 'Content-Length: 38')}${head(ok, 'Content-Length: 0')}`,
    client: received([ok, 'Content-Length: 38'], head(ok, 'Content-Length: 0')),
  }),
  forwarded('204 has no body', {
    send: head('HTTP/1.1 204 No Content', 'X: 1'),
    client: received(['HTTP/1.1 204 No Content', 'X: 1']),
  }),
  forwarded('304 has no body whatever its length says', {
    send: head('HTTP/1.1 304 Not Modified', 'Content-Length: 100', 'ETag: "x"'),
    client: received(['HTTP/1.1 304 Not Modified', 'Content-Length: 100', 'ETag: "x"']),
  }),
  forwarded('the response to HEAD has no body whatever its length says', {
    method: 'HEAD',
    send: head(ok, 'Content-Length: 100'),
    client: received([ok, 'Content-Length: 100']),
  }),
  forwarded('the response to HEAD has no body when it is chunked', {
    method: 'HEAD',
    send: head(ok, 'Transfer-Encoding: chunked'),
    client: received([ok]),
  }),
];

const heads: readonly ResponseCase[] = [
  forwarded('reason phrases and headers keep their bytes', {
    send: head(
      'HTTP/1.1 404 Nicht gef\xfcnden  ',
      'x-A:1',
      'B: \xe4\xf6 ',
      'Set-Cookie: a=1',
      'Set-Cookie: b=2',
      'Content-Length: 0',
    ),
    client: received([
      'HTTP/1.1 404 Nicht gef\xfcnden  ',
      'x-A:1',
      'B: \xe4\xf6 ',
      'Set-Cookie: a=1',
      'Set-Cookie: b=2',
      'Content-Length: 0',
    ]),
  }),
  forwarded('an empty reason phrase', {
    send: head('HTTP/1.1 200 ', 'Content-Length: 0'),
    client: received(['HTTP/1.1 200 ', 'Content-Length: 0']),
  }),
  forwarded('no reason phrase at all', {
    send: head('HTTP/1.1 200', 'Content-Length: 0'),
    client: received(['HTTP/1.1 200', 'Content-Length: 0']),
  }),
  forwarded('a status nobody has heard of', {
    send: head('HTTP/1.1 799 Odd', 'Content-Length: 0'),
    client: received(['HTTP/1.1 799 Odd', 'Content-Length: 0']),
  }),
  forwarded('HTTP/1.0', {
    send: `${head('HTTP/1.0 200 Fine', 'Content-Length: 2')}ab`,
    client: received(['HTTP/1.1 200 Fine', 'Content-Length: 2'], 'ab'),
    reuses: false,
  }),
  forwarded('HTTP/1.0 with keep-alive', {
    send: `${head('HTTP/1.0 200 Fine', 'Connection: Keep-Alive', 'Content-Length: 2')}ab`,
    client: received(['HTTP/1.1 200 Fine', 'Content-Length: 2'], 'ab'),
  }),
  forwarded('Connection: close', {
    send: `${head(ok, 'Content-Length: 2', 'Connection: Close')}ab`,
    client: received([ok, 'Content-Length: 2'], 'ab'),
    reuses: false,
  }),
  forwarded('Connection: close in the first of two Connection headers', {
    send: `${head(ok, 'Content-Length: 2', 'Connection: close', 'Connection: x-a', 'X-A: 1')}ab`,
    client: received([ok, 'Content-Length: 2'], 'ab'),
    reuses: false,
  }),
  forwarded('hop-by-hop headers and those that Connection names', {
    send: head(
      ok,
      'Connection: x-hop, keep-alive',
      'X-Hop: 1',
      'Keep-Alive: timeout=60',
      'Upgrade: h2c',
      'X: 1',
      'Content-Length: 0',
    ),
    client: received([ok, 'X: 1', 'Content-Length: 0']),
  }),
  forwarded('header names that are properties of every object', {
    send: head(ok, '__proto__: 1', 'constructor: 2', 'Content-Length: 0'),
    client: received([ok, '__proto__: 1', 'constructor: 2', 'Content-Length: 0']),
  }),
  forwarded('interim responses end at this hop', {
    send: `${head('HTTP/1.1 100 Continue')}${head('HTTP/1.1 103 Early Hints', 'Link: x', 'Content-Length: 7')}${head(ok, 'Content-Length: 2')}ab`,
    client: received([ok, 'Content-Length: 2'], 'ab'),
  }),
];

const excess: readonly ResponseCase[] = [
  forwarded('bytes beyond Content-Length', {
    send: `${head(ok, 'Content-Length: 2')}ab${head(ok, 'Content-Length: 4')}evil`,
    client: received([ok, 'Content-Length: 2'], 'ab'),
    reuses: false,
  }),
  forwarded('bytes behind the last chunk', {
    send: `${head(ok, 'Transfer-Encoding: chunked')}1\r\na\r\n0\r\n\r\n${head(ok, 'Content-Length: 4')}evil`,
    client: received([ok], 'a', [chunkedLine]),
    reuses: false,
  }),
  forwarded('a body of 204', {
    send: `${head('HTTP/1.1 204 No Content')}evil`,
    client: received(['HTTP/1.1 204 No Content']),
    reuses: false,
  }),
  forwarded('a body of the response to HEAD', {
    method: 'HEAD',
    send: `${head(ok, 'Content-Length: 4')}evil`,
    client: received([ok, 'Content-Length: 4']),
    reuses: false,
  }),
];

const malformed: readonly ResponseCase[] = [
  rejected('no HTTP at all', 'hello\r\n\r\n'),
  rejected('HTTP/2', head('HTTP/2 200 OK')),
  rejected('a status of two digits', head('HTTP/1.1 20 OK')),
  rejected('a status of four digits', head('HTTP/1.1 2000 OK')),
  rejected('a status below 100', head('HTTP/1.1 099 OK')),
  rejected('a status line that ends with LF', 'HTTP/1.1 200 OK\nContent-Length: 0\r\n\r\n'),
  rejected('NUL in the reason phrase', head('HTTP/1.1 200 O\0K')),
  rejected('obs-fold', head(ok, 'X: 1', ' 2', 'Content-Length: 0')),
  rejected('a space before the colon', head(ok, 'Content-Length : 0')),
  rejected('a header line that ends with LF', 'HTTP/1.1 200 OK\r\nX: 1\nContent-Length: 0\r\n\r\n'),
  rejected('a control byte in a header', head(ok, 'X: \x01')),
  rejected(
    'both Content-Length and Transfer-Encoding',
    `${head(ok, 'Content-Length: 3', 'Transfer-Encoding: chunked')}0\r\n\r\n`,
  ),
  rejected('two Content-Lengths', `${head(ok, 'Content-Length: 2', 'Content-Length: 2')}ab`),
  rejected('a malformed Content-Length', `${head(ok, 'Content-Length: 2x')}ab`),
  rejected('a Transfer-Encoding other than chunked', `${head(ok, 'Transfer-Encoding: gzip, chunked')}0\r\n\r\n`),
  rejected('101 nobody asked for', head('HTTP/1.1 101 Switching Protocols', 'Upgrade: x', 'Connection: upgrade')),
  rejected('a head of more than 60 KiB', head(ok, `X: ${'x'.repeat(62_000)}`)),
  rejected('101 headers', head(ok, ...Array.from({ length: 101 }, (_, i) => `X-${i}: 1`))),
  rejected('chunks that are no chunks', `${head(ok, 'Transfer-Encoding: chunked')}3\r\nabcd\r\n0\r\n\r\n`, 'reset'),
  rejected('a chunk size beyond all numbers', `${head(ok, 'Transfer-Encoding: chunked')}ffffffffffffffff\r\n`, 'reset'),
  rejected('endless chunk extensions', `${head(ok, 'Transfer-Encoding: chunked')}1;${'x'.repeat(20_000)}\r\n`, 'reset'),
];

export const responseCases: readonly ResponseCase[] = [...framings, ...heads, ...excess, ...malformed];
