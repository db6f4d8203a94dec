/** The upstream side of HTTP/2: one connection to one host, shared by many requests at once. */
import type { Socket } from 'node:net';
import { MeshError } from '../common/errors.ts';
import { type SocketHandler, nextConnectionId } from '../common/socket.ts';
import { responseHeadLimits } from '../http/head-limits.ts';
import { SocketWriter } from '../http/socket-writer.ts';
import { connectFailure, ConnectionLife, connectionReset } from '../upstream/connection-life.ts';
import type { Host } from '../upstream/host.ts';
import { connectHost } from '../upstream/host-socket.ts';
import type { Http2Pool } from '../upstream/http2-pool.ts';
import type { DownstreamConnection } from '../upstream/upstream-stream.ts';
import { Http2ClientStream } from './client-stream.ts';
import { errorNameOf, maxFrameBytes, maxStreamId } from './frames.ts';
import { KeepalivePings } from './keepalive-pings.ts';
import { ResponseReader } from './response-reader.ts';
import type { HeaderBlock } from './header-assembler.ts';
import { Session } from './session.ts';
import type { SessionOwner } from './session-owner.ts';
import { TrailersReader } from './trailers-reader.ts';

type State =
  | 'connecting'
  | 'open'
  /** No requests begin on it any more; those that are under way finish. */
  | 'draining'
  | 'closed';

/** Streams that were taken before still get an id. */
const lastFirstStreamId = maxStreamId - 2 ** 20;

export class Http2ClientConnection implements SocketHandler, SessionOwner<Http2ClientStream> {
  readonly host: Host;
  readonly id = nextConnectionId();
  readonly session: Session<Http2ClientStream>;
  /** The server opens none. */
  readonly lastStreamId = 0;
  readonly #pool: Http2Pool;
  readonly #socket: Socket;
  readonly #writer: SocketWriter;
  readonly #life: ConnectionLife;
  readonly #keepalive: KeepalivePings | undefined;
  readonly #responseReader = new ResponseReader(responseHeadLimits);
  readonly #trailersReader = new TrailersReader(responseHeadLimits);
  #state: State = 'connecting';
  #nextStreamId = 1;
  /** Taken, and not sent yet. */
  #unsentStreams = 0;
  #requestCount = 0;
  #isPeerDone = false;
  /** What ended it, where that is more than a closed socket. */
  #error: MeshError | undefined = undefined;

  /** Opens a connection for `pool`, which hears how that ends. `downstream`: on whose behalf, if the host is told. */
  static open(host: Host, pool: Http2Pool, downstream: DownstreamConnection | undefined): Http2ClientConnection {
    return new Http2ClientConnection(host, pool, downstream);
  }

  private constructor(host: Host, pool: Http2Pool, downstream: DownstreamConnection | undefined) {
    const { config, context, stats } = host.cluster;
    this.host = host;
    this.#pool = pool;
    stats.http2Connections.value += 1;
    this.#life = new ConnectionLife(host, (error) => this.#onConnectTimeout(error));
    this.#socket = connectHost(host, this, downstream, 'h2');
    this.#writer = new SocketWriter(this.#socket, stats.sentBytes);
    this.session = new Session(this, this.#writer, {
      isServer: false,
      http2: config.http2,
      maxHeaderBlockBytes: 2 * responseHeadLimits.maxBytes + maxFrameBytes,
      recentMs: () => context.clock.monotonicMs(),
    });
    const { keepalive } = config.http2;
    this.#keepalive = keepalive && new KeepalivePings(keepalive, context.clock, this);
  }

  get localAddress(): string {
    return this.#life.localAddress;
  }

  get isCongested(): boolean {
    return this.#writer.isCongested;
  }

  flush(): void {
    this.#writer.flush();
  }

  // ---- for the pool ----

  /** Requests that may be taken to it now. */
  get freeStreams(): number {
    if (this.#state !== 'open') return 0;
    const { maxConcurrentStreams } = this.host.cluster.config.http2;
    return Math.min(maxConcurrentStreams, this.session.remote.maxConcurrentStreams) - this.#activeStreams;
  }

  get #activeStreams(): number {
    return this.session.streams.size + this.#unsentStreams;
  }

  isUsable(nowMs: number): boolean {
    return this.#activeStreams > 0 || this.#life.isUsable(nowMs);
  }

  /** A stream of its own for one request. */
  takeStream(nowMs: number): Http2ClientStream {
    this.#unsentStreams += 1;
    this.#requestCount += 1;
    const stream = new Http2ClientStream(this);
    // Ids do not come again: a connection that is never idle would run out of them after a day or two.
    if (this.#life.isUsedUp(this.#requestCount, nowMs) || this.#nextStreamId > lastFirstStreamId) this.drain();
    return stream;
  }

  /** No requests begin on it any more; it closes when the last one is over. */
  drain(): void {
    if (this.#state !== 'open') return;
    this.#state = 'draining';
    this.#pool.drop(this);
    if (this.#activeStreams === 0) this.#close();
  }

  /** Closes an idle connection whose time is over. */
  expire(nowMs: number): void {
    this.#life.countExpiry(nowMs);
    this.drain();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  // ---- for its streams ----

  /** Gives a stream that was taken its id; false when the connection ended meanwhile, of which the stream has heard. */
  begin(stream: Http2ClientStream): boolean {
    this.#unsentStreams -= 1;
    if (this.#state === 'closed') {
      stream.end(this.#error ?? connectionReset(this.host, undefined));
      return false;
    }
    stream.flow = this.session.newFlow(this.#nextStreamId);
    this.#nextStreamId += 2;
    this.session.open(stream);
    return true;
  }

  /** A stream that was taken was not needed. */
  returnUnsent(): void {
    this.#unsentStreams -= 1;
    this.#onStreamsChanged();
  }

  #onStreamsChanged(): void {
    if (this.#activeStreams === 0) {
      if (this.#state === 'draining') this.#close();
      else this.#life.onIdle(this.host.cluster.context.clock.monotonicMs());
    }
    this.#pool.servePending();
  }

  // ---- from the session ----

  isIdle(streamId: number): boolean {
    return streamId >= this.#nextStreamId || streamId % 2 === 0;
  }

  onHeaderBlock(stream: Http2ClientStream | undefined, block: HeaderBlock): void {
    if (stream === undefined) this.session.dropBlock(block);
    else stream.onHeaderBlock(block, this.#responseReader, this.#trailersReader);
  }

  onStreamClosed(): void {
    this.#onStreamsChanged();
  }

  onRemoteSettings(): void {
    this.#pool.servePending();
  }

  /** Requests that the server will not work on can go elsewhere (RFC 9113 §6.8). */
  onGoAway(lastStreamId: number, code: number): void {
    const reason = `${this.host.address} is going away (${errorNameOf(code)}) and did not work on the request`;
    const refused = [...this.session.streams.values()].filter(({ flow }) => flow.id > lastStreamId);
    this.drain();
    for (const stream of refused) {
      this.session.forget(stream);
      stream.end(new MeshError('refused_stream', reason));
    }
  }

  onPingAck(): void {
    this.#keepalive?.onAck();
  }

  onPingOverdue(): void {
    this.#breakOff(new MeshError('upstream_reset', `${this.host.address} did not answer a keepalive ping in time`));
  }

  onFailure(code: number, reason: string): void {
    const text = `${this.host.address} broke the protocol of HTTP/2: ${reason} (${errorNameOf(code)})`;
    this.#breakOff(new MeshError('upstream_protocol_error', text));
  }

  // ---- from the socket ----

  onConnect(): void {
    const { alpnProtocol } = this.#socket as { readonly alpnProtocol?: string | false | null };
    if (typeof alpnProtocol === 'string' && alpnProtocol !== 'h2') {
      this.#socket.destroy(new Error(`the server speaks ${alpnProtocol} instead of HTTP/2`));
      return;
    }
    this.#life.onConnected(this.#socket);
    this.#state = 'open';
    this.session.start();
    this.#writer.flush();
    this.#keepalive?.start();
    this.#pool.onConnected(this);
  }

  onBytes(bytes: Buffer, length: number): boolean {
    this.host.cluster.stats.receivedBytes.value += length;
    this.#keepalive?.onBytes();
    if (this.#state !== 'closed') this.session.read(bytes, 0, length);
    this.#writer.flush();
    return true;
  }

  onEnd(): void {
    this.#isPeerDone = true;
    this.#socket.destroy();
  }

  onDrain(): void {
    this.session.onDrain();
    this.#writer.flush();
  }

  onClose(error: Error | undefined): void {
    const wasConnecting = this.#state === 'connecting';
    const isActive = this.#activeStreams > 0 || this.#error !== undefined;
    this.#life.onClosed(error !== undefined || this.#isPeerDone, isActive);
    if (wasConnecting) this.#failConnect(connectFailure(this.host, error));
    else this.#end(connectionReset(this.host, error));
    this.#pool.onClosed();
  }

  #onConnectTimeout(error: MeshError): void {
    this.#failConnect(error);
    this.#socket.destroy();
  }

  #failConnect(error: MeshError): void {
    this.#state = 'closed';
    this.#life.onConnectFailure();
    this.#pool.onConnectFailure(error);
  }

  #breakOff(error: MeshError): void {
    this.#error = error;
    this.#end(error);
    // Behind the word that says why.
    this.#writer.destroySoon();
  }

  #end(error: MeshError): void {
    this.#keepalive?.stop();
    this.#pool.drop(this);
    this.#state = 'closed';
    this.session.isOver = true;
    const streams = [...this.session.streams.values()];
    this.session.closeAll();
    for (const stream of streams) stream.end(error);
  }

  #close(): void {
    this.#keepalive?.stop();
    this.#state = 'closed';
    if (!this.session.isOver) this.session.goAway(0);
    this.session.isOver = true;
    this.#writer.destroySoon();
  }
}
