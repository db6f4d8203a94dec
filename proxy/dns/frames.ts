/** Messages over TCP: each has its length in front (RFC 1035 section 4.2.2), and they may come in any pieces. */
import { ByteBuffer } from '../common/byte-buffer.ts';

const prefixBytes = 2;

/** In one piece, so that it leaves in one packet (RFC 7766 section 8). */
export function writeFrame(message: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(prefixBytes + message.length);
  frame.writeUInt16BE(message.length, 0);
  frame.set(message, prefixBytes);
  return frame;
}

export class FrameReader {
  readonly #maxBytes: number;
  #partial = new ByteBuffer();

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Calls back with a copy of each message that is complete. False: one is longer than allowed, and the rest is lost. */
  read(bytes: Buffer, onMessage: (message: Buffer) => void): boolean {
    let at = 0;
    while (at < bytes.length) {
      at += this.#take(bytes, at, prefixBytes);
      if (this.#partial.length < prefixBytes) return true;
      const length = this.#partial.bytes.readUInt16BE(0);
      if (length > this.#maxBytes) return false;
      at += this.#take(bytes, at, prefixBytes + length);
      if (this.#partial.length < prefixBytes + length) return true;
      const message = this.#partial.bytes.subarray(prefixBytes);
      this.#partial = new ByteBuffer();
      onMessage(message);
    }
    return true;
  }

  /** Moves what is missing to `wanted` bytes, as far as it is there. Returns how many bytes that was. */
  #take(bytes: Buffer, at: number, wanted: number): number {
    const missing = Math.max(0, wanted - this.#partial.length);
    const taken = Math.min(missing, bytes.length - at);
    if (taken > 0) this.#partial.append(bytes, at, at + taken);
    return taken;
  }
}
