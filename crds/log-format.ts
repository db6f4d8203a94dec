/**
 * The bytes of the file store's log. A header line, then frames; a frame is what one write and one fsync made durable:
 *
 *   LLLLLLLL PPPPPPPP HHHHHHHH {payload}\n
 *
 * L is the payload's length in bytes, P its CRC-32, H the CRC-32 of the 18 bytes before it; all are hexadecimal. The payload
 * is JSON and holds neither NUL nor newline. Since the next frame is only written after the last one was synced, only the
 * last frame can be torn by a crash; every other fault is corruption.
 */
import { crc32 } from 'node:zlib';

export const fileHeader = Buffer.from('heddle config log 1\n');
const frameHeaderBytes = 27;
const summedHeaderBytes = 18;
const newline = 0x0a;

export function encodeFrame(payload: unknown): Buffer {
  const json = Buffer.from(JSON.stringify(payload));
  const head = `${hex(json.length)} ${hex(crc32(json))} `;
  return Buffer.concat([Buffer.from(`${head}${hex(crc32(head))} `), json, Buffer.from('\n')]);
}

function hex(value: number): string {
  return value.toString(16).padStart(8, '0');
}

export type LogScan =
  /** `validBytes` < the file's size: the rest is a torn frame that nobody was told about. */
  | { readonly kind: 'readable'; readonly payloads: unknown[]; readonly validBytes: number }
  | { readonly kind: 'corrupt'; readonly offset: number; readonly reason: string };

export function scanLog(log: Buffer): LogScan {
  if (!log.subarray(0, fileHeader.length).equals(fileHeader)) {
    return { kind: 'corrupt', offset: 0, reason: `expected a file that starts with "${fileHeader.toString().trim()}"` };
  }
  const payloads: unknown[] = [];
  let offset = fileHeader.length;
  while (offset < log.length) {
    const frame = readFrame(log, offset);
    if (frame.kind === 'corrupt') return { kind: 'corrupt', offset, reason: frame.reason };
    if (frame.kind === 'torn') break;
    payloads.push(frame.payload);
    offset = frame.end;
  }
  return { kind: 'readable', payloads, validBytes: offset };
}

type Frame =
  | { readonly kind: 'whole'; readonly payload: unknown; readonly end: number }
  | { readonly kind: 'torn' }
  | { readonly kind: 'corrupt'; readonly reason: string };

function readFrame(log: Buffer, start: number): Frame {
  const head = readFrameHeader(log, start);
  if (head === undefined) {
    return damaged(log, start, { end: start + frameHeaderBytes, reason: 'the header of a record is damaged' });
  }
  const payload = log.subarray(start + frameHeaderBytes, head.end - 1);
  const isIntact = head.end <= log.length && log[head.end - 1] === newline && crc32(payload) === head.payloadSum;
  if (!isIntact) return damaged(log, start, { end: head.end, reason: 'the checksum of a record does not fit' });
  return { kind: 'whole', payload: JSON.parse(payload.toString()) as unknown, end: head.end };
}

/** Undefined when there is no intact header at `start`. */
function readFrameHeader(log: Buffer, start: number): { end: number; payloadSum: number } | undefined {
  const head = log.toString('latin1', start, start + frameHeaderBytes);
  const match = /^([0-9a-f]{8}) ([0-9a-f]{8}) ([0-9a-f]{8}) $/.exec(head);
  if (match === null) return undefined;
  const [length = 0, payloadSum = 0, headSum = 0] = match.slice(1).map((text) => Number.parseInt(text, 16));
  if (headSum !== crc32(head.slice(0, summedHeaderBytes))) return undefined;
  return { end: start + frameHeaderBytes + length + 1, payloadSum };
}

/**
 * A crash leaves the last frame short, or with NUL bytes where sectors were never written. A complete frame without them
 * was once written whole, perhaps acknowledged, and then damaged: dropping it would lose data in silence.
 */
function damaged(
  log: Buffer,
  start: number,
  { end, reason }: { readonly end: number; readonly reason: string },
): Frame {
  const isShort = end > log.length;
  const hasHole = log.subarray(start, end).includes(0);
  if (!isShort && !hasHole) return { kind: 'corrupt', reason };
  const isFollowed = readFrameHeader(log, end) !== undefined || hasFrameBehind(log, start);
  return isFollowed ? { kind: 'corrupt', reason: `${reason}, and intact records follow` } : { kind: 'torn' };
}

/** Looks for the end of a line with a header behind it: where the damaged frame ends may itself be unknown. */
function hasFrameBehind(log: Buffer, start: number): boolean {
  for (let at = log.indexOf(newline, start); at >= 0; at = log.indexOf(newline, at + 1)) {
    if (readFrameHeader(log, at + 1) !== undefined) return true;
  }
  return false;
}
