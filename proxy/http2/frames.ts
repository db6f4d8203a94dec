/** The frame layer's numbers, and frames put into words (RFC 9113 §4, §6, §7). Text is latin1: one character per byte. */

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

export const Flag = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const;

export const ErrorCode = {
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

const errorNames = [
  'NO_ERROR',
  'PROTOCOL_ERROR',
  'INTERNAL_ERROR',
  'FLOW_CONTROL_ERROR',
  'SETTINGS_TIMEOUT',
  'STREAM_CLOSED',
  'FRAME_SIZE_ERROR',
  'REFUSED_STREAM',
  'CANCEL',
  'COMPRESSION_ERROR',
  'CONNECT_ERROR',
  'ENHANCE_YOUR_CALM',
  'INADEQUATE_SECURITY',
  'HTTP_1_1_REQUIRED',
];

/** As the RFC writes it; a number that it does not know is shown as it is. */
export function errorNameOf(code: number): string {
  return errorNames[code] ?? `error ${code}`;
}

export const clientPreface = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
export const frameHeadBytes = 9;
/** What everybody must take (RFC 9113 §4.2), and what we take: larger ones would have to be kept whole, or make others wait. */
export const maxFrameBytes = 16_384;
export const maxWindowBytes = 2 ** 31 - 1;
/** What windows are before anybody says otherwise (RFC 9113 §6.9.2). */
export const defaultWindowBytes = 65_535;
export const maxStreamId = 2 ** 31 - 1;

/** Some frames are about a stream, others about the connection, and windows are of both. */
export function isMisplaced(type: number, streamId: number): boolean {
  switch (type) {
    case FrameType.settings:
    case FrameType.ping:
    case FrameType.goaway:
      return streamId !== 0;
    case FrameType.headers:
    case FrameType.priority:
    case FrameType.rstStream:
    case FrameType.pushPromise:
    case FrameType.continuation:
      return streamId === 0;
    default:
      return false;
  }
}

export function frameHead(type: number, flags: number, streamId: number, length: number): string {
  return String.fromCharCode(
    length >> 16,
    (length >> 8) & 255,
    length & 255,
    type,
    flags,
    streamId >>> 24,
    (streamId >> 16) & 255,
    (streamId >> 8) & 255,
    streamId & 255,
  );
}

function uint32(value: number): string {
  return String.fromCharCode(value >>> 24, (value >>> 16) & 255, (value >>> 8) & 255, value & 255);
}

export function windowUpdateFrame(streamId: number, bytes: number): string {
  return frameHead(FrameType.windowUpdate, 0, streamId, 4) + uint32(bytes);
}

export function resetFrame(streamId: number, code: number): string {
  return frameHead(FrameType.rstStream, 0, streamId, 4) + uint32(code);
}

/** `payload`: eight bytes, which an answer repeats. */
export function pingFrame(payload: string, isAck: boolean): string {
  return frameHead(FrameType.ping, isAck ? Flag.ack : 0, 0, 8) + payload;
}

/** `reason`: ASCII, for whoever looks at the bytes. */
export function goAwayFrame(lastStreamId: number, code: number, reason: string): string {
  const length = 8 + reason.length;
  return frameHead(FrameType.goaway, 0, 0, length) + uint32(lastStreamId) + uint32(code) + reason;
}

export function settingsFrame(settings: readonly (readonly [id: number, value: number])[]): string {
  const payload = settings.map(([id, value]) => String.fromCharCode(id >> 8, id & 255) + uint32(value)).join('');
  return frameHead(FrameType.settings, 0, 0, payload.length) + payload;
}

export const settingsAck = frameHead(FrameType.settings, Flag.ack, 0, 0);

/** A header block as HEADERS and, where it is longer than a frame may be, CONTINUATION (RFC 9113 §6.10). */
export function headerFrames(streamId: number, block: string, endStream: boolean): string {
  const endFlag = endStream ? Flag.endStream : 0;
  if (block.length <= maxFrameBytes) {
    return frameHead(FrameType.headers, endFlag | Flag.endHeaders, streamId, block.length) + block;
  }
  let frames = frameHead(FrameType.headers, endFlag, streamId, maxFrameBytes) + block.slice(0, maxFrameBytes);
  for (let at = maxFrameBytes; at < block.length; at += maxFrameBytes) {
    const part = block.slice(at, at + maxFrameBytes);
    const flags = at + maxFrameBytes >= block.length ? Flag.endHeaders : 0;
    frames += frameHead(FrameType.continuation, flags, streamId, part.length) + part;
  }
  return frames;
}
