/**
 * Shape 2, Envoy's HTTP filter. One instance of each filter lives in each pooled stream, so a filter keeps its state in
 * fields and the synchronous path allocates nothing. A filter that returns `stop` holds the stream until it calls
 * `stream.continueDecoding()` or sends a local reply.
 */
import type { RequestHead, ResponseHead } from './message-head.ts';
import type { HttpStream } from './stream.ts';

export type FilterStatus = 'continue' | 'stop';

export interface HttpFilter {
  /** The request's head, in the order of the chain. `endStream`: there is no body. */
  decodeHeaders?(head: RequestHead, endStream: boolean): FilterStatus;
  /** A run of the request's body, valid only during the call; empty at most when `endStream`. */
  decodeData?(data: DataRun, endStream: boolean): void;
  /** While it holds the stream: what has come of the body. Whether it wants to see more before the rest has to wait. */
  onHeldData?(held: Buffer, endStream: boolean): boolean;
  /** All bytes of one read were delivered: what was gathered can be written. */
  decodeFlush?(): void;
  /** The response's head, in the reverse order of the chain; local replies pass here too. */
  encodeHeaders?(head: ResponseHead, endStream: boolean): void;
  /** The downstream can take more of the response again. */
  onDownstreamDrained?(): void;
  /** The stream is over, for whatever reason: release everything and be as new. */
  onDestroy?(): void;
}

/** Bytes `[start, end)` of a buffer that belongs to somebody else: copy what must outlive the call. */
export interface DataRun {
  bytes: Buffer;
  start: number;
  end: number;
}

/** Makes one stream's instance of a filter. */
export type FilterFactory = (stream: HttpStream) => HttpFilter;
