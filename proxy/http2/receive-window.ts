/** What a peer may send on a session, and what it is given back of it (RFC 9113 §5.2). */
import type { Http2Options } from '../api/http2-options.ts';
import type { SocketWriter } from '../http/socket-writer.ts';
import { windowUpdateFrame } from './frames.ts';
import type { StreamFlow } from './stream-flow.ts';

export class ReceiveWindow {
  readonly #writer: SocketWriter;
  readonly #options: Http2Options;
  /** Of the connection. */
  #bytes: number;
  /** Received since the peer was told last. */
  #unreturnedBytes = 0;

  constructor(writer: SocketWriter, options: Http2Options) {
    this.#writer = writer;
    this.#options = options;
    this.#bytes = options.initialConnectionWindowBytes;
  }

  /**
   * Takes a frame of `length` bytes; false: it is more than the connection may carry. It is given back at once, whoever the
   * data is for: one stream that is held back must not hold up the others.
   */
  take(length: number): boolean {
    this.#bytes -= length;
    if (this.#bytes < 0) return false;
    this.#unreturnedBytes += length;
    if (this.#unreturnedBytes * 2 < this.#options.initialConnectionWindowBytes) return true;
    this.#writer.writeText(windowUpdateFrame(0, this.#unreturnedBytes));
    this.#bytes += this.#unreturnedBytes;
    this.#unreturnedBytes = 0;
    return true;
  }

  /** The same for a stream, without giving back. */
  takeOfStream(flow: StreamFlow, length: number): boolean {
    flow.receiveWindowBytes -= length;
    flow.unreturnedBytes += length;
    return flow.receiveWindowBytes >= 0;
  }

  /** Gives back what the stream has received, unless whoever takes it cannot take more. */
  returnTo(flow: StreamFlow): void {
    if (flow.isPaused || flow.isRemoteEnded || flow.isClosed) return;
    if (flow.unreturnedBytes * 2 < this.#options.initialStreamWindowBytes) return;
    this.#writer.writeText(windowUpdateFrame(flow.id, flow.unreturnedBytes));
    flow.receiveWindowBytes += flow.unreturnedBytes;
    flow.unreturnedBytes = 0;
  }
}
