/** SETTINGS, PING and windows: RFC 9113 §5.2, §6.5, §6.7, §6.9. */
import {
  Code,
  Flag,
  Setting,
  data,
  maxWindow,
  ping,
  settings,
  settingsAck,
  windowUpdate,
} from '../../support/http2/frames.ts';
import {
  type ServerCase,
  concat,
  connectionError,
  eitherError,
  get,
  ignored,
  lastData,
  post,
  served,
  serverCase,
} from './server-case.ts';

const { protocolError, flowControlError } = Code;
const heldGet = { upstream: ['GET /held'] };
const one = { upstream: ['GET /1'] };

export const settingsCases: readonly ServerCase[] = [
  ...[2, 0xffffffff].map((value) =>
    serverCase(
      `§6.5.2 | ENABLE_PUSH of ${value}`,
      settings([Setting.enablePush, value]),
      connectionError(protocolError),
    ),
  ),
  ...[maxWindow + 1, 0xffffffff].map((value) =>
    serverCase(
      `§6.5.2 | INITIAL_WINDOW_SIZE of ${value}`,
      settings([Setting.initialWindowSize, value]),
      connectionError(flowControlError),
    ),
  ),
  ...[0, 16_383, 16_777_216, 0xffffffff].map((value) =>
    serverCase(
      `§6.5.2 | MAX_FRAME_SIZE of ${value}`,
      settings([Setting.maxFrameSize, value]),
      connectionError(protocolError),
    ),
  ),
  serverCase(
    '§6.5.3 | a wrong value behind good ones',
    settings([Setting.maxConcurrentStreams, 3], [Setting.headerTableSize, 0], [Setting.enablePush, 3]),
    connectionError(protocolError),
  ),
  serverCase(
    '§6.5.3 | a wrong value in front of a good one of the same kind',
    settings([Setting.maxFrameSize, 1], [Setting.maxFrameSize, 16_384]),
    connectionError(protocolError),
  ),
  serverCase(
    '§6.5.2 | the smallest and the greatest values that there may be',
    concat(
      settings(
        [Setting.headerTableSize, 0],
        [Setting.enablePush, 0],
        [Setting.maxConcurrentStreams, 0],
        [Setting.initialWindowSize, maxWindow],
        [Setting.maxFrameSize, 16_384],
        [Setting.maxHeaderListSize, 0xffffffff],
      ),
      settings(
        [Setting.headerTableSize, 0xffffffff],
        [Setting.enablePush, 1],
        [Setting.maxConcurrentStreams, 0xffffffff],
        [Setting.initialWindowSize, 65_535],
        [Setting.maxFrameSize, 16_777_215],
      ),
      get(1, '/1'),
    ),
    served(1),
    one,
  ),
  serverCase(
    '§6.5.2 | settings that nobody knows',
    concat(settings([0, 1], [0x10, 0xffffffff], [0xffff, 0]), get(1, '/1')),
    served(1),
    one,
  ),
  serverCase('§6.5 | empty SETTINGS, many', Buffer.concat(Array.from({ length: 20 }, () => settings())), ignored),
  serverCase('§6.5 | the acknowledgement of SETTINGS', settingsAck, ignored),
];

export const pingCases: readonly ServerCase[] = [
  serverCase('§6.7 | PING', ping('pingping'), ignored),
  serverCase('§6.7 | the acknowledgement of a PING that nobody sent', ping('pingping', Flag.ack), ignored),
];

const held = get(1, '/held');

export const windowCases: readonly ServerCase[] = [
  serverCase(
    '§6.9 | WINDOW_UPDATE by nothing on a stream',
    concat(held, windowUpdate(1, 0)),
    eitherError(1, protocolError),
    heldGet,
  ),
  serverCase('§6.9 | WINDOW_UPDATE by nothing on the connection', windowUpdate(0, 0), connectionError(protocolError)),
  serverCase(
    '§6.9 | WINDOW_UPDATE by nothing but the reserved bit',
    windowUpdate(0, 0x80000000),
    connectionError(protocolError),
  ),
  serverCase(
    '§6.9.1 | WINDOW_UPDATE of a stream beyond the greatest window',
    concat(held, windowUpdate(1, maxWindow)),
    eitherError(1, flowControlError),
    heldGet,
  ),
  serverCase(
    '§6.9.1 | WINDOW_UPDATE of the connection beyond the greatest window',
    windowUpdate(0, maxWindow),
    connectionError(flowControlError),
  ),
  serverCase(
    '§6.9.1 | WINDOW_UPDATE of the connection beyond the greatest window in two steps',
    concat(windowUpdate(0, maxWindow - 65_535), windowUpdate(0, 1)),
    connectionError(flowControlError),
  ),
  serverCase(
    '§6.9.1 | WINDOW_UPDATE of both up to the greatest window',
    concat(windowUpdate(0, maxWindow - 65_535), get(1, '/held'), windowUpdate(1, maxWindow - 65_535)),
    ignored,
    heldGet,
  ),
  serverCase(
    '§6.9.2 | INITIAL_WINDOW_SIZE that takes the window of a stream beyond the greatest',
    concat(held, windowUpdate(1, maxWindow - 65_535), settings([Setting.initialWindowSize, 65_536])),
    connectionError(flowControlError),
    heldGet,
  ),
  serverCase(
    '§6.9.2 | INITIAL_WINDOW_SIZE that takes the window of a stream to the greatest',
    concat(held, windowUpdate(1, maxWindow - 65_536), settings([Setting.initialWindowSize, 65_536])),
    ignored,
    heldGet,
  ),
  serverCase('§6.9 | empty DATA', concat(post(1, '/1'), data(1), data(1), lastData(1)), served(1), {
    upstream: ['POST /1'],
  }),
];
