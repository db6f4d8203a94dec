/** The downstream side of one request over HTTP/2. */
import type { OriginalSource } from '../common/client-socket.ts';
import { MeshError } from '../common/errors.ts';
import type { DataRun } from '../http/filter.ts';
import { type ResponseHead } from '../http/message-head.ts';
import { ServerDeadlines } from '../http/server-deadlines.ts';
import type { HttpStream, ServerCodec } from '../http/stream.ts';
import type { Http2ServerConnection } from './server-connection.ts';
import { ErrorCode, errorNameOf } from './frames.ts';
import type { MessageFault } from './head-reader.ts';
import { encodeInterim, encodeResponse } from './message-writer.ts';
import type { Session } from './session.ts';
import type { SessionStream } from './session-owner.ts';
import type { StreamFlow } from './stream-flow.ts';

export class Http2ServerStream implements ServerCodec, SessionStream {
  readonly protocol = 'HTTP/2';
  readonly flow: StreamFlow;
  readonly connection: Http2ServerConnection;
  readonly #session: Session<Http2ServerStream>;
  readonly #deadlines: ServerDeadlines;
  #stream: HttpStream | undefined;
  #responseHead: ResponseHead | undefined = undefined;
  /** Of the declared body; -1: its length is not known. */
  #remainingBytes = -1;

  constructor(flow: StreamFlow, connection: Http2ServerConnection, stream: HttpStream) {
    this.flow = flow;
    this.connection = connection;
    this.#session = connection.session;
    this.#stream = stream;
    this.#deadlines = new ServerDeadlines(stream.manager);
  }

  // ---- what the stream asks about its client ----

  get connectionId(): number {
    return this.connection.connectionId;
  }

  get requestedServerName(): string {
    return this.connection.requestedServerName;
  }

  get originalSource(): OriginalSource | undefined {
    return this.connection.originalSource;
  }

  get isSecure(): boolean {
    return this.connection.isSecure;
  }

  get clientCert(): string | undefined {
    return this.connection.clientCert;
  }

  get remoteAddress(): string {
    return this.connection.remoteAddress;
  }

  get localAddress(): string {
    return this.connection.localAddress;
  }

  get isClosed(): boolean {
    return this.flow.isClosed;
  }

  // ---- the request ----

  /** Its head is in the stream's `request`; `contentLength` is the declared one, or -1. */
  begin(endStream: boolean): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    const { manager, request } = stream;
    const { contentLength, expectsContinue } = request;
    this.#remainingBytes = contentLength;
    this.#deadlines.onStreamBegun();
    manager.beginStream(stream, this);
    this.setIdleTimeout(manager.config.streamIdleTimeoutMs);
    if (request.method === 'CONNECT') return this.fail(new MeshError('not_implemented', 'CONNECT is not supported'));
    stream.decodeHeaders(endStream);
    if (expectsContinue && this.#stream === stream && !stream.isResponseStarted) {
      this.#session.sendHeaders(this, encodeInterim, 100, false);
    }
  }

  /** The request cannot be served: it is answered or, where there is no telling what it is, reset. No filter sees it. */
  refuse(fault: MessageFault): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    this.#deadlines.onStreamBegun();
    stream.manager.beginStream(stream, this);
    if (fault === 'malformed') this.#session.reset(this, ErrorCode.protocolError);
    else this.fail(new MeshError('headers_too_large', 'the request head is too large', tooLarge));
  }

  onData(data: DataRun, endStream: boolean, bytesLeft: number): void {
    this.#deadlines.isActiveSinceSweep = true;
    if (this.#countBytes(data.end - data.start, bytesLeft, endStream)) this.#stream?.decodeData(data, endStream);
    else this.#session.reset(this, ErrorCode.protocolError);
  }

  /** Whether the body is as long as it was said to be (RFC 9113 §8.1.1). */
  #countBytes(bytes: number, bytesLeft: number, endStream: boolean): boolean {
    if (this.#remainingBytes < 0) return true;
    this.#remainingBytes -= bytes;
    return this.#remainingBytes >= bytesLeft && (!endStream || this.#remainingBytes === 0);
  }

  /** They are in the request, and it is complete. */
  onTrailers(): void {
    this.onData(noData, true, 0);
  }

  /** Where the trailers of the request belong. */
  get trailers(): HttpStream['request']['trailers'] | undefined {
    return this.#stream?.request.trailers;
  }

  onReadEnd(): void {
    this.#stream?.decodeFlush();
  }

  onWritable(): void {
    this.#stream?.onDownstreamDrained();
  }

  onReset(code: number, isByPeer: boolean): void {
    const error = isByPeer
      ? new MeshError('downstream_closed', `the client reset the stream with ${errorNameOf(code)}`, remoteReset)
      : new MeshError('bad_request', `the stream broke the protocol: ${errorNameOf(code)}`, codecError);
    this.end(error);
  }

  /** No more comes, and nothing can be sent. */
  end(error: MeshError): void {
    this.#stream?.onDownstreamReset(error);
  }

  fail(error: MeshError): void {
    this.#stream?.sendLocalReply(error);
  }

  /** The sweep of the connection manager. */
  onSweep(nowMs: number): void {
    const deadlines = this.#deadlines;
    const stream = this.#stream;
    if (stream === undefined || deadlines.nextMs === 0 || deadlines.nextMs > nowMs) return;
    if (deadlines.takeRequestDeadline(nowMs)) {
      if (stream.isRequestComplete || stream.isResponseStarted) return;
      const details = 'request_overall_timeout';
      this.fail(new MeshError('downstream_timeout', 'the request did not arrive in time', { details }));
    } else if (deadlines.isActiveSinceSweep) {
      deadlines.renewStream(nowMs);
      deadlines.isActiveSinceSweep = false;
    } else {
      const code = stream.isRequestComplete ? 'response_idle_timeout' : 'request_idle_timeout';
      this.fail(new MeshError(code, 'no byte was exchanged for too long'));
    }
    this.connection.flush();
  }

  // ---- the response (ServerCodec) ----

  encodeHeaders(head: ResponseHead, endStream: boolean): void {
    this.#deadlines.isActiveSinceSweep = true;
    this.#responseHead = head;
    this.connection.onResponse();
    this.#session.sendHeaders(this, encodeResponse, head, endStream);
  }

  encodeData(data: DataRun, endStream: boolean): void {
    this.#deadlines.isActiveSinceSweep = true;
    const trailers = endStream ? this.#responseHead?.trailers : undefined;
    const fields = trailers === undefined || trailers.isEmpty ? undefined : trailers.fields;
    this.#session.sendData(this, data, endStream, fields);
  }

  flush(): void {
    this.connection.flush();
  }

  get isCongested(): boolean {
    return this.flow.waitingBytes > 0 || this.connection.isCongested;
  }

  /** Only an upgrade ends its directions apart, and HTTP/2 has none. */
  halfClose(): void {}

  setIdleTimeout(timeoutMs: number): void {
    this.#deadlines.setStreamIdle(timeoutMs);
  }

  pauseRequest(): void {
    this.#session.pause(this.flow);
  }

  resumeRequest(): void {
    this.#session.resume(this.flow);
    this.connection.flush();
  }

  abort(): void {
    // Whoever aborts ends the stream itself.
    this.#stream = undefined;
    this.#session.reset(this, ErrorCode.internalError);
    this.connection.flush();
  }

  onStreamDone(): void {
    this.#stream = undefined;
    this.#responseHead = undefined;
    this.connection.flush();
  }
}

const noData: DataRun = { bytes: Buffer.alloc(0), start: 0, end: 0 };
const remoteReset = { details: 'http2.remote_reset' };
const tooLarge = { details: 'http2.too_many_headers' };
const codecError = { details: 'http2.violation.of.messaging.rule' };
