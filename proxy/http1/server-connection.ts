/**
 * The downstream side of HTTP/1.1: one connection, one request after the other. Bytes of the next request that arrive
 * early (pipelining) wait until the response before is complete; beyond a few, reading pauses.
 */
import type { Socket } from 'node:net';
import { type SocketHandler, resetSocket } from '../common/socket.ts';
import { MeshError } from '../common/errors.ts';
import type { ConnectionFacts } from '../listener/filter-chain-match.ts';
import type { TlsPeer } from '../http/forwarded-client-cert.ts';
import { DownstreamClient } from '../http/downstream-client.ts';
import type { ConnectionManager } from '../http/connection-manager.ts';
import type { DataRun } from '../http/filter.ts';
import { Known } from '../http/header-name.ts';
import { type ResponseHead, chunkedBody, untilClose } from '../http/message-head.ts';
import type { HttpStream, ServerCodec } from '../http/stream.ts';
import { BodyReader } from './body-reader.ts';
import { connectionHas, frameRequest } from './framing.ts';
import { HeadBuffer } from './head-buffer.ts';
import { headIncomplete, headTooLarge, parseRequestHead } from './head-parser.ts';
import { ReadGate } from './read-gate.ts';
import { removeHopByHop, serializeResponse, upgradeLines } from './serializer.ts';
import { ServerDeadlines } from '../http/server-deadlines.ts';
import { SocketWriter } from '../http/socket-writer.ts';

/** What the next byte from the peer belongs to. */
type ReadState =
  /** A request head. */
  | 'head'
  /** The body of the current request. */
  | 'body'
  /** A request that has to wait for the response to the current one. */
  | 'pipelined'
  /** Nothing: the connection is being closed, what comes is discarded (RFC 9112 §9.6). */
  | 'lingering';

/**
 * Up to here the requests that wait are read, and with them that the client has gone: a connection that is not read from
 * does not tell, and the upstream would be kept busy for nobody.
 */
const maxPipelinedBytes = 16_384;
/**
 * How long a client that sent FIN behind its request is believed to wait for an answer that does not come or go on. Most
 * that do so have given up, and Envoy ends their requests at once; some have only said all they had to say.
 */
const abandonedMs = 2_000;
/**
 * How long the other direction of an upgraded stream may be silent after one has ended, where streams may otherwise idle
 * for ever: its peer may have forgotten it. Envoy's default for idle streams.
 */
const halfClosedIdleMs = 300_000;
const continueResponse = 'HTTP/1.1 100 Continue\r\n\r\n';

export class ServerConnection extends DownstreamClient implements SocketHandler, ServerCodec {
  readonly #socket: Socket;
  readonly #manager: ConnectionManager;
  readonly #writer: SocketWriter;
  readonly #pending = new HeadBuffer();
  readonly #body = new BodyReader();
  readonly #reading: ReadGate;
  readonly #deadlines: ServerDeadlines;
  #state: ReadState = 'head';
  #stream: HttpStream | undefined = undefined;
  /** The router cannot take more of the request's body now. */
  #isRequestPaused = false;
  #isProcessing = false;
  #isClosingAfterResponse = false;
  #isPeerDone = false;
  #isChunkedResponse = false;
  #isHttp10 = false;
  /** What the kernel had not taken yet when it was last looked at. */
  #unsentBytes = 0;

  constructor(socket: Socket, manager: ConnectionManager, facts?: ConnectionFacts, tlsPeer?: TlsPeer) {
    super(socket, manager, facts, tlsPeer);
    this.#socket = socket;
    this.#manager = manager;
    this.#writer = new SocketWriter(socket, manager.stats.sentBytes);
    this.#reading = new ReadGate(socket);
    this.#deadlines = new ServerDeadlines(manager);
    manager.addConnection(this);
    manager.stats.http1Connections.value += 1;
    this.#deadlines.armIdle();
  }

  get connection(): this {
    return this;
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  get deadlineMs(): number {
    return this.#deadlines.nextMs;
  }

  get protocol(): 'HTTP/1.0' | 'HTTP/1.1' {
    return this.#isHttp10 ? 'HTTP/1.0' : 'HTTP/1.1';
  }

  // ---- from the socket ----

  onBytes(bytes: Buffer, length: number): boolean {
    this.#manager.stats.receivedBytes.value += length;
    if (this.#state === 'lingering') return true;
    this.#deadlines.isActiveSinceSweep = true;
    this.#reading.enter();
    if (this.#state === 'body' || (this.#state === 'head' && this.#pending.isEmpty)) this.#process(bytes, length);
    else this.#appendPending(bytes, length);
    return this.#reading.leave();
  }

  onEnd(): void {
    this.#isPeerDone = true;
    this.#endRequests();
  }

  /** No more bytes will come, and those that did were read, up to requests that wait. */
  #endRequests(): void {
    if (this.#state === 'lingering') this.#socket.destroySoon();
    else if (this.#stream === undefined) this.#writer.end();
    else if (this.#stream.isUpgraded) this.#endUpgradedRequest(this.#stream);
    else if (!this.#stream.isRequestComplete) this.#fail(new MeshError('downstream_closed', 'the client closed early'));
    else this.setIdleTimeout(Math.min(this.#deadlines.streamIdleTimeoutMs || Infinity, abandonedMs));
  }

  #endUpgradedRequest(stream: HttpStream): void {
    if (this.#deadlines.streamIdleTimeoutMs === 0) this.setIdleTimeout(halfClosedIdleMs);
    this.#body.end();
    stream.decodeData(this.#body.data, true);
  }

  onDrain(): void {
    this.#stream?.onDownstreamDrained();
  }

  onClose(): void {
    this.#state = 'lingering';
    this.#isPeerDone = true;
    this.#manager.onConnectionClosed(this);
    this.#resetStream(new MeshError('downstream_closed', 'the client closed the connection'));
  }

  /** The manager's sweep found `deadlineMs` in the past. */
  onDeadline(nowMs: number): void {
    if (this.#deadlines.takeRequestDeadline(nowMs)) this.#onRequestDeadline();
    else this.#onIdleDeadline(nowMs);
  }

  /** Nothing to do where the request came whole in time, or was answered before. */
  #onRequestDeadline(): void {
    const stream = this.#stream;
    if (this.#state === 'lingering' || stream?.isRequestComplete === true || stream?.isResponseStarted === true) return;
    const details = 'request_overall_timeout';
    const error = new MeshError('downstream_timeout', 'the request did not arrive in time', { details });
    if (stream !== undefined) this.#fail(error);
    else if (!this.#pending.isEmpty) this.#refuse(error);
  }

  #onIdleDeadline(nowMs: number): void {
    if (this.#stream !== undefined && this.#state !== 'lingering') {
      if (this.#deadlines.isActiveSinceSweep) this.#deadlines.renewStream(nowMs);
      else this.#fail(this.#idleError(this.#stream));
      this.#deadlines.isActiveSinceSweep = false;
    } else if (this.#state === 'head' && !this.#pending.isEmpty) {
      this.#refuse(new MeshError('downstream_timeout', 'the request head did not arrive in time'));
    } else if (this.#socket.writableLength !== 0 && this.#socket.writableLength !== this.#unsentBytes) {
      // A slow reader may take its time for the end of an answer, as long as it goes on taking it.
      this.#unsentBytes = this.#socket.writableLength;
      this.#deadlines.armUnsent();
    } else if (this.#socket.writableLength !== 0) {
      // Not an end, which would make a cut answer look complete.
      resetSocket(this.#socket);
    } else {
      this.#socket.destroy();
    }
  }

  #idleError({ isUpgraded, isRequestComplete }: HttpStream): MeshError {
    if (this.#isPeerDone && !isUpgraded)
      return new MeshError('downstream_closed', 'the client closed and did not wait');
    const code = isRequestComplete ? 'response_idle_timeout' : 'request_idle_timeout';
    return new MeshError(code, 'no byte was exchanged for too long');
  }

  /** Finish the current request, if any, and close. */
  drain(): void {
    this.#isClosingAfterResponse = true;
    if (this.#stream === undefined && this.#state === 'head' && this.#pending.isEmpty) this.#linger();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  // ---- reading requests ----

  #appendPending(bytes: Buffer, length: number): void {
    const { maxRequestHeadersBytes } = this.#manager.config;
    this.#pending.append(bytes, 0, length);
    if (this.#state === 'pipelined') this.#updateReading();
    else if (this.#pending.length > maxRequestHeadersBytes || this.#pending.isWorthParsing()) this.#processPending();
  }

  #processPending(): void {
    const { bytes } = this.#pending;
    this.#pending.clear();
    this.#process(bytes, bytes.length);
  }

  /** Consumes all of `bytes`; what has to wait is copied to `#pending`. */
  #process(bytes: Buffer, length: number): void {
    this.#isProcessing = true;
    let at = 0;
    while (at < length) {
      if (this.#state === 'head') {
        const consumed = this.#readHead(bytes, at, length);
        if (consumed === headIncomplete) {
          this.#keepIncompleteHead(bytes, at, length);
          break;
        }
        if (consumed < 0) break;
        at += consumed;
      } else if (this.#state === 'body') {
        at = this.#readBody(bytes, at, length);
      } else if (this.#state === 'pipelined') {
        this.#pending.append(bytes, at, length);
        this.#updateReading();
        break;
      } else {
        break;
      }
    }
    this.#isProcessing = false;
    this.#stream?.decodeFlush();
    this.#writer.flush();
  }

  #keepIncompleteHead(bytes: Buffer, at: number, length: number): void {
    this.#deadlines.onHeadStarted();
    this.#pending.append(bytes, at, length);
    this.#pending.isWorthParsing();
  }

  #readHead(bytes: Buffer, at: number, length: number): number {
    const stream = this.#manager.acquireStream();
    const head = stream.request;
    const consumed = parseRequestHead(bytes, { start: at, end: length }, this.#manager.headLimits, head);
    if (consumed === headIncomplete) {
      this.#manager.release(stream);
      return consumed;
    }
    this.#beginStream(stream);
    if (consumed < 0) {
      // RFC 9110 section 9.3.2: whatever is wrong with it, the answer to a HEAD has no content.
      if (bytes.toString('latin1', at, at + 5) === 'HEAD ') head.method = 'HEAD';
      const isTooLarge = consumed === headTooLarge;
      const reason = isTooLarge ? 'the request head is too large' : 'the request head is malformed';
      this.#fail(new MeshError(isTooLarge ? 'headers_too_large' : 'bad_request', reason));
      return consumed;
    }
    const error = frameRequest(head);
    if (error !== undefined) {
      this.#fail(error);
      return consumed;
    }
    this.#decodeHead(stream);
    return consumed;
  }

  #beginStream(stream: HttpStream): void {
    this.#stream = stream;
    this.#deadlines.onStreamBegun();
    this.#manager.beginStream(stream, this);
    this.#isChunkedResponse = false;
    this.setIdleTimeout(this.#manager.config.streamIdleTimeoutMs);
  }

  #decodeHead(stream: HttpStream): void {
    const head = stream.request;
    this.#isHttp10 = head.minorVersion === 0;
    const isKeptAlive = this.#isHttp10
      ? connectionHas(head.headers, 'keep-alive')
      : !connectionHas(head.headers, 'close');
    if (!isKeptAlive) this.#isClosingAfterResponse = true;
    removeHopByHop(head.headers);
    this.#body.begin(head.contentLength);
    const hasBody = head.contentLength !== 0;
    this.#state = hasBody ? 'body' : 'pipelined';
    const { expectsContinue } = head;
    stream.decodeHeaders(!hasBody);
    if (expectsContinue && this.#stream === stream && !stream.isResponseStarted)
      this.#writer.writeText(continueResponse);
  }

  #readBody(bytes: Buffer, at: number, length: number): number {
    const body = this.#body;
    const next = body.read(bytes, at, length);
    if (next < 0) {
      this.#fail(new MeshError('bad_request', 'the chunked request body is malformed'));
      return length;
    }
    if (body.isDone) this.#state = 'pipelined';
    if (body.isDone || body.data.end > body.data.start) this.#stream?.decodeData(body.data, body.isDone);
    return next;
  }

  /** The request cannot go on: answer if that is still possible, and close. */
  #fail(error: MeshError): void {
    this.#isClosingAfterResponse = true;
    this.#stream?.sendLocalReply(error);
  }

  /** Refuses a request of which there is no stream yet. */
  #refuse(error: MeshError): void {
    this.#beginStream(this.#manager.acquireStream());
    this.#fail(error);
    this.#writer.flush();
  }

  #resetStream(error: MeshError): void {
    this.#stream?.onDownstreamReset(error);
  }

  // ---- writing responses (ServerCodec) ----

  encodeHeaders(head: ResponseHead, endStream: boolean): void {
    this.#deadlines.isActiveSinceSweep = true;
    if (head.status === 101) {
      this.#switchProtocols(head);
      return;
    }
    let framing = '';
    const isLengthUnknown = head.contentLength === chunkedBody || head.contentLength === untilClose;
    if (isLengthUnknown && !endStream) {
      if (this.#isHttp10) {
        this.#isClosingAfterResponse = true;
      } else {
        this.#isChunkedResponse = true;
        framing = 'transfer-encoding: chunked\r\n';
      }
    } else if (endStream && head.minorVersion === 2) {
      framing = this.#emptyBodyFraming(head);
    }
    const stream = this.#stream;
    // A response that ends before its request leaves no way to find the next one.
    if (endStream && stream !== undefined && !stream.isRequestComplete) this.#isClosingAfterResponse = true;
    if (this.#isClosingAfterResponse || this.#manager.isDraining) {
      this.#isClosingAfterResponse = true;
      framing += 'connection: close\r\n';
    } else if (this.#isHttp10) {
      framing += 'connection: keep-alive\r\n';
    }
    this.#writer.writeText(serializeResponse(head, framing));
  }

  /** HTTP/2 ends a message without a word of its length, and here its body would last as long as the connection. */
  #emptyBodyFraming({ status, headers }: ResponseHead): string {
    const isBodiless = status === 204 || status === 304 || this.#stream?.request.method === 'HEAD';
    return isBodiless || headers.hasKnown(Known.contentLength) ? '' : 'content-length: 0\r\n';
  }

  /** From here on both directions are raw bytes; what the client sent early is the beginning of its own. */
  #switchProtocols(head: ResponseHead): void {
    const stream = this.#stream;
    if (stream === undefined) return;
    stream.isUpgraded = true;
    stream.isRequestComplete = false;
    this.#manager.onUpgrade();
    this.#isClosingAfterResponse = true;
    this.#writer.writeText(serializeResponse(head, upgradeLines(stream.request.upgrade)));
    this.#body.begin(untilClose);
    this.#state = 'body';
    if (!this.#pending.isEmpty) this.#processPending();
    if (this.#isPeerDone) this.#endUpgradedRequest(stream);
    this.#updateReading();
  }

  /** The upstream of an upgraded stream has ended its direction: so does ours. */
  halfClose(): void {
    if (this.#deadlines.streamIdleTimeoutMs === 0) this.setIdleTimeout(halfClosedIdleMs);
    this.#writer.end();
  }

  encodeData(data: DataRun, endStream: boolean): void {
    this.#deadlines.isActiveSinceSweep = true;
    this.#writer.writeBody(data, this.#isChunkedResponse, endStream);
  }

  flush(): void {
    this.#writer.flush();
  }

  setIdleTimeout(timeoutMs: number): void {
    this.#deadlines.setStreamIdle(timeoutMs);
  }

  get isCongested(): boolean {
    return this.#writer.isCongested;
  }

  pauseRequest(): void {
    this.#isRequestPaused = true;
    this.#updateReading();
  }

  resumeRequest(): void {
    this.#isRequestPaused = false;
    this.#updateReading();
  }

  #updateReading(): void {
    const mustWait =
      this.#isRequestPaused || (this.#state === 'pipelined' && this.#pending.length >= maxPipelinedBytes);
    this.#reading.isOpen = !mustWait;
  }

  abort(): void {
    this.#state = 'lingering';
    this.#writer.discard();
    resetSocket(this.#socket);
  }

  onStreamDone(stream: HttpStream): void {
    const isRequestComplete = stream.isRequestComplete;
    this.#stream = undefined;
    this.#isRequestPaused = false;
    if (this.#socket.destroyed) return;
    if (this.#isClosingAfterResponse || !isRequestComplete) {
      this.#linger();
      return;
    }
    this.#state = 'head';
    this.#deadlines.armIdle();
    if (this.#isProcessing) return;
    if (this.#pending.isEmpty) {
      this.#writer.flush();
      if (this.#isPeerDone) this.#linger();
      else this.#updateReading();
      return;
    }
    // What becomes of the next request does not take this response back.
    this.#writer.send();
    this.#processPending();
    if (this.#isPeerDone) this.#endRequests();
    else this.#updateReading();
  }

  /** Sends FIN behind what is written and discards what still comes, so that the peer reads the answer before a reset. */
  #linger(): void {
    this.#state = 'lingering';
    this.#deadlines.armLinger();
    this.#writer.end();
    if (this.#isPeerDone) this.#socket.destroySoon();
    else this.resumeRequest();
  }
}
