/** The beginning of a connection, and frames by themselves: RFC 9113 §3.4, §4.1, §4.2, §5.5, §6. */
import {
  Code,
  Flag,
  FrameType,
  Setting,
  data,
  frame,
  goaway,
  headers,
  padded,
  ping,
  preface,
  priorityFields,
  pushPromise,
  rstStream,
  settings,
  settingsAck,
  settingsPayload,
  uint32,
  windowUpdate,
} from '../../support/http2/frames.ts';
import { block } from '../../support/http2/hpack-writer.ts';
import {
  type ServerCase,
  concat,
  connectionError,
  eitherError,
  ends,
  get,
  ignored,
  lastData,
  post,
  requestFields,
  served,
  serverCase,
} from './server-case.ts';

const { protocolError, frameSizeError } = Code;
const fields = requestFields('GET', '/1');
const one = { upstream: ['GET /1'] };
const posted = { upstream: ['POST /1'] };
const raw = { isGreeted: false };

export const prefaceCases: readonly ServerCase[] = [
  serverCase(
    '§3.4 | the preface, SETTINGS and a request in one go',
    concat(preface, settings(), get(1, '/1')),
    served(1),
    {
      ...raw,
      ...one,
    },
  ),
  serverCase('§3.4 | a preface with another last byte', concat(preface.subarray(0, 23), Buffer.from('x')), ends, raw),
  serverCase(
    '§3.4 | a preface with another byte in the middle',
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n'),
    ends,
    raw,
  ),
  serverCase('§3.4 | HEADERS before SETTINGS', concat(preface, get(1, '/bad')), connectionError(protocolError), raw),
  serverCase('§3.4 | PING before SETTINGS', concat(preface, ping()), connectionError(protocolError), raw),
  serverCase(
    '§3.4 | WINDOW_UPDATE before SETTINGS',
    concat(preface, windowUpdate(0, 1)),
    connectionError(protocolError),
    raw,
  ),
  serverCase(
    '§3.4 | an unknown frame before SETTINGS',
    concat(preface, frame(0x42)),
    connectionError(protocolError),
    raw,
  ),
  serverCase(
    '§3.4 | the acknowledgement of SETTINGS before SETTINGS',
    concat(preface, settingsAck),
    connectionError(protocolError),
    raw,
  ),
  serverCase('§3.4 | the preface twice', preface, connectionError(protocolError, frameSizeError)),
];

export const formatCases: readonly ServerCase[] = [
  serverCase(
    '§4.1, §5.5 | an unknown type of frame on the connection',
    frame(0x42, { payload: Buffer.alloc(40) }),
    ignored,
  ),
  serverCase(
    '§4.1, §5.5 | an unknown type of frame on an idle stream',
    frame(0xff, { streamId: 7, flags: 0xff }),
    ignored,
  ),
  serverCase(
    '§4.1, §5.5 | an unknown type of frame in the middle of a request',
    concat(post(1, '/1'), frame(0x0a, { streamId: 1, flags: 1, payload: Buffer.from('1234') }), lastData(1, 'abc')),
    served(1),
    posted,
  ),
  serverCase(
    '§4.1 | flags of HEADERS that mean nothing',
    headers(1, block(fields), 0x52 | 0x80 | 0x05),
    served(1),
    one,
  ),
  serverCase('§4.1 | flags of DATA that mean nothing', concat(post(1, '/1'), data(1, 'abc', 0xf7)), served(1), posted),
  serverCase('§4.1 | flags of PING that mean nothing', ping('flagging', 0xfe), ignored),
  serverCase('§4.1 | flags of SETTINGS that mean nothing', frame(FrameType.settings, { flags: 0xfe }), ignored),
  serverCase(
    '§4.1 | flags of WINDOW_UPDATE that mean nothing',
    frame(FrameType.windowUpdate, { flags: 0xff, payload: uint32(1) }),
    ignored,
  ),
  serverCase('§4.1 | the reserved bit of a stream', headers(0x80000001, block(fields), 5), served(1), one),
  serverCase('§6.9 | the reserved bit of WINDOW_UPDATE', windowUpdate(0, 0x80000001), ignored),
  serverCase('§4.2 | DATA of 16,384 bytes', concat(post(1, '/1'), lastData(1, 'x'.repeat(16_384))), served(1), posted),
  serverCase(
    '§4.2 | HEADERS of 16,384 bytes',
    get(1, '/1', ['x', 'y'.repeat(16_384 - block([...fields, ['x', '']]).length - 2)]),
    served(1),
    one,
  ),
];

/** A frame whose length is announced: it need not come. */
function announced(type: number, length: number, streamId = 0, flags = 0): Buffer {
  return frame(type, { length, streamId, flags });
}

function ofLength(type: number, length: number, streamId = 0): Buffer {
  return frame(type, { payload: Buffer.alloc(length), streamId });
}

const held = post(1, '/held');

export const sizeCases: readonly ServerCase[] = [
  serverCase('§4.2 | DATA of 16,385 bytes', concat(held, data(1, 'x'.repeat(16_385))), eitherError(1, frameSizeError)),
  serverCase('§4.2 | HEADERS of 16,385 bytes', ofLength(FrameType.headers, 16_385, 1), connectionError(frameSizeError)),
  serverCase(
    '§4.2 | CONTINUATION of 16,385 bytes',
    concat(headers(1, block(fields), Flag.endStream), ofLength(FrameType.continuation, 16_385, 1)),
    connectionError(frameSizeError),
  ),
  serverCase(
    '§4.2 | HEADERS that announce 16 MiB',
    announced(FrameType.headers, 0xffffff, 1),
    connectionError(frameSizeError),
  ),
  serverCase(
    '§4.2 | an unknown frame that announces 16 MiB',
    announced(0x42, 0xffffff),
    connectionError(frameSizeError),
  ),
  serverCase('§4.2 | SETTINGS of 16,386 bytes', ofLength(FrameType.settings, 16_386), connectionError(frameSizeError)),
  ...[0, 4, 6].map((length) =>
    serverCase(
      `§6.3 | PRIORITY of ${length} bytes`,
      ofLength(FrameType.priority, length, 1),
      eitherError(1, frameSizeError),
    ),
  ),
  ...[0, 3, 5].map((length) =>
    serverCase(
      `§6.4 | RST_STREAM of ${length} bytes`,
      concat(held, ofLength(FrameType.rstStream, length, 1)),
      connectionError(frameSizeError),
    ),
  ),
  ...[1, 5, 7].map((length) =>
    serverCase(
      `§6.5 | SETTINGS of ${length} bytes`,
      ofLength(FrameType.settings, length),
      connectionError(frameSizeError),
    ),
  ),
  serverCase(
    '§6.5 | an acknowledgement of SETTINGS with a setting in it',
    frame(FrameType.settings, { flags: Flag.ack, payload: settingsPayload([[Setting.enablePush, 0]]) }),
    connectionError(frameSizeError),
  ),
  ...[0, 7, 9].map((length) =>
    serverCase(`§6.7 | PING of ${length} bytes`, ofLength(FrameType.ping, length), connectionError(frameSizeError)),
  ),
  ...[0, 4, 7].map((length) =>
    serverCase(`§6.8 | GOAWAY of ${length} bytes`, ofLength(FrameType.goaway, length), connectionError(frameSizeError)),
  ),
  ...[0, 3, 5].map((length) =>
    serverCase(
      `§6.9 | WINDOW_UPDATE of ${length} bytes`,
      ofLength(FrameType.windowUpdate, length),
      connectionError(frameSizeError),
    ),
  ),
  serverCase(
    '§6.2 | HEADERS too short for the priority in it',
    headers(1, Buffer.alloc(4), Flag.endHeaders | Flag.priority),
    connectionError(frameSizeError, protocolError),
  ),
  serverCase(
    '§6.2 | HEADERS too short for the length of its padding',
    headers(1, Buffer.alloc(0), Flag.endHeaders | Flag.padded),
    connectionError(frameSizeError, protocolError),
  ),
  serverCase(
    '§6.1 | DATA too short for the length of its padding',
    concat(held, data(1, '', Flag.padded)),
    connectionError(frameSizeError, protocolError),
  ),
];

const badBlock = block(requestFields('GET', '/bad'));
const paddedFlags = Flag.endHeaders | Flag.endStream | Flag.padded;

export const paddingCases: readonly ServerCase[] = [
  serverCase('§6.1 | DATA with padding', concat(post(1, '/1'), data(1, padded('abc', 200), 9)), served(1), posted),
  serverCase(
    '§6.1 | DATA with padding of no bytes',
    concat(post(1, '/1'), data(1, padded('abc', 0), 9)),
    served(1),
    posted,
  ),
  serverCase('§6.1 | DATA that is all padding', concat(post(1, '/1'), data(1, padded('', 255), 9)), served(1), posted),
  serverCase('§6.2 | HEADERS with padding', headers(1, padded(block(fields), 17), paddedFlags), served(1), one),
  serverCase(
    '§6.2 | HEADERS with padding and priority',
    headers(1, padded(concat(priorityFields(0), block(fields)), 9), paddedFlags | Flag.priority),
    served(1),
    one,
  ),
  serverCase(
    '§6.1 | DATA whose padding is as long as the frame',
    concat(held, data(1, padded('abc', 4, 0), Flag.padded)),
    connectionError(protocolError),
  ),
  serverCase(
    '§6.1 | DATA whose padding is longer than the frame',
    concat(held, data(1, padded('abc', 255, 0), Flag.padded)),
    connectionError(protocolError),
  ),
  serverCase(
    '§6.2 | HEADERS whose padding is as long as the frame',
    headers(1, padded(badBlock, badBlock.length + 1, 0), paddedFlags),
    connectionError(protocolError),
  ),
  serverCase(
    '§6.2 | HEADERS whose padding leaves no room for its priority',
    headers(1, padded(Buffer.alloc(9), 5, 0), paddedFlags | Flag.priority),
    connectionError(protocolError, frameSizeError),
  ),
];

export const streamIdCases: readonly ServerCase[] = [
  serverCase('§6.1 | DATA on the connection', data(0, 'abc'), connectionError(protocolError)),
  serverCase('§6.2 | HEADERS on the connection', headers(0, block(fields)), connectionError(protocolError)),
  serverCase('§6.3 | PRIORITY on the connection', ofLength(FrameType.priority, 5), connectionError(protocolError)),
  serverCase('§6.4 | RST_STREAM on the connection', rstStream(0, Code.cancel), connectionError(protocolError)),
  serverCase('§6.10 | CONTINUATION on the connection', frame(FrameType.continuation), connectionError(protocolError)),
  serverCase('§6.5 | SETTINGS on a stream', frame(FrameType.settings, { streamId: 1 }), connectionError(protocolError)),
  serverCase(
    '§6.7 | PING on a stream',
    frame(FrameType.ping, { streamId: 1, payload: Buffer.alloc(8) }),
    connectionError(protocolError),
  ),
  serverCase(
    '§6.8 | GOAWAY on a stream',
    frame(FrameType.goaway, { streamId: 1, payload: Buffer.alloc(8) }),
    connectionError(protocolError),
  ),
  serverCase(
    '§6.6, §8.4 | PUSH_PROMISE from a client',
    concat(held, pushPromise(1, 2, block(requestFields('GET', '/bad')))),
    connectionError(protocolError),
  ),
  serverCase('§6.8 | GOAWAY with a message', concat(get(1, '/1'), goaway(0, Code.noError, 'bye')), served(1), one),
];
