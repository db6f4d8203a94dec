/** The upstream side of HTTP/1.1: one connection to one host, one request at a time, returned to the host in between. */
import type { Socket } from 'node:net';
import { MeshError } from '../common/errors.ts';
import { type SocketHandler, nextConnectionId, resetSocket } from '../common/socket.ts';
import type { DataRun } from '../http/filter.ts';
import { Known } from '../http/header-name.ts';
import type { HeaderMap } from '../http/header-map.ts';
import { type RequestHead, type ResponseHead, chunkedBody, untilClose } from '../http/message-head.ts';
import { connectFailure, ConnectionLife, connectionReset } from '../upstream/connection-life.ts';
import type { ConnectionPool } from '../upstream/connection-pool.ts';
import type { Host } from '../upstream/host.ts';
import { connectHost } from '../upstream/host-socket.ts';
import type { DownstreamConnection, ResponseDecoder, UpstreamStream } from '../upstream/upstream-stream.ts';
import { BodyReader } from './body-reader.ts';
import { connectionHas, frameResponse } from './framing.ts';
import { HeadBuffer } from './head-buffer.ts';
import { headIncomplete, parseResponseHead } from './head-parser.ts';
import { responseHeadLimits } from '../http/head-limits.ts';
import { ReadGate } from './read-gate.ts';
import { removeHopByHop, serializeRequest } from './serializer.ts';
import { SocketWriter } from '../http/socket-writer.ts';

/** Closing this much before the server's announced idle timeout avoids the race in which both act at once. */
const keepAliveMarginMs = 1_000;

type State = 'connecting' | 'idle' | 'head' | 'body' | 'closed';

export class ClientConnection implements SocketHandler, UpstreamStream {
  readonly host: Host;
  readonly id = nextConnectionId();
  readonly protocol = 'HTTP/1.1';
  readonly #pool: ConnectionPool;
  readonly #socket: Socket;
  readonly #writer: SocketWriter;
  readonly #reading: ReadGate;
  readonly #life: ConnectionLife;
  readonly #partial = new HeadBuffer();
  readonly #body = new BodyReader();
  #state: State = 'connecting';
  #decoder: ResponseDecoder | undefined = undefined;
  #method = '';
  #isRequestChunked = false;
  /** The protocol that the request asks for; empty for none. */
  #upgrade = '';
  /** Both directions are raw bytes now, each until its own end. */
  #isUpgraded = false;
  #isPeerDone = false;
  /** By us, with a request on it. */
  #isBrokenOff = false;
  #isRequestComplete = false;
  #isKeptAlive = true;
  #requestCount = 0;
  #keepAliveText = '';

  /** Opens a connection for `pool`, which hears how that ends. `downstream`: on whose behalf, if the host is told. */
  static open(host: Host, pool: ConnectionPool, downstream: DownstreamConnection | undefined): ClientConnection {
    return new ClientConnection(host, pool, downstream);
  }

  private constructor(host: Host, pool: ConnectionPool, downstream: DownstreamConnection | undefined) {
    this.host = host;
    this.#pool = pool;
    host.cluster.stats.http1Connections.value += 1;
    this.#life = new ConnectionLife(host, (error) => this.#onConnectTimeout(error));
    this.#socket = connectHost(host, this, downstream, 'http/1.1');
    this.#writer = new SocketWriter(this.#socket, host.cluster.stats.sentBytes);
    this.#reading = new ReadGate(this.#socket);
  }

  get localAddress(): string {
    return this.#life.localAddress;
  }

  get isReused(): boolean {
    return this.#requestCount > 1;
  }

  isUsable(nowMs: number): boolean {
    return this.#state === 'idle' && this.#life.isUsable(nowMs);
  }

  /** Closes an idle connection whose time is over. */
  expire(nowMs: number): void {
    this.#life.countExpiry(nowMs);
    this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  // ---- the request ----

  attach(decoder: ResponseDecoder): void {
    this.#decoder = decoder;
  }

  encodeHeaders(head: RequestHead, endStream: boolean): void {
    this.#state = 'head';
    this.#requestCount += 1;
    this.#method = head.method;
    this.#upgrade = head.upgrade;
    this.#isKeptAlive = true;
    this.#isRequestChunked = head.contentLength === chunkedBody;
    this.#isRequestComplete = endStream;
    this.#writer.writeText(serializeRequest(head));
    if (endStream) this.#writer.flush();
  }

  encodeData(data: DataRun, endStream: boolean): void {
    this.#writer.writeBody(data, this.#isRequestChunked, endStream);
    if (!endStream) return;
    this.#isRequestComplete = true;
    this.#writer.flush();
    if (this.#isUpgraded) this.#endUpgradedRequest();
  }

  #endUpgradedRequest(): void {
    this.#writer.end();
    if (!this.#isPeerDone) return;
    this.#body.end();
    this.#finish(false);
  }

  flush(): void {
    this.#writer.flush();
  }

  get isCongested(): boolean {
    return this.#writer.isCongested;
  }

  /** The connection cannot be used again. */
  abandon(): void {
    this.#decoder = undefined;
    this.#isBrokenOff = true;
    // A protocol that we do not know may take FIN for the end of a message that was cut.
    if (this.#isUpgraded) resetSocket(this.#socket);
    else this.#socket.destroy();
  }

  pauseResponse(): void {
    this.#reading.isOpen = false;
  }

  resumeResponse(): void {
    this.#reading.isOpen = true;
  }

  // ---- from the socket ----

  onConnect(): void {
    this.#life.onConnected(this.#socket);
    this.#state = 'idle';
    this.#pool.onConnected(this);
  }

  onBytes(bytes: Buffer, length: number): boolean {
    this.host.cluster.stats.receivedBytes.value += length;
    if (this.#state !== 'head' && this.#state !== 'body') {
      // A server may only speak when it is asked (RFC 9112 §9.2): whatever this is, it answers no request of ours.
      this.#socket.destroy();
      return true;
    }
    this.#reading.enter();
    if (this.#partial.isEmpty) this.#process(bytes, 0, length);
    else this.#processPartial(bytes, length);
    return this.#reading.leave();
  }

  onEnd(): void {
    const decoder = this.#decoder;
    this.#isPeerDone = true;
    if (this.#state === 'body' && this.#body.endsWithConnection && decoder !== undefined) {
      if (this.#isUpgraded && !this.#isRequestComplete) {
        decoder.onResponseHalfClosed?.();
        return;
      }
      this.#body.end();
      this.#isKeptAlive = false;
      this.#finish(false);
      return;
    }
    this.#socket.destroy();
  }

  onDrain(): void {
    this.#decoder?.onRequestDrained();
  }

  onClose(error: Error | undefined): void {
    const { host } = this;
    const pool = this.#pool;
    const state = this.#state;
    this.#state = 'closed';
    this.#life.onClosed(error !== undefined || this.#isPeerDone, this.#decoder !== undefined || this.#isBrokenOff);
    if (state === 'idle') pool.dropIdle(this);
    if (state === 'connecting') this.#failConnect(connectFailure(host, error));
    else this.#reset(connectionReset(host, error));
    pool.onClosed();
  }

  #onConnectTimeout(error: MeshError): void {
    this.#state = 'closed';
    this.#socket.destroy();
    this.#failConnect(error);
  }

  #failConnect(error: MeshError): void {
    this.#life.onConnectFailure();
    this.#pool.onConnectFailure(error);
  }

  #reset(error: MeshError): void {
    const decoder = this.#decoder;
    this.#decoder = undefined;
    decoder?.onReset(error, this);
  }

  // ---- the response ----

  #processPartial(bytes: Buffer, length: number): void {
    this.#partial.append(bytes, 0, length);
    if (!this.#partial.isWorthParsing() && this.#partial.bytes.length <= responseHeadLimits.maxBytes) return;
    const whole = this.#partial.bytes;
    this.#partial.clear();
    this.#process(whole, 0, whole.length);
  }

  #process(bytes: Buffer, start: number, length: number): void {
    let at = start;
    while (at < length) {
      const decoder = this.#decoder;
      if (decoder === undefined) break;
      if (this.#state === 'head') {
        const consumed = this.#readHead(decoder, bytes, at, length);
        if (consumed <= 0) break;
        at += consumed;
      } else if (this.#state === 'body') {
        at = this.#readBody(decoder, bytes, { at, length });
      } else {
        break;
      }
    }
    this.#decoder?.onResponseFlush();
  }

  #readHead(decoder: ResponseDecoder, bytes: Buffer, at: number, length: number): number {
    const head = decoder.responseHead;
    const consumed = parseResponseHead(bytes, { start: at, end: length }, responseHeadLimits, head);
    if (consumed === headIncomplete) {
      this.#partial.append(bytes, at, length);
      this.#partial.isWorthParsing();
      return consumed;
    }
    const error =
      consumed < 0
        ? new MeshError('upstream_protocol_error', `the response head from ${this.host.address} is malformed`)
        : frameResponse(head, this.#method);
    if (error !== undefined) {
      this.#breakOff(error);
      return -1;
    }
    if (head.status === 101) return this.#switchProtocols(decoder, head) ? consumed : -1;
    // Interim responses end at this hop: the request's Expect was answered here.
    if (head.status < 200) {
      head.reset();
      return consumed;
    }
    this.#beginBody(decoder, head, at + consumed < length);
    return consumed;
  }

  /** Only to what was asked for (RFC 9110 §15.2.2). Returns false when the connection was broken off instead. */
  #switchProtocols(decoder: ResponseDecoder, head: ResponseHead): boolean {
    const { headers } = head;
    const protocol = connectionHas(headers, 'upgrade') ? (headers.knownValues(Known.upgrade) ?? '') : '';
    const isAskedFor = this.#upgrade !== '' && protocol.toLowerCase() === this.#upgrade.toLowerCase();
    if (!isAskedFor || announcesBody(headers)) {
      this.#breakOff(new MeshError('upstream_protocol_error', `${this.host.address} switched protocols unasked`));
      return false;
    }
    this.#isUpgraded = true;
    this.#isKeptAlive = false;
    this.#isRequestComplete = false;
    removeHopByHop(headers);
    this.#body.begin(untilClose);
    this.#state = 'body';
    decoder.onResponseHeaders(false);
    return true;
  }

  #beginBody(decoder: ResponseDecoder, head: ResponseHead, hasMoreBytes: boolean): void {
    const { headers } = head;
    this.#isKeptAlive =
      head.minorVersion === 1 ? !connectionHas(headers, 'close') : connectionHas(headers, 'keep-alive');
    // 204 has no body (RFC 9110 §15.3.5): one that comes all the same must not be read as the next response.
    if (head.status === 204 && announcesBody(headers)) this.#isKeptAlive = false;
    // Behind a protocol that they did not grant not all servers read on: node:http leaves a request whose method it does
    // not know unanswered, for ever. Envoy does not use such a connection again either.
    if (this.#upgrade !== '') this.#isKeptAlive = false;
    if (headers.hasKnown(Known.keepAlive)) this.#readKeepAlive(headers.knownValue(Known.keepAlive) ?? '');
    removeHopByHop(headers);
    this.#body.begin(head.contentLength);
    if (head.contentLength === 0) {
      this.#release(hasMoreBytes);
      decoder.onResponseHeaders(true);
      this.#pool.servePending(this);
    } else {
      this.#state = 'body';
      decoder.onResponseHeaders(false);
    }
  }

  #readBody(decoder: ResponseDecoder, bytes: Buffer, { at, length }: { at: number; length: number }): number {
    const body = this.#body;
    const next = body.read(bytes, at, length);
    if (next < 0) {
      this.#breakOff(
        new MeshError('upstream_protocol_error', `the chunked body from ${this.host.address} is malformed`),
      );
      return length;
    }
    if (body.isDone) this.#finish(next < length);
    else if (body.data.end > body.data.start) decoder.onResponseData(body.data, false);
    return next;
  }

  /** The last run of the body was read. */
  #finish(hasMoreBytes: boolean): void {
    const decoder = this.#decoder;
    this.#release(hasMoreBytes);
    decoder?.onResponseData(this.#body.data, true);
    this.#pool.servePending(this);
  }

  /**
   * Back to the host before the response goes on, so that a pipelined request finds it. Bytes beyond the announced end
   * answer no request: they must never be read as the response to the next one.
   */
  #release(hasMoreBytes: boolean): void {
    const nowMs = this.#decoder?.recentMs ?? 0;
    this.#decoder = undefined;
    if (
      hasMoreBytes ||
      !this.#isKeptAlive ||
      !this.#isRequestComplete ||
      this.#life.isUsedUp(this.#requestCount, nowMs)
    ) {
      this.#state = 'closed';
      // What was written last on an upgraded connection is still to be sent.
      if (this.#isUpgraded) this.#writer.destroySoon();
      else this.#socket.destroy();
      return;
    }
    this.#state = 'idle';
    this.resumeResponse();
    this.#life.onIdle(nowMs);
    this.#pool.putIdle(this);
  }

  #breakOff(error: MeshError): void {
    this.#isBrokenOff = true;
    this.#reset(error);
    this.#socket.destroy();
  }

  /** `Keep-Alive: timeout=5`: the server will close after 5 s without a request (RFC 2068 §19.7.1.1). */
  #readKeepAlive(value: string): void {
    if (value === this.#keepAliveText) return;
    this.#keepAliveText = value;
    const seconds = /(?:^|[,\s])timeout=(\d{1,6})/i.exec(value)?.[1];
    if (seconds === undefined) return;
    this.#life.limitIdle(Math.max(1, Number(seconds) * 1000 - keepAliveMarginMs));
  }
}

function announcesBody(headers: HeaderMap): boolean {
  const length = headers.knownValue(Known.contentLength);
  return headers.hasKnown(Known.transferEncoding) || (length !== undefined && Number(length) > 0);
}
