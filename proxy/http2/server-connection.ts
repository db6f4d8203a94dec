/** The downstream side of HTTP/2: one connection, and the requests that are under way on it. */
import type { Socket } from 'node:net';
import { MeshError } from '../common/errors.ts';
import { latin1 } from '../common/latin1.ts';
import { type SocketHandler, resetSocket } from '../common/socket.ts';
import { DownstreamClient } from '../http/downstream-client.ts';
import type { ConnectionManager, ManagedConnection } from '../http/connection-manager.ts';
import type { TlsPeer } from '../http/forwarded-client-cert.ts';
import { SocketWriter } from '../http/socket-writer.ts';
import { Trailers } from '../http/trailers.ts';
import type { ConnectionFacts } from '../listener/filter-chain-match.ts';
import type { DownstreamConnection } from '../upstream/upstream-stream.ts';
import { clientPreface, ErrorCode, errorNameOf, maxFrameBytes, maxStreamId } from './frames.ts';
import { KeepalivePings } from './keepalive-pings.ts';
import { RequestReader } from './request-reader.ts';
import { TrailersReader } from './trailers-reader.ts';
import { Http2ServerStream } from './server-stream.ts';
import type { HeaderBlock } from './header-assembler.ts';
import { Session } from './session.ts';
import type { SessionOwner } from './session-owner.ts';

type State =
  /** The client's magic text is to come. */
  | 'preface'
  | 'open'
  /** GOAWAY has said that it ends, and not yet which request is the last: some are on their way. */
  | 'announced'
  /** Nothing more is begun. */
  | 'draining'
  /** Nothing is said any more, what comes is discarded. */
  | 'closing';

/**
 * Whoever opens windows for none of its responses gets no further ones: each request costs it some bytes, and us what is
 * read at once of the answer.
 */
const maxWaitingBytes = 4_194_304;
/** Of a client that has been told that this is the end, until it has closed too. */
const lingerMs = 1_000;

export class Http2ServerConnection
  extends DownstreamClient
  implements SocketHandler, SessionOwner<Http2ServerStream>, ManagedConnection, DownstreamConnection
{
  readonly protocol = 'HTTP/2';
  readonly session: Session<Http2ServerStream>;
  lastStreamId = 0;
  readonly #socket: Socket;
  readonly #manager: ConnectionManager;
  readonly #writer: SocketWriter;
  readonly #requestReader: RequestReader;
  readonly #trailersReader: TrailersReader;
  readonly #keepalive: KeepalivePings | undefined;
  #state: State = 'preface';
  /** Of the client's magic text. */
  #prefaceFill = 0;
  #isPeerDone = false;
  /** Monotonic milliseconds, 0 = never: until when the next request must have begun, or the socket be closed. */
  #idleMs: number;
  /** Until when what has begun must be whole. */
  #incompleteMs = 0;
  #seenFrames = 0;
  /** What the kernel had not taken yet when it was last looked at. */
  #unsentBytes = 0;

  constructor(socket: Socket, manager: ConnectionManager, facts?: ConnectionFacts, tlsPeer?: TlsPeer) {
    super(socket, manager, facts, tlsPeer);
    this.#socket = socket;
    this.#manager = manager;
    this.#writer = new SocketWriter(socket, manager.stats.sentBytes);
    this.#requestReader = new RequestReader(manager.headLimits);
    this.#trailersReader = new TrailersReader(manager.headLimits);
    this.session = new Session(this, this.#writer, {
      isServer: true,
      http2: manager.config.http2,
      maxHeaderBlockBytes: 2 * manager.headLimits.maxBytes + maxFrameBytes,
      recentMs: () => manager.recentMs,
    });
    manager.addConnection(this);
    manager.stats.http2Connections.value += 1;
    this.#idleMs = manager.deadlineMs(manager.config.idleTimeoutMs);
    const { keepalive } = manager.config.http2;
    this.#keepalive = keepalive && new KeepalivePings(keepalive, manager, this);
    this.#keepalive?.start();
    this.session.start();
    this.#writer.flush();
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  get isCongested(): boolean {
    return this.#writer.isCongested;
  }

  flush(): void {
    this.#writer.flush();
  }

  // ---- from the socket ----

  onBytes(bytes: Buffer, length: number): boolean {
    this.#manager.stats.receivedBytes.value += length;
    if (this.#state === 'closing') return true;
    this.#keepalive?.onBytes();
    const start = this.#state === 'preface' ? this.#readPreface(bytes, length) : 0;
    if (this.#state !== 'preface') this.session.read(bytes, start, length);
    this.#watchProgress();
    this.#writer.flush();
    return true;
  }

  /** A head, or whatever else is of no use before it is whole, must not take for ever (slowloris). */
  #watchProgress(): void {
    const { session } = this;
    if (!session.isIncomplete) {
      this.#incompleteMs = 0;
    } else if (this.#incompleteMs === 0 || this.#seenFrames !== session.wholeFrames) {
      const { requestHeadersTimeoutMs, streamIdleTimeoutMs } = this.#manager.config;
      this.#seenFrames = session.wholeFrames;
      this.#incompleteMs = this.#manager.deadlineMs(requestHeadersTimeoutMs || streamIdleTimeoutMs);
    }
  }

  /** Returns where the frames begin. */
  #readPreface(bytes: Buffer, length: number): number {
    const wanted = clientPreface.length - this.#prefaceFill;
    const end = Math.min(wanted, length);
    if (latin1(bytes, 0, end) !== clientPreface.slice(this.#prefaceFill, this.#prefaceFill + end)) {
      this.session.fail(ErrorCode.protocolError, 'the connection does not begin with the preface of HTTP/2');
      return length;
    }
    this.#prefaceFill += end;
    if (this.#prefaceFill === clientPreface.length) this.#state = 'open';
    return end;
  }

  /** A client that goes away waits for nothing: HTTP/2 has GOAWAY for one that only asks no more. */
  onEnd(): void {
    this.#isPeerDone = true;
    this.#endStreams(new MeshError('downstream_closed', 'the client closed early'));
    this.#close();
  }

  onDrain(): void {
    this.session.onDrain();
    this.#writer.flush();
  }

  onClose(): void {
    this.#state = 'closing';
    this.#isPeerDone = true;
    this.session.isOver = true;
    this.#keepalive?.stop();
    this.#manager.onConnectionClosed(this);
    this.#endStreams(new MeshError('downstream_closed', 'the client closed the connection'));
  }

  #endStreams(error: MeshError): void {
    const streams = [...this.session.streams.values()];
    this.session.closeAll();
    for (const stream of streams) stream.end(error);
  }

  // ---- from the session ----

  isIdle(streamId: number): boolean {
    return streamId > this.lastStreamId || streamId % 2 === 0;
  }

  onHeaderBlock(stream: Http2ServerStream | undefined, block: HeaderBlock): void {
    const { session } = this;
    const { streamId } = block;
    if (stream !== undefined) return this.#onTrailers(stream, block);
    if (this.isIdle(streamId) && streamId % 2 === 1) {
      this.lastStreamId = streamId;
      if (this.#hasRoom) return this.#onRequest(block);
      session.refuse(streamId, ErrorCode.refusedStream);
    }
    session.dropBlock(block);
  }

  get #hasRoom(): boolean {
    const { streams, waitingBytes } = this.session;
    const { maxConcurrentStreams } = this.#manager.config.http2;
    return this.#state !== 'draining' && streams.size < maxConcurrentStreams && waitingBytes < maxWaitingBytes;
  }

  #onRequest(block: HeaderBlock): void {
    const { session } = this;
    const reader = this.#requestReader;
    const request = this.#manager.acquireStream();
    reader.open(request.request);
    if (!session.decode(block, reader)) {
      this.#manager.release(request);
      return;
    }
    reader.close(block.endStream);
    const stream = new Http2ServerStream(session.newFlow(block.streamId), this, request);
    stream.flow.isRemoteEnded = block.endStream;
    session.open(stream);
    session.touch(stream);
    if (reader.fault === undefined) stream.begin(block.endStream);
    else stream.refuse(reader.fault);
  }

  #onTrailers(stream: Http2ServerStream, block: HeaderBlock): void {
    const reader = this.#trailersReader;
    reader.open(stream.trailers ?? new Trailers());
    if (!this.session.decode(block, reader)) return;
    if (reader.isMalformed || !block.endStream) this.session.reset(stream, ErrorCode.protocolError);
    else stream.onTrailers();
  }

  onStreamClosed(): void {
    if (this.session.streams.size > 0 || this.session.isOver) return;
    this.#idleMs = this.#manager.deadlineMs(this.#manager.config.idleTimeoutMs);
    if (this.#state === 'draining') this.#close();
  }

  onRemoteSettings(): void {}

  /** The client begins nothing more. */
  onGoAway(): void {
    this.#state = 'draining';
    if (this.session.streams.size === 0) this.#close();
  }

  onPingOverdue(): void {
    this.#socket.destroy();
  }

  onPingAck(): void {
    this.#keepalive?.onAck();
    if (this.#state !== 'announced') return;
    // What was under way when the end was announced has come: the client knows of it by now.
    this.#state = 'draining';
    this.session.goAway(this.lastStreamId);
    if (this.session.streams.size === 0) this.#close();
  }

  onFailure(code: number, reason: string): void {
    const details = code === ErrorCode.enhanceYourCalm ? 'http2.outbound_frames_flood' : undefined;
    this.#endStreams(
      new MeshError('bad_request', `${reason} (${errorNameOf(code)})`, details === undefined ? {} : { details }),
    );
    this.#close();
  }

  // ---- deadlines and the end (ManagedConnection) ----

  /** While there are requests all of them are looked at. */
  get deadlineMs(): number {
    if (this.session.streams.size > 0) return 1;
    return this.#incompleteMs === 0 ? this.#idleMs : Math.min(this.#incompleteMs, this.#idleMs || Infinity);
  }

  onDeadline(nowMs: number): void {
    const { session } = this;
    for (const stream of session.streams.values()) stream.onSweep(nowMs);
    if (this.#incompleteMs !== 0 && this.#incompleteMs <= nowMs && this.#state !== 'closing') {
      session.fail(ErrorCode.protocolError, 'a frame or a header block did not arrive in time');
    } else if (this.#idleMs !== 0 && this.#idleMs <= nowMs && session.streams.size === 0) {
      this.#onIdleDeadline();
    }
    this.#writer.flush();
  }

  #onIdleDeadline(): void {
    const { writableLength } = this.#socket;
    if (this.#state !== 'closing') {
      this.session.goAway(this.lastStreamId);
      this.#close();
    } else if (writableLength !== 0 && writableLength !== this.#unsentBytes) {
      // A slow reader may take its time for the end of an answer, as long as it goes on taking it.
      this.#unsentBytes = writableLength;
      this.#idleMs = this.#manager.deadlineMs(this.#manager.config.streamIdleTimeoutMs);
    } else if (writableLength !== 0) {
      resetSocket(this.#socket);
    } else {
      this.#socket.destroy();
    }
  }

  /** A response begins. */
  onResponse(): void {
    if (this.#manager.isDraining) this.drain();
  }

  /** Finish what is under way and close; requests that are on their way already count (RFC 9113 §6.8). */
  drain(): void {
    if (this.#state === 'preface') this.#close();
    if (this.#state !== 'open') return;
    this.#state = 'announced';
    this.session.goAway(maxStreamId);
    this.session.ping();
    this.#writer.flush();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** Sends FIN behind what is written and discards what still comes, so that the peer reads it before a reset. */
  #close(): void {
    if (this.#state === 'closing') return;
    this.#state = 'closing';
    this.session.isOver = true;
    this.#keepalive?.stop();
    this.#incompleteMs = 0;
    this.#idleMs = this.#manager.deadlineMs(lingerMs);
    this.#writer.end();
    if (this.#isPeerDone) this.#socket.destroySoon();
  }
}
