/** The downstream side of one simulated request: parses its head as the codec does and takes the response. */
import type { ConnectionManager } from '../../proxy/http/connection-manager.ts';
import type { DataRun } from '../../proxy/http/filter.ts';
import type { HttpStream, ServerCodec } from '../../proxy/http/stream.ts';
import { frameRequest } from '../../proxy/http1/framing.ts';
import { parseRequestHead } from '../../proxy/http1/head-parser.ts';

export class FakeDownstream implements ServerCodec {
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

  /** A whole request without a body. */
  send(bytes: Buffer): void {
    const stream = this.#manager.acquireStream();
    const end = bytes.length;
    const consumed = parseRequestHead(bytes, { start: 0, end }, this.#manager.headLimits, stream.request);
    if (consumed !== end) throw new Error(`not a request: ${bytes.toString('latin1')}`);
    this.#manager.beginStream(stream, this);
    const error = frameRequest(stream.request);
    if (error !== undefined) stream.sendLocalReply(error);
    else stream.decodeHeaders(true);
  }

  encodeHeaders(): void {}
  encodeData({ bytes, start, end }: DataRun): void {
    this.#body.push(Buffer.from(bytes.subarray(start, end)));
  }
  flush(): void {}
  halfClose(): void {}
  setIdleTimeout(): void {}
  pauseRequest(): void {}
  resumeRequest(): void {}
  abort(): void {}

  onStreamDone(_stream: HttpStream): void {
    this.#isDone = true;
  }
}
