/** Reads one message body, however it is framed, run by run. */
import type { DataRun } from '../http/filter.ts';
import { chunkedBody, untilClose } from '../http/message-head.ts';
import { ChunkedDecoder } from './chunked-decoder.ts';

export class BodyReader {
  /** The run found last; its bytes belong to the reader's caller. Empty when framing was all there was. */
  readonly data: DataRun = { bytes: Buffer.alloc(0), start: 0, end: 0 };
  /** The body is complete with `data`. Never true for a body that ends with its connection. */
  isDone = true;
  #remaining = 0;
  #chunked: ChunkedDecoder | undefined = undefined;

  /** `contentLength` as in the message's head: bytes, `chunkedBody` or `untilClose`. */
  begin(contentLength: number): void {
    this.#remaining = contentLength;
    this.isDone = contentLength === 0;
    if (contentLength === chunkedBody) (this.#chunked ??= new ChunkedDecoder()).reset();
  }

  get endsWithConnection(): boolean {
    return this.#remaining === untilClose;
  }

  /** Takes at most one run from `bytes[at..end)`. Returns where to go on, or -1 when the framing is malformed. */
  read(bytes: Buffer, at: number, end: number): number {
    const { data } = this;
    data.bytes = bytes;
    if (this.#remaining === chunkedBody) return this.#readChunk(at, end);
    data.start = at;
    data.end = this.#remaining === untilClose ? end : Math.min(end, at + this.#remaining);
    if (this.#remaining !== untilClose) {
      this.#remaining -= data.end - at;
      this.isDone = this.#remaining === 0;
    }
    return data.end;
  }

  #readChunk(at: number, end: number): number {
    const decoder = this.#chunked;
    if (decoder === undefined || !decoder.decode(this.data.bytes, at, end)) return -1;
    this.data.start = decoder.dataStart;
    this.data.end = decoder.dataEnd;
    this.isDone = decoder.isDone;
    return decoder.next;
  }

  /** The connection ended, and with it a body that ends so: there is no more data. */
  end(): void {
    this.data.end = this.data.start;
    this.isDone = true;
  }
}
