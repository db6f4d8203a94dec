/**
 * Gathers what goes out on one socket, so that a head and a small body leave in one system call: every extra write costs
 * 2–4 µs.
 */
import type { Socket } from 'node:net';
import { latin1 } from '../common/latin1.ts';
import type { Stat } from '../common/stats.ts';
import type { DataRun } from '../http/filter.ts';

/** Up to here body bytes join the text of the head; beyond, they are written as a buffer of their own. */
const maxJoinedBytes = 8_192;
const slabBytes = 131_072;

/** Waiting bytes per socket beyond which the other side is paused. */
export const highWaterMarkBytes = 262_144;

/**
 * Where large runs are copied before they are written, because the read buffer they stand in is about to be reused.
 * Nearly always the kernel takes the whole write at once and the slab is free again.
 */
let slab = Buffer.allocUnsafeSlow(slabBytes);

export class SocketWriter {
  readonly #socket: Socket;
  readonly #sentBytes: Stat;
  #text = '';

  /** `sentBytes` counts what is handed to the kernel, or waits for it. */
  constructor(socket: Socket, sentBytes: Stat) {
    this.#socket = socket;
    this.#sentBytes = sentBytes;
  }

  /** latin1 text, one character per byte. */
  writeText(text: string): void {
    this.#text += text;
  }

  writeBytes(bytes: Buffer, start: number, end: number): void {
    const length = end - start;
    if (length <= maxJoinedBytes) {
      this.#text += latin1(bytes, start, end);
      if (this.#text.length > 2 * maxJoinedBytes) this.flush();
      return;
    }
    for (let at = start; at < end; at += slabBytes) this.#writeSlab(bytes, at, Math.min(at + slabBytes, end));
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

  #writeSlab(bytes: Buffer, start: number, end: number): void {
    const socket = this.#socket;
    bytes.copy(slab, 0, start, end);
    const view = slab.subarray(0, end - start);
    this.#sentBytes.value += this.#text.length + view.length;
    if (this.#text === '') {
      socket.write(view);
    } else {
      socket.cork();
      socket.write(this.#text, 'latin1');
      socket.write(view);
      socket.uncork();
      this.#text = '';
    }
    if (socket.writableLength > 0) slab = Buffer.allocUnsafeSlow(slabBytes);
  }

  flush(): void {
    if (this.#text === '') return;
    const text = this.#text;
    this.#text = '';
    this.#sentBytes.value += text.length;
    this.#socket.write(text, 'latin1');
  }

  /** Forgets what was gathered; for a connection that is being aborted. */
  discard(): void {
    this.#text = '';
  }

  get isCongested(): boolean {
    return this.#socket.writableLength >= highWaterMarkBytes;
  }
}
