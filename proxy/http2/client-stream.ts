/** The upstream side of one request over HTTP/2. */
import { MeshError } from '../common/errors.ts';
import type { DataRun } from '../http/filter.ts';
import type { RequestHead } from '../http/message-head.ts';
import type { ResponseDecoder, UpstreamStream } from '../upstream/upstream-stream.ts';
import type { Http2ClientConnection } from './client-connection.ts';
import { ErrorCode, errorNameOf } from './frames.ts';
import { encodeRequest } from './message-writer.ts';
import type { ResponseReader } from './response-reader.ts';
import type { HeaderBlock } from './header-assembler.ts';
import type { Session } from './session.ts';
import type { SessionStream } from './session-owner.ts';
import type { StreamFlow } from './stream-flow.ts';
import type { TrailersReader } from './trailers-reader.ts';

const noData: DataRun = { bytes: Buffer.alloc(0), start: 0, end: 0 };

/** It has no id yet: ids grow in the order in which requests go out. */
const unsent = -1;

export class Http2ClientStream implements UpstreamStream, SessionStream {
  readonly protocol = 'HTTP/2';
  flow: StreamFlow;
  readonly #connection: Http2ClientConnection;
  readonly #session: Session<Http2ClientStream>;
  #decoder: ResponseDecoder | undefined = undefined;
  #request: RequestHead | undefined = undefined;
  #method = '';
  #hasResponse = false;
  /** Of the declared body; -1: its length is not known. */
  #remainingBytes = -1;

  constructor(connection: Http2ClientConnection) {
    this.#connection = connection;
    this.#session = connection.session;
    this.flow = this.#session.newFlow(unsent);
  }

  get id(): number {
    return this.#connection.id;
  }

  get localAddress(): string {
    return this.#connection.localAddress;
  }

  /** Whether the connection carried a request before: a reset then may be the server's idle timeout (B6). */
  get isReused(): boolean {
    return this.flow.id > 1;
  }

  // ---- the request ----

  attach(decoder: ResponseDecoder): void {
    this.#decoder = decoder;
  }

  encodeHeaders(head: RequestHead, endStream: boolean): void {
    const session = this.#session;
    this.#request = head;
    this.#method = head.method;
    if (!this.#connection.begin(this)) return;
    session.sendHeaders(this, encodeRequest, head, endStream);
    if (endStream) this.flush();
  }

  encodeData(data: DataRun, endStream: boolean): void {
    const trailers = endStream ? this.#request?.trailers : undefined;
    const fields = trailers === undefined || trailers.isEmpty ? undefined : trailers.fields;
    this.#session.sendData(this, data, endStream, fields);
    if (endStream) this.flush();
  }

  flush(): void {
    this.#connection.flush();
  }

  get isCongested(): boolean {
    return this.flow.waitingBytes > 0 || this.#connection.isCongested;
  }

  abandon(): void {
    if (this.#decoder === undefined) return;
    this.#decoder = undefined;
    if (this.flow.id === unsent) this.#connection.returnUnsent();
    else this.#session.reset(this, ErrorCode.cancel);
    this.flush();
  }

  pauseResponse(): void {
    this.#session.pause(this.flow);
  }

  resumeResponse(): void {
    this.#session.resume(this.flow);
    this.flush();
  }

  // ---- the response ----

  /** Returns whether it can go on. */
  onHeaderBlock(block: HeaderBlock, reader: ResponseReader, trailersReader: TrailersReader): void {
    const decoder = this.#decoder;
    if (decoder === undefined) return this.#session.dropBlock(block);
    if (this.#hasResponse) this.#readTrailers(decoder, block, trailersReader);
    else this.#readHead(decoder, block, reader);
  }

  #readHead(decoder: ResponseDecoder, block: HeaderBlock, reader: ResponseReader): void {
    const head = decoder.responseHead;
    reader.open(head);
    if (!this.#session.decode(block, reader)) return;
    reader.close(block.endStream, this.#method);
    if (reader.fault !== undefined) return this.#breakOff(`the response head is ${reader.fault.replace('_', ' ')}`);
    if (head.status < 200) {
      // Interim responses end at this hop, as in HTTP/1.1; and nothing switches protocols here (RFC 9113 §8.6).
      if (head.status === 101 || block.endStream) this.#breakOff(`the response has status ${head.status}`);
      head.reset();
      return;
    }
    this.#hasResponse = true;
    this.#remainingBytes = head.contentLength;
    if (block.endStream) this.#finish();
    decoder.onResponseHeaders(block.endStream);
  }

  #readTrailers(decoder: ResponseDecoder, block: HeaderBlock, reader: TrailersReader): void {
    reader.open(decoder.responseHead.trailers);
    if (!this.#session.decode(block, reader)) return;
    if (reader.isMalformed || !block.endStream) this.#breakOff('the trailers are malformed');
    else this.onData(noData, true);
  }

  onData(data: DataRun, endStream: boolean): void {
    const decoder = this.#decoder;
    if (!this.#hasResponse) return this.#breakOff('data came before the head of the response');
    if (this.#remainingBytes >= 0) {
      this.#remainingBytes -= data.end - data.start;
      const isWrong = this.#remainingBytes < 0 || (endStream && this.#remainingBytes > 0);
      if (isWrong) return this.#breakOff('the body is not as long as it was said to be');
    }
    if (endStream) this.#finish();
    decoder?.onResponseData(data, endStream);
  }

  /** The response is complete. A request that is not goes no further: nobody reads the rest of it. */
  #finish(): void {
    this.#decoder = undefined;
    if (!this.flow.isLocalEnded || this.flow.waitingBytes > 0) this.#session.reset(this, ErrorCode.cancel);
  }

  onReadEnd(): void {
    this.#decoder?.onResponseFlush();
  }

  onWritable(): void {
    this.#decoder?.onRequestDrained();
  }

  #breakOff(reason: string): void {
    const decoder = this.#decoder;
    this.#decoder = undefined;
    this.#session.reset(this, ErrorCode.protocolError);
    const { address } = this.#connection.host;
    decoder?.onReset(new MeshError('upstream_protocol_error', `${address}: ${reason}`), this);
  }

  onReset(code: number, isByPeer: boolean): void {
    const { address } = this.#connection.host;
    if (!isByPeer) {
      this.end(new MeshError('upstream_protocol_error', `${address} broke the protocol: ${errorNameOf(code)}`));
    } else if (code === ErrorCode.refusedStream) {
      this.end(new MeshError('refused_stream', `${address} refused the request before it worked on it`));
    } else {
      this.end(new MeshError('upstream_remote_reset', `${address} reset the request with ${errorNameOf(code)}`));
    }
  }

  /** No more comes. */
  end(error: MeshError): void {
    const decoder = this.#decoder;
    this.#decoder = undefined;
    decoder?.onReset(error, this);
  }
}
