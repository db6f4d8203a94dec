/** The upstream side of HTTP/1.1: one connection to one host, one request at a time, returned to the host in between. */
import type { Socket } from 'node:net';
import { MeshError, TransportFailure } from '../common/errors.ts';
import { type SocketHandler, localAddressOf, nextConnectionId, resetSocket } from '../common/socket.ts';
import { WheelTimer } from '../common/timer-wheel.ts';
import type { DataRun } from '../http/filter.ts';
import { Known } from '../http/header-name.ts';
import type { HeaderMap } from '../http/header-map.ts';
import { type RequestHead, type ResponseHead, chunkedBody, untilClose } from '../http/message-head.ts';
import type { ConnectionPool, DownstreamConnection } from '../upstream/connection-pool.ts';
import type { Host } from '../upstream/host.ts';
import { connectHost } from '../upstream/host-socket.ts';
import { startKeepalive } from '../upstream/tcp-keepalive.ts';
import { BodyReader } from './body-reader.ts';
import { connectionHas, frameResponse } from './framing.ts';
import { HeadBuffer } from './head-buffer.ts';
import { headIncomplete, parseResponseHead, responseHeadLimits } from './head-parser.ts';
import { ReadGate } from './read-gate.ts';
import { removeHopByHop, serializeRequest } from './serializer.ts';
import { SocketWriter } from './socket-writer.ts';

/** Who waits for the response: an attempt of the router. */
export interface ResponseDecoder {
  /** Filled by the connection before `onResponseHeaders`. */
  readonly responseHead: ResponseHead;
  /** Monotonic milliseconds, a second old at most. */
  readonly recentMs: number;
  onResponseHeaders(endStream: boolean): void;
  onResponseData(data: DataRun, endStream: boolean): void;
  /** All bytes of one read were delivered. */
  onResponseFlush(): void;
  /** The upstream of an upgraded connection has said all it had to say; it still listens. */
  onResponseHalfClosed?(): void;
  onRequestDrained(): void;
  /** The connection is gone and no more will come. `isReused`: it had carried a request before. */
  onReset(error: MeshError, connection: ClientConnection): void;
}

/** Closing this much before the server's announced idle timeout avoids the race in which both act at once. */
const keepAliveMarginMs = 1_000;

type State = 'connecting' | 'idle' | 'head' | 'body' | 'closed';

export class ClientConnection implements SocketHandler {
  readonly host: Host;
  readonly id = nextConnectionId();
  /** Our end, `ip:port`; empty until it is connected. A closed socket has forgotten it. */
  localAddress = '';
  readonly #pool: ConnectionPool;
  readonly #socket: Socket;
  readonly #writer: SocketWriter;
  readonly #reading: ReadGate;
  readonly #connectTimer: WheelTimer;
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
  /** Monotonic milliseconds. */
  readonly #openedMs: number;
  #idleTimeoutMs: number;
  #keepAliveText = '';
  #idleDeadlineMs = 0;
  /** No request begins on it after this time; 0 = no limit. */
  #lastUseMs = 0;

  /** Opens a connection for `pool`, which hears how that ends. `downstream`: on whose behalf, if the host is told. */
  static open(host: Host, pool: ConnectionPool, downstream: DownstreamConnection | undefined): ClientConnection {
    return new ClientConnection(host, pool, downstream);
  }

  private constructor(host: Host, pool: ConnectionPool, downstream: DownstreamConnection | undefined) {
    const { config, context, stats } = host.cluster;
    this.host = host;
    this.#pool = pool;
    this.#idleTimeoutMs = config.idleTimeoutMs;
    this.#openedMs = context.clock.monotonicMs();
    this.#connectTimer = new WheelTimer(() => this.#onConnectTimeout());
    context.timers.arm(this.#connectTimer, config.connectTimeoutMs);
    host.activeConnections += 1;
    host.connectionsTotal += 1;
    stats.connections.value += 1;
    stats.connectionsActive.value += 1;
    this.#socket = connectHost(host, this, downstream);
    this.#writer = new SocketWriter(this.#socket, stats.sentBytes);
    this.#reading = new ReadGate(this.#socket);
  }

  /** Whether it carried a request before: a reset then may be the server's idle timeout, not an answer (B6). */
  get isReused(): boolean {
    return this.#requestCount > 1;
  }

  isUsable(nowMs: number): boolean {
    return this.#state === 'idle' && !this.#isIdleTooLong(nowMs) && !this.#isTooOld(nowMs);
  }

  #isIdleTooLong(nowMs: number): boolean {
    return this.#idleDeadlineMs !== 0 && nowMs >= this.#idleDeadlineMs;
  }

  #isTooOld(nowMs: number): boolean {
    return this.#lastUseMs !== 0 && nowMs >= this.#lastUseMs;
  }

  /** Closes an idle connection whose time is over. */
  expire(nowMs: number): void {
    const { stats } = this.host.cluster;
    if (this.#isTooOld(nowMs)) stats.connectionMaxDuration.value += 1;
    else if (this.#isIdleTooLong(nowMs)) stats.connectionIdleTimeout.value += 1;
    this.#socket.destroy();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  // ---- the request ----

  /** Takes an idle connection for `decoder`. */
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

  /** Nobody waits for the response any more: the connection cannot be used again. */
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
    const { config, context } = this.host.cluster;
    context.timers.disarm(this.#connectTimer);
    if (config.tcpKeepalive !== undefined) startKeepalive(this.#socket, config.tcpKeepalive);
    const nowMs = context.clock.monotonicMs();
    this.localAddress = localAddressOf(this.#socket);
    this.host.cluster.stats.connectTime.record(nowMs - this.#openedMs);
    this.#state = 'idle';
    this.#idleDeadlineMs = this.#idleTimeoutMs === 0 ? 0 : nowMs + this.#idleTimeoutMs;
    this.#lastUseMs = config.maxConnectionDurationMs === 0 ? 0 : nowMs + config.maxConnectionDurationMs;
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
    const { address, cluster } = this.host;
    const pool = this.#pool;
    const state = this.#state;
    this.#state = 'closed';
    this.host.activeConnections -= 1;
    cluster.stats.connectionsActive.value -= 1;
    const isActive = this.#decoder !== undefined || this.#isBrokenOff;
    cluster.stats.connectionEnds.count(error !== undefined || this.#isPeerDone, isActive);
    if (state === 'idle') this.#pool.dropIdle(this);
    if (state === 'connecting') {
      this.#failConnect(
        new MeshError('connect_failure', `connecting to ${address} failed${describeCause(error)}`, { cause: error }),
      );
    } else {
      this.#reset(
        new MeshError('upstream_reset', `${address} closed the connection${describeCause(error)}`, { cause: error }),
      );
    }
    pool.onClosed();
  }

  #onConnectTimeout(): void {
    const { address, cluster } = this.host;
    cluster.stats.connectTimeouts.value += 1;
    this.#state = 'closed';
    this.#socket.destroy();
    const { connectTimeoutMs } = cluster.config;
    this.#failConnect(new MeshError('connect_timeout', `${address} did not accept within ${connectTimeoutMs} ms`));
  }

  #failConnect(error: MeshError): void {
    const { cluster } = this.host;
    cluster.context.timers.disarm(this.#connectTimer);
    cluster.stats.connectFailures.value += 1;
    this.host.connectFailuresTotal += 1;
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
    if (hasMoreBytes || !this.#isKeptAlive || !this.#isRequestComplete || this.#isUsedUp(nowMs)) {
      this.#state = 'closed';
      // What was written last on an upgraded connection is still to be sent.
      if (this.#isUpgraded) this.#writer.destroySoon();
      else this.#socket.destroy();
      return;
    }
    this.#state = 'idle';
    this.resumeResponse();
    this.#idleDeadlineMs = this.#idleTimeoutMs === 0 ? 0 : nowMs + this.#idleTimeoutMs;
    this.#pool.putIdle(this);
  }

  /** Whether it has carried as many requests, or lived for as long, as the cluster allows. */
  #isUsedUp(nowMs: number): boolean {
    const { config, stats } = this.host.cluster;
    if (config.maxRequestsPerConnection !== 0 && this.#requestCount >= config.maxRequestsPerConnection) {
      stats.connectionMaxRequests.value += 1;
      return true;
    }
    if (!this.#isTooOld(nowMs)) return false;
    stats.connectionMaxDuration.value += 1;
    return true;
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
    const announcedMs = Math.max(1, Number(seconds) * 1000 - keepAliveMarginMs);
    const { idleTimeoutMs } = this.host.cluster.config;
    this.#idleTimeoutMs = idleTimeoutMs === 0 ? announcedMs : Math.min(idleTimeoutMs, announcedMs);
  }
}

function announcesBody(headers: HeaderMap): boolean {
  const length = headers.knownValue(Known.contentLength);
  return headers.hasKnown(Known.transferEncoding) || (length !== undefined && Number(length) > 0);
}

function describeCause(error: Error | undefined): string {
  if (error instanceof TransportFailure) return `: ${error.message}`;
  return error !== undefined && 'code' in error ? ` (${String(error.code)})` : '';
}
