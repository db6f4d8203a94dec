/** HTTP/2 frames as tests write and read them (RFC 9113 §4, §6): independent of the codec, and as wrong as a test wants. */

export const FrameType = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const Flag = { ack: 1, endStream: 1, endHeaders: 4, padded: 8, priority: 0x20 } as const;

export const Code = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const;

export const Setting = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
export const frameHeadBytes = 9;
export const maxWindow = 0x7fffffff;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly streamId: number;
  readonly payload: Buffer;
}

interface FrameFields {
  readonly flags?: number;
  readonly streamId?: number;
  readonly payload?: Buffer;
  /** Instead of that of the payload. */
  readonly length?: number;
}

/** Any frame, right or wrong; `streamId` may have its reserved bit set. */
export function frame(type: number, fields: FrameFields = {}): Buffer {
  const { flags = 0, streamId = 0, payload = Buffer.alloc(0), length = payload.length } = fields;
  const head = Buffer.alloc(frameHeadBytes);
  head.writeUIntBE(length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(streamId >>> 0, 5);
  return Buffer.concat([head, payload]);
}

export function data(streamId: number, content: Buffer | string = '', flags = 0): Buffer {
  return frame(FrameType.data, { streamId, flags, payload: bytesOf(content) });
}

/** `flags`: by default a whole header block. */
export function headers(streamId: number, block: Buffer, flags: number = Flag.endHeaders): Buffer {
  return frame(FrameType.headers, { streamId, flags, payload: block });
}

export function continuation(streamId: number, block: Buffer, flags: number = Flag.endHeaders): Buffer {
  return frame(FrameType.continuation, { streamId, flags, payload: block });
}

export function priority(streamId: number, dependency: number, weight = 15): Buffer {
  return frame(FrameType.priority, { streamId, payload: priorityFields(dependency, weight) });
}

/** What stands in front of a header block with flag PRIORITY. */
export function priorityFields(dependency: number, weight = 15): Buffer {
  return Buffer.concat([uint32(dependency), Buffer.from([weight])]);
}

export function rstStream(streamId: number, code: number): Buffer {
  return frame(FrameType.rstStream, { streamId, payload: uint32(code) });
}

export function settings(...entries: readonly (readonly [id: number, value: number])[]): Buffer {
  return frame(FrameType.settings, { payload: settingsPayload(entries) });
}

export const settingsAck = frame(FrameType.settings, { flags: Flag.ack });

export function settingsPayload(entries: readonly (readonly [id: number, value: number])[]): Buffer {
  return Buffer.concat(
    entries.map(([id, value]) => {
      const entry = Buffer.alloc(6);
      entry.writeUInt16BE(id, 0);
      entry.writeUInt32BE(value >>> 0, 2);
      return entry;
    }),
  );
}

export function ping(payload: Buffer | string = '01234567', flags = 0): Buffer {
  return frame(FrameType.ping, { flags, payload: bytesOf(payload) });
}

export function goaway(lastStreamId: number, code: number, debug = ''): Buffer {
  return frame(FrameType.goaway, { payload: Buffer.concat([uint32(lastStreamId), uint32(code), bytesOf(debug)]) });
}

export function windowUpdate(streamId: number, increment: number): Buffer {
  return frame(FrameType.windowUpdate, { streamId, payload: uint32(increment) });
}

export function pushPromise(streamId: number, promisedId: number, block: Buffer): Buffer {
  const payload = Buffer.concat([uint32(promisedId), block]);
  return frame(FrameType.pushPromise, { streamId, flags: Flag.endHeaders, payload });
}

/** Payload with its padding around it. `padBytes` may claim more than there is. */
export function padded(payload: Buffer | string, padBytes: number, actualPadBytes = padBytes): Buffer {
  return Buffer.concat([Buffer.from([padBytes]), bytesOf(payload), Buffer.alloc(actualPadBytes)]);
}

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value >>> 0, 0);
  return bytes;
}

/** Of RST_STREAM, GOAWAY, and of WINDOW_UPDATE its increment. */
export function codeOf({ type, payload }: Frame): number {
  return payload.readUInt32BE(type === FrameType.goaway ? 4 : 0);
}

export function lastStreamIdOf({ payload }: Frame): number {
  return payload.readUInt32BE(0) & maxWindow;
}

export function settingsOf({ payload }: Frame): Map<number, number> {
  const entries = new Map<number, number>();
  for (let at = 0; at + 6 <= payload.length; at += 6)
    entries.set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2));
  return entries;
}

export function hasFlag({ flags }: Frame, flag: number): boolean {
  return (flags & flag) !== 0;
}

/** The payload of DATA or HEADERS without padding and priority. */
export function contentOf(received: Frame): Buffer {
  const { type, payload } = received;
  let start = 0;
  let end = payload.length;
  const mayBePadded = type === FrameType.data || type === FrameType.headers;
  if (mayBePadded && hasFlag(received, Flag.padded)) {
    end -= payload[0] ?? 0;
    start = 1;
  }
  if (type === FrameType.headers && hasFlag(received, Flag.priority)) start += 5;
  if (start > end) throw new Error('padding is longer than its frame');
  return payload.subarray(start, end);
}

/** The whole frames at the beginning of `bytes`, and where the rest begins. */
export function readFrames(bytes: Buffer): { readonly frames: Frame[]; readonly rest: Buffer } {
  const frames: Frame[] = [];
  let at = 0;
  while (at + frameHeadBytes <= bytes.length) {
    const end = at + frameHeadBytes + bytes.readUIntBE(at, 3);
    if (end > bytes.length) break;
    frames.push({
      type: bytes.readUInt8(at + 3),
      flags: bytes.readUInt8(at + 4),
      streamId: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + frameHeadBytes, end),
    });
    at = end;
  }
  return { frames, rest: bytes.subarray(at) };
}

const typeNames = Object.fromEntries(Object.entries(FrameType).map(([name, type]) => [type, name]));
const codeNames = Object.fromEntries(Object.entries(Code).map(([name, code]) => [code, name]));

/** For messages of failed expectations. */
export function describeFrame(received: Frame): string {
  const { type, flags, streamId, payload } = received;
  const name = typeNames[type] ?? `type ${type}`;
  const hasCode =
    (type === FrameType.rstStream && payload.length === 4) || (type === FrameType.goaway && payload.length >= 8);
  const code = hasCode ? ` ${nameOfCode(codeOf(received))}` : '';
  const debug = type === FrameType.goaway ? ` ${JSON.stringify(payload.toString('latin1', 8))}` : '';
  return `${name}(${streamId})${code}${debug} flags=${flags} ${payload.length} bytes`;
}

export function nameOfCode(code: number): string {
  return codeNames[code] ?? `code ${code}`;
}

function bytesOf(content: Buffer | string): Buffer {
  return typeof content === 'string' ? Buffer.from(content, 'latin1') : content;
}
