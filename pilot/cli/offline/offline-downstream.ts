/** The downstream side of one request: its head is parsed as the codec parses it, the response's body is kept. */
import type { ConnectionManager } from '../../../proxy/http/connection-manager.ts';
import type { DataRun } from '../../../proxy/http/filter.ts';
import type { ServerCodec } from '../../../proxy/http/stream.ts';
import { frameRequest } from '../../../proxy/http1/framing.ts';
import { parseRequestHead } from '../../../proxy/http1/head-parser.ts';

export class OfflineDownstream implements ServerCodec {
  readonly remoteAddress = '127.0.0.1:40000';
  readonly localAddress = '127.0.0.1:15001';
  readonly protocol = 'HTTP/1.1';
  readonly isCongested = false;
  readonly #manager: ConnectionManager;
  readonly #body: Buffer[] = [];
  #isDone = false;

  constructor(manager: ConnectionManager) {
    this.#manager = manager;
  }

  /** The response is complete. */
  get isDone(): boolean {
    return this.#isDone;
  }

  /** Of the response. */
  get body(): Buffer {
    return Buffer.concat(this.#body);
  }

  /** A whole request without a body; false when it is not one. */
  send(bytes: Buffer): boolean {
    const stream = this.#manager.acquireStream();
    const range = { start: 0, end: bytes.length };
    if (parseRequestHead(bytes, range, this.#manager.headLimits, stream.request) !== bytes.length) return false;
    this.#manager.beginStream(stream, this);
    const error = frameRequest(stream.request);
    if (error !== undefined) stream.sendLocalReply(error);
    else {
      stream.decodeHeaders(true);
      // What `flush` of the connection does for the whole read.
      stream.decodeFlush();
    }
    return true;
  }

  onStreamDone(): void {
    this.#isDone = true;
  }

  encodeData({ bytes, start, end }: DataRun): void {
    this.#body.push(Buffer.from(bytes.subarray(start, end)));
  }

  encodeHeaders(): void {}
  flush(): void {}
  setIdleTimeout(): void {}
  pauseRequest(): void {}
  resumeRequest(): void {}
  abort(): void {}
  halfClose(): void {}
}
