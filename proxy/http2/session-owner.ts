/** What a session knows of the side that it belongs to: a server's, or a client's. */
import type { Http2Options } from '../api/http2-options.ts';
import type { DataRun } from '../http/filter.ts';
import type { SendingStream } from './data-sender.ts';
import type { HeaderBlock } from './header-assembler.ts';

/** A stream that is open, as its session sees it. */
export interface SessionStream extends SendingStream {
  /**
   * A run of data, valid only during the call; empty at most when `endStream`. `bytesLeft`: the frame has so many more: what
   * is too long is known before any of it went on.
   */
  onData(data: DataRun, endStream: boolean, bytesLeft: number): void;
  /** The stream is over before its time; `code` is the peer's, or what we told it. */
  onReset(code: number, isByPeer: boolean): void;
  /** All bytes of one read were delivered. */
  onReadEnd(): void;
}

export interface SessionOwner<S> {
  /** The peer's streams up to here, or ours, have been open. */
  isIdle(streamId: number): boolean;
  /** The last stream of the peer that is or was worked on. */
  readonly lastStreamId: number;
  /** A whole header block: `stream` is the one it belongs to where that is open. It must be decoded whatever is wrong. */
  onHeaderBlock(stream: S | undefined, block: HeaderBlock): void;
  /** Both sides are done, or it was reset. */
  onStreamClosed(stream: S): void;
  onRemoteSettings(): void;
  onGoAway(lastStreamId: number, code: number): void;
  onPingAck(): void;
  /** A connection error: nothing more is read, and GOAWAY is written. */
  onFailure(code: number, reason: string): void;
}

export interface SessionOptions {
  readonly isServer: boolean;
  readonly http2: Http2Options;
  /** A header block that is longer ends the connection. */
  readonly maxHeaderBlockBytes: number;
  /** Monotonic milliseconds; may be a second old. */
  readonly recentMs: () => number;
}
