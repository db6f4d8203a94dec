/**
 * Gathers what goes out on one socket, so that a head and a small body leave in one system call: every extra write costs
 * 2–4 µs.
 */
import type { Socket } from 'node:net';
import { freeSlab, holdSlab, placeInSlab, slabBytes } from '../common/io-buffers.ts';
import { latin1 } from '../common/latin1.ts';
import { endSocket } from '../common/socket.ts';
import type { Stat } from '../common/stats.ts';
import { type Sender, sendAfterWork } from '../common/turn.ts';
import type { DataRun } from './filter.ts';

/** Up to here body bytes join the text of the head; beyond, they are written as a buffer. */
const maxJoinedBytes = 8_192;
/** More text than this does not wait. */
const maxTextBytes = 2 * maxJoinedBytes;

/** Waiting bytes per socket beyond which the other side is paused. */
export const highWaterMarkBytes = 262_144;

const noBytes = Buffer.alloc(0);

/** How far a copy is put off from where it would begin at its source's place of a page; see `io-buffers.ts`. */
const framesOffsetBytes = 64;

/** What stands before each part of a run of bytes. */
export interface FrameHeads {
  readonly maxFrameBytes: number;
  readonly headBytes: number;
  /** latin1 text of `headBytes`; `isLast`: the run ends with this frame. */
  frameHead(length: number, isLast: boolean): string;
}

export class SocketWriter implements Sender {
  readonly socket: Socket;
  readonly #sentBytes: Stat;
  readonly #isEncrypted: boolean;
  #text = '';
  /** `send` will be called. */
  #isDue = false;

  /** `sentBytes` counts what is handed to the kernel, or waits for it. */
  constructor(socket: Socket, sentBytes: Stat) {
    this.socket = socket;
    this.#sentBytes = sentBytes;
    this.#isEncrypted = 'encrypted' in socket;
  }

  /** latin1 text, one character per byte. */
  writeText(text: string): void {
    this.#text += text;
  }

  writeBytes(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    if (length <= maxJoinedBytes) {
      this.#text += latin1(bytes, start, end);
      if (this.#text.length > maxTextBytes) this.send();
      return;
    }
    if (this.#text.length > maxTextBytes) this.send();
    // The text so far goes along: a write more, or a buffer gathered from two, costs more than copying it.
    for (let at = start; at < end;) {
      const next = Math.min(end, at + slabBytes - this.#text.length);
      this.#write(bytes, at, next);
      at = next;
    }
  }

  /** A run of a body, framed as a chunk when `isChunked` (RFC 9112 §7.1); `endStream` adds the last chunk. */
  writeBody({ bytes, start, end }: DataRun, isChunked: boolean, endStream: boolean): void {
    if (!isChunked) {
      if (end > start) this.writeBytes(bytes, start, end);
      return;
    }
    if (end > start) {
      this.#text += `${(end - start).toString(16)}\r\n`;
      this.writeBytes(bytes, start, end);
      this.#text += '\r\n';
    }
    if (endStream) this.#text += '0\r\n\r\n';
  }

  /** A run of bytes in frames, in one write as far as slabs reach. */
  writeFramed({ bytes, start, end }: DataRun, heads: FrameHeads): void {
    if (end - start <= maxJoinedBytes) {
      this.#text += heads.frameHead(end - start, true) + latin1(bytes, start, end);
      if (this.#text.length > maxTextBytes) this.send();
      return;
    }
    if (this.#text.length > maxTextBytes) this.send();
    for (let at = start; at < end;) at = this.#writeFrames({ bytes, start: at, end }, heads);
  }

  /** The text so far, and as many frames as fit behind it. Returns where they end. */
  #writeFrames({ bytes, start, end }: DataRun, heads: FrameHeads): number {
    const text = this.#text;
    const { maxFrameBytes, headBytes } = heads;
    const room = Math.floor((slabBytes - text.length) / (headBytes + maxFrameBytes)) * maxFrameBytes;
    const stop = Math.min(end, start + room);
    const length = text.length + stop - start + Math.ceil((stop - start) / maxFrameBytes) * headBytes;
    const slab = this.socket.writableLength === 0 ? freeSlab() : undefined;
    const target = slab ?? Buffer.allocUnsafeSlow(length);
    const first = slab === undefined ? 0 : placeInSlab(slab, text.length + headBytes - framesOffsetBytes, bytes, start);
    let to = first + text.length;
    if (text !== '') target.write(text, first, 'latin1');
    for (let at = start; at < stop;) {
      const next = Math.min(stop, at + maxFrameBytes);
      target.write(heads.frameHead(next - at, next === end), to, 'latin1');
      bytes.copy(target, to + headBytes, at, next);
      to += headBytes + next - at;
      at = next;
    }
    this.#text = '';
    this.#hand(target, first, length, slab !== undefined);
    return stop;
  }

  /**
   * Of the text and a run of bytes, in one. They are put together elsewhere, because the read buffer that the bytes stand in
   * is about to be reused. Nearly always the kernel, or TLS, takes the whole write at once and the slab is free again.
   */
  #write(bytes: Buffer, start: number, end: number): void {
    const socket = this.socket;
    const text = this.#text;
    const length = text.length + end - start;
    // What has to wait has a buffer of its own.
    const slab = socket.writableLength === 0 && length <= slabBytes ? freeSlab() : undefined;
    const target = slab ?? Buffer.allocUnsafeSlow(length);
    const at = slab === undefined ? 0 : placeInSlab(slab, text.length, bytes, start);
    this.#text = '';
    if (text !== '') target.write(text, at, 'latin1');
    bytes.copy(target, at + text.length, start, end);
    this.#hand(target, at, length, slab !== undefined);
  }

  /** To the socket. Of what it is given next TLS keeps nothing, it is encrypted at once, although that is said only later. */
  #hand(target: Buffer, at: number, length: number, isSlab: boolean): void {
    const { socket } = this;
    this.#sentBytes.value += length;
    socket.write(target.length === length ? target : target.subarray(at, at + length));
    if (isSlab && socket.writableLength > 0 && !this.#isEncrypted) holdSlab(socket);
  }

  /** What was gathered leaves when the turn's work is done: all that has to be written then is written in a row. */
  flush(): void {
    if (this.#text === '' || this.#isDue) return;
    this.#isDue = sendAfterWork(this);
    if (!this.#isDue) this.send();
  }

  /** Says that nothing more will come, behind what was gathered. `isPeerDone`: the peer has said so too (see `endSocket`). */
  end(isPeerDone = false): void {
    this.send();
    endSocket(this.socket, isPeerDone);
  }

  /** Closes when everything is written that was gathered. */
  destroySoon(): void {
    this.send();
    this.socket.destroySoon();
  }

  /** What was gathered, now. */
  send(): void {
    this.#isDue = false;
    const text = this.#text;
    if (text === '') return;
    if (this.#isEncrypted) return this.#write(noBytes, 0, 0);
    this.#text = '';
    this.#sentBytes.value += text.length;
    this.socket.write(text, 'latin1');
  }

  /** Forgets what was gathered; for a connection that is being aborted. */
  discard(): void {
    this.#text = '';
  }

  get isCongested(): boolean {
    return this.socket.writableLength >= highWaterMarkBytes;
  }
}
