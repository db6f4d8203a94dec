/**
 * Sends the data of a session's streams as far as their windows and the connection's allow; what waits goes out in turns of
 * one frame a stream, so that a large response does not hold up the small ones.
 */
import type { DataRun } from '../http/filter.ts';
import type { FrameHeads, SocketWriter } from '../http/socket-writer.ts';
import {
  defaultWindowBytes,
  Flag,
  frameHead,
  frameHeadBytes,
  FrameType,
  headerFrames,
  maxFrameBytes,
  maxWindowBytes,
} from './frames.ts';
import type { FrameBudget } from './frame-budget.ts';
import type { HpackEncoder } from './hpack/hpack-encoder.ts';
import { encodeTrailers } from './message-writer.ts';
import type { StreamFlow, TrailerFields } from './stream-flow.ts';

/** Whose data it is. */
export interface SendingStream {
  readonly flow: StreamFlow;
  /** What waited has gone out: there is room for more. */
  onWritable(): void;
}

interface DataSenderDependencies<S> {
  readonly writer: SocketWriter;
  readonly encoder: HpackEncoder;
  readonly budget: FrameBudget;
  /** The end of the stream has gone out. */
  readonly onEnded: (stream: S) => void;
}

/** Of the DATA frames of one run. */
class DataHeads implements FrameHeads {
  readonly maxFrameBytes = maxFrameBytes;
  readonly headBytes = frameHeadBytes;
  streamId = 0;
  lastFlags = 0;

  frameHead(length: number, isLast: boolean): string {
    return frameHead(FrameType.data, isLast ? this.lastFlags : 0, this.streamId, length);
  }
}

export class DataSender<S extends SendingStream> {
  /** Of the connection. */
  #windowBytes = defaultWindowBytes;
  readonly #dependencies: DataSenderDependencies<S>;
  /** Streams that have data waiting, in the order in which they get their turn. */
  readonly #waiting = new Set<S>();
  readonly #heads = new DataHeads();
  /** Of all streams: what the peer has asked for and does not take. */
  waitingBytes = 0;

  constructor(dependencies: DataSenderDependencies<S>) {
    this.#dependencies = dependencies;
  }

  /** `trailers`, where `endStream`: fields that end the stream in place of a flag. What does not fit is kept. */
  send(stream: S, data: DataRun, endStream: boolean, trailers?: TrailerFields): void {
    const { flow } = stream;
    const { bytes, start, end } = data;
    if (flow.isClosed || flow.isLocalEnded) return;
    flow.isLocalEnded = endStream;
    flow.trailers = trailers;
    const isFirst = flow.waitingBytes === 0;
    const next = isFirst ? this.#write(flow, data, endStream) : start;
    if (next === end && isFirst) {
      if (endStream) this.#end(stream, end > start);
      return;
    }
    flow.waiting.append(bytes, next, end);
    this.waitingBytes += end - next;
    this.#waiting.add(stream);
  }

  /** The stream is over: what waits of it is dropped. */
  forget(stream: S): void {
    this.#waiting.delete(stream);
    this.waitingBytes -= stream.flow.waitingBytes;
    stream.flow.waiting.clear();
    stream.flow.sentOfWaiting = 0;
  }

  /** Gives the connection's window `bytes` more. False: it would be larger than windows may be. */
  widen(bytes: number): boolean {
    this.#windowBytes += bytes;
    if (this.#windowBytes > maxWindowBytes) return false;
    this.#sendWaiting();
    return true;
  }

  /** The same for a stream, also by less than nothing. */
  widenStream(stream: S, bytes: number): boolean {
    const { flow } = stream;
    flow.sendWindowBytes += bytes;
    if (flow.sendWindowBytes > maxWindowBytes) return false;
    if (bytes > 0 && this.#waiting.has(stream)) this.#sendAllOf(stream);
    return true;
  }

  #sendAllOf(stream: S): void {
    while (this.#sendFrameOf(stream));
  }

  /** Whatever windows allow now: a frame of each stream, and again behind the others. */
  #sendWaiting(): void {
    for (const stream of this.#waiting) {
      if (this.#windowBytes <= 0) return;
      // What is put behind the others is met again in this loop.
      if (this.#sendFrameOf(stream) && this.#waiting.delete(stream)) this.#waiting.add(stream);
    }
  }

  #sendFrameOf(stream: S): boolean {
    const { flow } = stream;
    if (flow.isClosed || flow.waitingBytes === 0 || flow.sendWindowBytes <= 0 || this.#windowBytes <= 0) return false;
    const { bytes } = flow.waiting;
    const start = flow.sentOfWaiting;
    const end = Math.min(bytes.length, start + maxFrameBytes);
    const isEnd = flow.isLocalEnded && end === bytes.length;
    const next = this.#write(flow, { bytes, start, end }, isEnd);
    if (next === start) return false;
    flow.sentOfWaiting = next;
    this.waitingBytes -= next - start;
    if (next < bytes.length) return true;
    this.forget(stream);
    if (isEnd) this.#end(stream, true);
    else stream.onWritable();
    return true;
  }

  /** As much of a run as both windows allow; `isEnd`: the stream's data ends with it. Returns where it stopped. */
  #write(flow: StreamFlow, { bytes, start, end }: DataRun, isEnd: boolean): number {
    const allowed = Math.min(end - start, this.#windowBytes, flow.sendWindowBytes);
    if (allowed <= 0) return start;
    const stop = start + allowed;
    const { writer, budget } = this.#dependencies;
    const heads = this.#heads;
    heads.streamId = flow.id;
    heads.lastFlags = isEnd && stop === end && flow.trailers === undefined ? Flag.endStream : 0;
    writer.writeFramed({ bytes, start, end: stop }, heads);
    budget.earn();
    this.#windowBytes -= allowed;
    flow.sendWindowBytes -= allowed;
    return stop;
  }

  /** `hasData`: the last of it has said so already, unless trailers do. */
  #end(stream: S, hasData: boolean): void {
    const { id, trailers } = stream.flow;
    const { writer, encoder, onEnded } = this.#dependencies;
    if (trailers !== undefined) writer.writeText(headerFrames(id, encodeTrailers(encoder, trailers), true));
    else if (!hasData) writer.writeText(frameHead(FrameType.data, Flag.endStream, id, 0));
    onEnded(stream);
  }
}
