/** Puts header blocks together from HEADERS and CONTINUATION (RFC 9113 §6.2, §6.10). */
import { ByteBuffer } from '../common/byte-buffer.ts';
import { Flag } from './frames.ts';

/** A whole header block, valid only during the call that brings it. */
export interface HeaderBlock {
  readonly streamId: number;
  readonly bytes: Buffer;
  readonly start: number;
  readonly end: number;
  readonly endStream: boolean;
}

/** A frame as the reader has it. */
interface FrameFacts {
  readonly flags: number;
  readonly streamId: number;
}

/** `none`: the block goes on in the next frame. */
export type Assembled = HeaderBlock | 'none' | 'too_short' | 'bad_padding' | 'too_large';

const priorityBytes = 5;

export class HeaderAssembler {
  readonly #maxBytes: number;
  readonly #bytes = new ByteBuffer();
  #endStream = false;
  /** Whose block goes on in CONTINUATION, and nothing else may come before; 0: nobody's. */
  openStreamId = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** The payload of HEADERS; priorities are passed over (RFC 9113 §5.3.2). */
  begin({ flags, streamId }: FrameFacts, bytes: Buffer, payloadStart: number, payloadEnd: number): Assembled {
    const isPadded = (flags & Flag.padded) !== 0;
    const hasPriority = (flags & Flag.priority) !== 0;
    const start = payloadStart + (isPadded ? 1 : 0) + (hasPriority ? priorityBytes : 0);
    const end = payloadEnd - (isPadded ? (bytes[payloadStart] ?? 0) : 0);
    if (start > payloadEnd) return 'too_short';
    if (start > end) return 'bad_padding';
    const endStream = (flags & Flag.endStream) !== 0;
    if ((flags & Flag.endHeaders) !== 0) return { streamId, bytes, start, end, endStream };
    this.openStreamId = streamId;
    this.#endStream = endStream;
    this.#bytes.append(bytes, start, end);
    return 'none';
  }

  /** The payload of CONTINUATION, of the block that is open. */
  goOn({ flags, streamId }: FrameFacts, bytes: Buffer, start: number, end: number): Assembled {
    this.#bytes.append(bytes, start, end);
    if (this.#bytes.length > this.#maxBytes) return 'too_large';
    if ((flags & Flag.endHeaders) === 0) return 'none';
    const block = this.#bytes.bytes;
    this.#bytes.clear();
    this.openStreamId = 0;
    return { streamId, bytes: block, start: 0, end: block.length, endStream: this.#endStream };
  }
}
