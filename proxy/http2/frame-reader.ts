/**
 * Cuts a connection's bytes into frames, wherever reads begin and end. Frames are kept until they are whole, which is
 * 16 KiB at most; the data of DATA frames is handed on as it comes.
 */
import { Flag, FrameType, frameHeadBytes } from './frames.ts';

/** Takes what was read. From the moment that `isOver` nothing more is handed over. */
export interface FrameHandler {
  readonly isOver: boolean;
  /** The head of a frame, which stands in the reader. Says what is wrong with it by being over. */
  onFrameHead(): void;
  /** The whole payload of a frame that is not DATA. */
  onPayload(bytes: Buffer, start: number, end: number): void;
  /** Padding is as long as its frame, or longer (RFC 9113 §6.1). */
  onBadPadding(): void;
  /** A run of the data of a DATA frame, valid only during the call; empty at most when `isLast`. */
  onDataRun(bytes: Buffer, start: number, end: number, isLast: boolean): void;
}

type State =
  | 'head'
  /** The byte of a DATA frame that says how much of it is padding. */
  | 'pad-length'
  | 'data'
  | 'padding'
  /** Of any other frame. */
  | 'payload';

const noBytes = Buffer.alloc(0);

export class FrameReader {
  type = 0;
  flags = 0;
  streamId = 0;
  /** Of the payload. */
  length = 0;
  readonly #handler: FrameHandler;
  #state: State = 'head';
  readonly #head = Buffer.allocUnsafe(frameHeadBytes);
  #headFill = 0;
  /** Bytes of the state at hand that are still to come. */
  #remaining = 0;
  #paddingBytes = 0;
  #payload = noBytes;
  #payloadFill = 0;

  constructor(handler: FrameHandler) {
    this.#handler = handler;
  }

  /** Of the DATA frame at hand, behind the run that is being handed on. */
  get dataBytesLeft(): number {
    return this.#state === 'data' ? this.#remaining : 0;
  }

  /** A frame has begun that is of no use before it is whole. */
  get isCollecting(): boolean {
    return this.#state === 'payload' || this.#headFill > 0;
  }

  /** Consumes `bytes[start..length)`. */
  read(bytes: Buffer, start: number, length: number): void {
    const handler = this.#handler;
    let at = start;
    // What is empty is complete without another byte.
    while (!handler.isOver && (at < length || (this.#state !== 'head' && this.#remaining === 0))) {
      switch (this.#state) {
        case 'head':
          at = this.#readHead(bytes, at, length);
          break;
        case 'pad-length':
          at = this.#readPadLength(bytes, at);
          break;
        case 'data':
          at = this.#readData(bytes, at, length);
          break;
        case 'padding':
          at = this.#readPadding(at, length);
          break;
        case 'payload':
          at = this.#readPayload(bytes, at, length);
          break;
      }
    }
  }

  #readHead(bytes: Buffer, at: number, length: number): number {
    if (this.#headFill === 0 && length - at >= frameHeadBytes) {
      this.#takeHead(bytes, at);
      return at + frameHeadBytes;
    }
    const next = Math.min(length, at + frameHeadBytes - this.#headFill);
    bytes.copy(this.#head, this.#headFill, at, next);
    this.#headFill += next - at;
    if (this.#headFill === frameHeadBytes) {
      this.#headFill = 0;
      this.#takeHead(this.#head, 0);
    }
    return next;
  }

  #takeHead(bytes: Buffer, at: number): void {
    this.length = bytes.readUIntBE(at, 3);
    this.type = bytes[at + 3] ?? 0;
    this.flags = bytes[at + 4] ?? 0;
    this.streamId = bytes.readUInt32BE(at + 5) & 0x7fff_ffff;
    this.#remaining = this.length;
    this.#paddingBytes = 0;
    this.#payloadFill = 0;
    if (this.type !== FrameType.data) this.#state = 'payload';
    else this.#state = (this.flags & Flag.padded) === 0 ? 'data' : 'pad-length';
    this.#handler.onFrameHead();
  }

  #readPadLength(bytes: Buffer, at: number): number {
    this.#paddingBytes = bytes[at] ?? 0;
    this.#remaining -= 1 + this.#paddingBytes;
    this.#state = 'data';
    if (this.#remaining < 0) this.#handler.onBadPadding();
    return at + 1;
  }

  #readData(bytes: Buffer, at: number, length: number): number {
    const next = Math.min(length, at + this.#remaining);
    this.#remaining -= next - at;
    const isLast = this.#remaining === 0;
    if (isLast) {
      this.#remaining = this.#paddingBytes;
      this.#state = this.#paddingBytes === 0 ? 'head' : 'padding';
    }
    this.#handler.onDataRun(bytes, at, next, isLast);
    return next;
  }

  #readPadding(at: number, length: number): number {
    const next = Math.min(length, at + this.#remaining);
    this.#remaining -= next - at;
    if (this.#remaining === 0) this.#state = 'head';
    return next;
  }

  #readPayload(bytes: Buffer, at: number, length: number): number {
    if (this.#payloadFill === 0 && length - at >= this.length) {
      this.#state = 'head';
      this.#handler.onPayload(bytes, at, at + this.length);
      return at + this.length;
    }
    if (this.#payloadFill === 0) this.#payload = Buffer.allocUnsafe(this.length);
    const next = Math.min(length, at + this.#remaining);
    bytes.copy(this.#payload, this.#payloadFill, at, next);
    this.#payloadFill += next - at;
    this.#remaining -= next - at;
    if (this.#remaining > 0) return next;
    const payload = this.#payload;
    this.#payload = noBytes;
    this.#state = 'head';
    this.#handler.onPayload(payload, 0, this.length);
    return next;
  }
}
