/** Responses of a server that are wrong, or only unusual: RFC 9113 §8. */
import {
  Code,
  Flag,
  FrameType,
  Setting,
  continuation,
  data,
  frame,
  headers,
  maxWindow,
  padded,
  ping,
  priority,
  pushPromise,
  rstStream,
  settings,
  windowUpdate,
} from '../../support/http2/frames.ts';
import { type Field, block, indexed, literal } from '../../support/http2/hpack-writer.ts';
import { concat, requestFields } from './server-case.ts';

/** As `outcomeOf` says it. */
export interface ResponseCase {
  readonly name: string;
  readonly method: string;
  /** By the number of the stream. */
  readonly send: (streamId: number) => Buffer;
  readonly outcome: string;
  /** False: what was sent is an error of the connection, on which nothing more may be asked. */
  readonly keepsConnection: boolean;
}

const endsBoth = Flag.endHeaders | Flag.endStream;
const ok: Field = [':status', '200'];
const badGateway = '502 UPE';

function response(
  name: string,
  send: (streamId: number) => Buffer,
  outcome: string,
  { method = 'GET', keepsConnection = true } = {},
): ResponseCase {
  return { name, method, send, outcome, keepsConnection };
}

/** A whole response of these fields. */
function malformed(name: string, ...fields: readonly Field[]): ResponseCase {
  return response(name, (id) => headers(id, block(fields), endsBoth), badGateway);
}

function body(...fields: readonly Field[]): (streamId: number) => Buffer {
  return (id) => headers(id, block(fields));
}

export const malformedResponses: readonly ResponseCase[] = [
  malformed('no field at all'),
  malformed('no :status', ['x', '1']),
  ...['', '20', '2000', 'abc', '2 0', '+20', '099', '000', '-20', '200 OK', '20\0'].map((status) =>
    malformed(`status ${JSON.stringify(status)}`, [':status', status]),
  ),
  malformed(':status twice', ok, ok),
  malformed(':status behind a header', ['x', '1'], ok),
  malformed('a pseudo-header of requests', ok, [':path', '/']),
  malformed('a pseudo-header that nobody knows', ok, [':x', '1']),
  malformed('a name in upper case', ok, ['X', '1']),
  malformed('an empty name', ok, ['', '1']),
  malformed('a name with a space', ok, ['x y', '1']),
  malformed('a name with a line break', ok, ['x\r\ny', '1']),
  malformed('a value with a line break', ok, ['x', '1\r\ny: 2']),
  malformed('a value with a line feed', ok, ['x', '1\ny: 2']),
  malformed('a value with NUL', ok, ['x', '1\0']),
  malformed('a value that begins with a space', ok, ['x', ' 1']),
  ...['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade'].map((name) =>
    malformed(`the header ${name}`, ok, [name, name === 'transfer-encoding' ? 'chunked' : 'x']),
  ),
  malformed('a content-length that is no number', ok, ['content-length', 'abc']),
  malformed('two different content-lengths', ok, ['content-length', '0'], ['content-length', '1']),
  malformed('a content-length and no body', ok, ['content-length', '3']),
  malformed('status 101', [':status', '101']),
  malformed('an interim response that ends the stream', [':status', '103']),
  response('DATA instead of a head', (id) => data(id, 'abc', Flag.endStream), badGateway),
  response('nothing but the end of the stream', (id) => data(id, '', Flag.endStream), badGateway),
];

/** What was forwarded before the fault cannot be taken back: the client sees an error instead of an end. */
export const brokenResponses: readonly ResponseCase[] = [
  response(
    'a body that is shorter than its content-length',
    (id) => concat(body(ok, ['content-length', '5'])(id), data(id, 'abc', Flag.endStream)),
    'reset after 200',
  ),
  response(
    'a body that is longer than its content-length',
    (id) => concat(body(ok, ['content-length', '2'])(id), data(id, 'abc', Flag.endStream)),
    'reset after 200',
  ),
  response(
    'a body that goes on behind its content-length',
    (id) => concat(body(ok, ['content-length', '2'])(id), data(id, 'ab'), data(id, 'c', Flag.endStream)),
    'reset after 200',
  ),
  response(
    'a body behind 204',
    (id) => concat(body([':status', '204'])(id), data(id, 'abc', Flag.endStream)),
    'reset or ended after 204',
  ),
  response(
    'trailers without the end of the stream',
    (id) => concat(body(ok)(id), data(id, 'abc'), headers(id, literal(['x', '1']))),
    'reset after 200',
  ),
  response(
    ':status in trailers',
    (id) => concat(body(ok)(id), data(id, 'abc'), headers(id, literal(ok), endsBoth)),
    'reset after 200',
  ),
  response(
    'an upper-case name in trailers',
    (id) => concat(body(ok)(id), data(id, 'abc'), headers(id, literal(['X', '1']), endsBoth)),
    'reset after 200',
  ),
  response(
    'a line break in trailers',
    (id) => concat(body(ok)(id), data(id, 'abc'), headers(id, literal(['x', 'a\r\ny: 1']), endsBoth)),
    'reset after 200',
  ),
];

function connectionError(name: string, send: (streamId: number) => Buffer): ResponseCase {
  return response(name, send, badGateway, { keepsConnection: false });
}

export const connectionErrors: readonly ResponseCase[] = [
  connectionError('a header block that cannot be read', (id) => headers(id, indexed(0), endsBoth)),
  connectionError('HEADERS on the connection', () => headers(0, block([ok]), endsBoth)),
  connectionError('HEADERS on a stream that is not open', (id) => headers(id + 2, block([ok]), endsBoth)),
  connectionError('HEADERS on a stream of its own', () => headers(2, block([ok]), endsBoth)),
  connectionError('DATA on a stream that is not open', (id) => data(id + 2, 'abc')),
  connectionError('WINDOW_UPDATE on a stream that is not open', (id) => windowUpdate(id + 2, 1)),
  connectionError('RST_STREAM on a stream that is not open', (id) => rstStream(id + 2, Code.cancel)),
  connectionError('PUSH_PROMISE, which was never allowed', (id) =>
    pushPromise(id, 2, block(requestFields('GET', '/'))),
  ),
  connectionError('SETTINGS that allow the client to push', () => settings([Setting.enablePush, 1])),
  connectionError('SETTINGS with a window that is too large', () =>
    settings([Setting.initialWindowSize, maxWindow + 1]),
  ),
  connectionError('SETTINGS with a size of frames that is too small', () => settings([Setting.maxFrameSize, 100])),
  connectionError('WINDOW_UPDATE by nothing', () => windowUpdate(0, 0)),
  connectionError('a window beyond the greatest', () => windowUpdate(0, maxWindow)),
  connectionError('a frame that is too large', (id) => frame(FrameType.headers, { streamId: id, length: 16_385 })),
  connectionError('a frame of 16 MiB', (id) => frame(FrameType.data, { streamId: id, length: 0xffffff })),
  connectionError('PING of seven bytes', () => frame(FrameType.ping, { payload: Buffer.alloc(7) })),
  connectionError('CONTINUATION of nothing', (id) => continuation(id, block([ok]))),
  connectionError('PING in the middle of a header block', (id) => concat(headers(id, block([ok]), 0), ping())),
  connectionError('padding that is longer than its frame', (id) =>
    concat(headers(id, padded(block([ok]), 200, 0), endsBoth | Flag.padded)),
  ),
  connectionError('a response in HTTP/1.1', () => Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')),
  connectionError('what is no protocol at all', () => Buffer.alloc(1_000, 0xff)),
];

export const unusualResponses: readonly ResponseCase[] = [
  response(
    'interim responses in front',
    (id) =>
      concat(
        body([':status', '100'])(id),
        body([':status', '103'], ['link', '</a>'])(id),
        body(ok)(id),
        data(id, 'ok', Flag.endStream),
      ),
    '200 ok',
  ),
  response(
    'a hundred interim responses',
    (id) =>
      concat(...Array.from({ length: 100 }, () => body([':status', '102'])(id)), headers(id, block([ok]), endsBoth)),
    '200 ',
  ),
  response(
    'padding',
    (id) => concat(headers(id, padded(block([ok]), 9), 0x0c), data(id, padded('ok', 255), 9)),
    '200 ok',
  ),
  response('empty DATA', (id) => concat(body(ok)(id), data(id), data(id, 'ok'), data(id), data(id, '', 1)), '200 ok'),
  response(
    'a head in pieces',
    (id) => concat(headers(id, block([ok]).subarray(0, 3), 1), continuation(id, block([ok]).subarray(3))),
    '200 ',
  ),
  response('a status that nobody knows', (id) => headers(id, block([[':status', '599']]), endsBoth), '599 '),
  response(
    'content-length where there is no content',
    (id) => headers(id, block([ok, ['content-length', '5']]), endsBoth),
    '200 ',
    {
      method: 'HEAD',
    },
  ),
  response(
    '304 with a content-length',
    (id) =>
      headers(
        id,
        block([
          [':status', '304'],
          ['content-length', '5'],
        ]),
        endsBoth,
      ),
    '304 ',
  ),
  response('204', (id) => headers(id, block([[':status', '204']]), endsBoth), '204 '),
  response(
    'unknown frames, priorities and pings in between',
    (id) =>
      concat(
        frame(0x77, { streamId: id, flags: 0xff, payload: Buffer.alloc(99) }),
        body(ok)(id),
        priority(id, 0),
        ping(),
        windowUpdate(0, 1),
        windowUpdate(id, 1),
        frame(0x0c, { payload: Buffer.from('alt-svc') }),
        data(id, 'ok', Flag.endStream),
      ),
    '200 ok',
  ),
];
