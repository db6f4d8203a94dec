/** Streams: their identifiers, their states, header blocks in pieces. RFC 9113 §4.3, §5.1, §5.3, §6.10. */
import {
  Code,
  Flag,
  continuation,
  data,
  frame,
  headers,
  ping,
  priority,
  priorityFields,
  rstStream,
  settings,
  windowUpdate,
} from '../../support/http2/frames.ts';
import { block } from '../../support/http2/hpack-writer.ts';
import {
  type ServerCase,
  closedStream,
  concat,
  connectionError,
  eitherError,
  get,
  ignored,
  lastData,
  post,
  requestFields,
  served,
  serverCase,
  whole,
} from './server-case.ts';

const { protocolError, streamClosed, cancel } = Code;
const trailers = block([['x-trailer', '1']]);
const endsBoth = Flag.endHeaders | Flag.endStream;
const one = { upstream: ['GET /1'] };
const heldGet = { upstream: ['GET /held'] };

export const identifierCases: readonly ServerCase[] = [
  serverCase('§5.1.1 | a stream with an even number', get(2, '/bad'), connectionError(protocolError)),
  serverCase('§5.1.1 | streams with gaps between their numbers', concat(get(3, '/1'), get(51, '/1')), served(3, 51), {
    upstream: ['GET /1', 'GET /1'],
  }),
  serverCase(
    '§5.1.1 | a stream below one that is open',
    concat(get(5, '/held'), get(3, '/bad')),
    connectionError(protocolError, streamClosed),
    heldGet,
  ),
  serverCase(
    '§5.1.1 | a stream below one that is over',
    [get(5, '/1'), { untilOver: 5 }, get(3, '/bad')],
    connectionError(protocolError, streamClosed),
    one,
  ),
];

export const idleCases: readonly ServerCase[] = [
  serverCase('§5.1 | DATA on an idle stream', data(1, 'bad'), connectionError(protocolError)),
  serverCase('§5.1, §6.4 | RST_STREAM on an idle stream', rstStream(1, cancel), connectionError(protocolError)),
  serverCase('§5.1 | WINDOW_UPDATE on an idle stream', windowUpdate(1, 1), connectionError(protocolError)),
  serverCase('§6.10 | CONTINUATION on an idle stream', continuation(1, trailers), connectionError(protocolError)),
  serverCase('§5.1, §6.3 | PRIORITY on an idle stream', concat(priority(3, 0), get(1, '/1')), served(1), one),
  serverCase('§6.3 | PRIORITY on an idle stream with an even number', priority(2, 0), ignored),
  serverCase(
    '§5.1 | WINDOW_UPDATE on an idle stream of the server',
    windowUpdate(2, 1),
    connectionError(protocolError),
  ),
];

export const halfClosedCases: readonly ServerCase[] = [
  serverCase(
    '§5.1 | DATA behind END_STREAM',
    concat(get(1, '/held'), data(1, 'bad')),
    eitherError(1, streamClosed),
    heldGet,
  ),
  serverCase(
    '§5.1 | END_STREAM twice',
    concat(post(1, '/held'), lastData(1, 'abc'), lastData(1)),
    eitherError(1, streamClosed),
    { upstream: ['POST /held'] },
  ),
  serverCase(
    '§5.1 | HEADERS behind END_STREAM',
    concat(get(1, '/held'), get(1, '/bad')),
    eitherError(1, streamClosed),
    heldGet,
  ),
  serverCase(
    '§5.1 | trailers behind END_STREAM',
    concat(get(1, '/held'), headers(1, trailers, endsBoth)),
    eitherError(1, streamClosed),
    heldGet,
  ),
  serverCase(
    '§6.10 | CONTINUATION behind END_STREAM',
    concat(get(1, '/held'), continuation(1, trailers)),
    connectionError(protocolError),
    heldGet,
  ),
  serverCase(
    '§5.1 | WINDOW_UPDATE and PRIORITY behind END_STREAM',
    concat(get(1, '/held'), windowUpdate(1, 1), priority(1, 0)),
    ignored,
    heldGet,
  ),
  serverCase('§5.1 | RST_STREAM behind END_STREAM', concat(get(1, '/held'), rstStream(1, cancel)), ignored, heldGet),
];

export const closedCases: readonly ServerCase[] = [
  ...(
    [
      ['DATA', data(1, 'bad')],
      ['HEADERS', get(1, '/bad')],
      ['trailers', headers(1, trailers, endsBoth)],
      ['an unknown frame', frame(0x42, { streamId: 1 })],
    ] as const
  ).flatMap(([what, bytes]) => [
    serverCase(
      `§5.1 | ${what} on a stream that is over`,
      [get(1, '/1'), { untilOver: 1 }, bytes],
      closedStream(1),
      one,
    ),
    serverCase(
      `§5.1 | ${what} on a stream that the client has reset`,
      concat(post(1, '/held'), rstStream(1, cancel), bytes),
      closedStream(1),
    ),
  ]),
  ...(
    [
      ['WINDOW_UPDATE', windowUpdate(1, 1)],
      ['RST_STREAM', rstStream(1, cancel)],
      ['PRIORITY', priority(1, 0)],
    ] as const
  ).map(([what, bytes]) =>
    serverCase(`§5.1 | ${what} on a stream that is over`, [get(1, '/1'), { untilOver: 1 }, bytes], ignored, one),
  ),
  serverCase(
    '§6.10 | CONTINUATION on a stream that is over',
    [get(1, '/1'), { untilOver: 1 }, continuation(1, trailers)],
    connectionError(protocolError, streamClosed),
    one,
  ),
  serverCase('§5.1 | RST_STREAM twice', concat(post(1, '/held'), rstStream(1, cancel), rstStream(1, cancel)), ignored),
  serverCase(
    '§5.1 | a body that goes on after its stream was reset as malformed',
    concat(
      post(1, '/bad', ['X', '1']),
      data(1, 'bad'),
      windowUpdate(1, 5),
      headers(1, trailers, endsBoth),
      get(3, '/1'),
    ),
    served(3),
    one,
  ),
];

const fields = block(requestFields('GET', '/1'));
const badFields = block(requestFields('GET', '/bad'));
const pieces = (at: number): [Buffer, Buffer] => [fields.subarray(0, at), fields.subarray(at)];
const [first, rest] = pieces(10);

export const continuationCases: readonly ServerCase[] = [
  serverCase(
    '§6.10 | a header block in HEADERS and CONTINUATION',
    concat(headers(1, first, Flag.endStream), continuation(1, rest)),
    served(1),
    one,
  ),
  serverCase(
    '§6.10 | a header block of which nothing is in HEADERS',
    concat(headers(1, Buffer.alloc(0), Flag.endStream), continuation(1, Buffer.alloc(0), 0), continuation(1, fields)),
    served(1),
    one,
  ),
  serverCase(
    '§6.10 | a header block in eight pieces, the last one empty',
    concat(
      headers(1, fields.subarray(0, 1), Flag.endStream),
      ...Array.from({ length: 6 }, (_, i) => continuation(1, fields.subarray(1 + i, i === 5 ? undefined : 2 + i), 0)),
      continuation(1, Buffer.alloc(0)),
    ),
    served(1),
    one,
  ),
  serverCase(
    '§6.2, §6.10 | HEADERS without END_HEADERS, but with priority and flags that CONTINUATION does not have',
    concat(
      headers(1, concat(priorityFields(0), first), Flag.endStream | Flag.priority),
      continuation(1, rest, Flag.endHeaders | 0xf2),
    ),
    served(1),
    one,
  ),
  ...(
    [
      ['DATA', data(1, 'bad')],
      ['HEADERS of the same stream', headers(1, rest)],
      ['HEADERS of another stream', get(3, '/bad')],
      ['CONTINUATION of another stream', continuation(3, rest)],
      ['PING', ping()],
      ['SETTINGS', settings()],
      ['WINDOW_UPDATE', windowUpdate(0, 1)],
      ['PRIORITY', priority(1, 0)],
      ['RST_STREAM', rstStream(1, cancel)],
      ['a frame of an unknown type', frame(0x42, { streamId: 1 })],
    ] as const
  ).map(([what, bytes]) =>
    serverCase(
      `§4.3, §6.10 | ${what} in the middle of a header block`,
      concat(headers(1, badFields, Flag.endStream), bytes),
      connectionError(protocolError),
    ),
  ),
  serverCase(
    '§6.10 | CONTINUATION behind END_HEADERS',
    concat(post(1, '/held'), continuation(1, trailers)),
    connectionError(protocolError),
  ),
  serverCase(
    '§6.10 | CONTINUATION behind CONTINUATION with END_HEADERS',
    concat(
      headers(1, block(requestFields('POST', '/held')), 0),
      continuation(1, Buffer.alloc(0)),
      continuation(1, trailers),
    ),
    connectionError(protocolError),
  ),
  serverCase(
    '§6.10 | CONTINUATION behind DATA',
    concat(post(1, '/held'), data(1, 'abc'), continuation(1, trailers)),
    connectionError(protocolError),
  ),
];

/** RFC 9113 §5.3.2 has no priorities any more; what they were is still parsed. */
export const priorityCases: readonly ServerCase[] = [
  serverCase(
    '§5.3 | a stream that depends on itself, by PRIORITY',
    concat(get(1, '/held'), priority(1, 1)),
    [ignored, ...eitherError(1, protocolError)],
    heldGet,
  ),
  serverCase(
    '§5.3 | a stream that depends on itself, by HEADERS',
    headers(1, concat(priorityFields(1), fields), endsBoth | Flag.priority),
    [served(1), ...eitherError(1, protocolError)],
    one,
  ),
  serverCase(
    '§5.3 | a stream that depends on another one alone',
    headers(1, concat(priorityFields(0x80000000 + 99, 255), fields), endsBoth | Flag.priority),
    served(1),
    one,
  ),
  serverCase(
    '§6.3 | PRIORITY in the middle of a request',
    concat(post(1, '/1'), priority(1, 0), lastData(1, 'abc')),
    served(1),
    {
      upstream: ['POST /1'],
    },
  ),
];

export const trailerCases: readonly ServerCase[] = [
  serverCase(
    '§8.1 | a body with trailers',
    concat(post(1, '/1'), data(1, 'abc'), headers(1, trailers, endsBoth)),
    served(1),
    { upstream: ['POST /1'] },
  ),
  serverCase(
    '§8.1 | trailers right behind the head',
    concat(post(1, '/1'), headers(1, trailers, endsBoth)),
    served(1),
    {
      upstream: ['POST /1'],
    },
  ),
  serverCase(
    '§8.1 | trailers without END_STREAM',
    concat(post(1, '/held'), data(1, 'a'), headers(1, trailers)),
    eitherError(1, protocolError),
  ),
  serverCase(
    '§8.1 | DATA behind trailers',
    concat(post(1, '/held'), headers(1, trailers, endsBoth), lastData(1, 'bad')),
    eitherError(1, streamClosed),
    { upstream: ['POST /held'] },
  ),
  serverCase(
    '§8.1 | an empty trailer section',
    concat(post(1, '/1'), data(1, 'abc'), headers(1, Buffer.alloc(0), endsBoth)),
    served(1),
    { upstream: ['POST /1'] },
  ),
  serverCase('§8.3 | an empty head', whole(1, []), [{ kind: 'refused', streamId: 1 }]),
];
