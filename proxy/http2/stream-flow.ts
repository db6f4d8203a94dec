/** How far one stream is in both directions, and what of its data waits for the peer's window (RFC 9113 §5.1, §5.2). */
import { ByteBuffer } from '../common/byte-buffer.ts';

/** Fields of a trailer section, in order. */
export type TrailerFields = readonly (readonly [name: string, value: string])[];

export class StreamFlow {
  readonly id: number;
  /** Monotonic milliseconds, up to a second early. */
  readonly openedMs: number;
  /** What the peer may take; negative after it has made its windows smaller. */
  sendWindowBytes: number;
  /** What it may send. */
  receiveWindowBytes: number;
  /** Received, and not given back to its window yet. */
  unreturnedBytes = 0;
  /** Whoever takes what comes cannot take more: its window is not given back. */
  isPaused = false;
  /** Our END_STREAM has gone out, or waits behind the data that does. */
  isLocalEnded = false;
  /** The peer's END_STREAM has come. */
  isRemoteEnded = false;
  /** Neither side says anything more. */
  isClosed = false;
  /** Data that waits for a window, then the end of the stream if it has been said. */
  readonly waiting = new ByteBuffer();
  /** Of `waiting`, what has gone out already. */
  sentOfWaiting = 0;
  /** What ends the stream behind its data; undefined: END_STREAM does. */
  trailers: TrailerFields | undefined = undefined;

  constructor(id: number, openedMs: number, sendWindowBytes: number, receiveWindowBytes: number) {
    this.id = id;
    this.openedMs = openedMs;
    this.sendWindowBytes = sendWindowBytes;
    this.receiveWindowBytes = receiveWindowBytes;
  }

  get waitingBytes(): number {
    return this.waiting.length - this.sentOfWaiting;
  }
}
