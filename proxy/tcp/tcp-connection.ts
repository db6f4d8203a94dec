/**
 * One connection of the TCP proxy, from downstream to a host. Each direction has an end of its own: FIN is passed on as
 * FIN, RST as RST, so that nobody takes a part for the whole.
 */
import type { Socket } from 'node:net';
import { ByteBuffer } from '../common/byte-buffer.ts';
import { MeshError } from '../common/errors.ts';
import { nextConnectionId, resetSocket } from '../common/socket.ts';
import { guard } from '../common/socket-fault.ts';
import { atEndOfTurn, type TurnEnd } from '../common/turn.ts';
import { ConnectionInfo } from '../http/connection-info.ts';
import type { StreamInfo, TimeSource } from '../http/stream-info.ts';
import { ReadGate } from '../http1/read-gate.ts';
import { SocketWriter } from '../http1/socket-writer.ts';
import type { ConnectionFacts } from '../listener/filter-chain-match.ts';
import type { AcceptedConnection, ServedConnection } from '../listener/network-filter.ts';
import type { TcpSeries } from '../telemetry/tcp-series.ts';
import type { DownstreamConnection } from '../upstream/connection-pool.ts';
import type { UpstreamCluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import { describeOutage } from '../upstream/outage.ts';
import { connectionFlags } from './connection-flags.ts';
import type { TcpProxy } from './tcp-proxy.ts';
import { TcpUpstream, type TcpUpstreamCallbacks } from './tcp-upstream.ts';

/**
 * What is kept of a client that speaks before there is somebody to hear it. Up to here reading goes on: to stop and to
 * begin again would be two more system calls of every connection whose client speaks first.
 */
const maxEarlyBytes = 65_536;

export class TcpConnection
  extends ConnectionInfo
  implements ServedConnection, TcpUpstreamCallbacks, StreamInfo, TurnEnd
{
  readonly localReplyDetails = undefined;
  readonly codec: NonNullable<StreamInfo['codec']> & DownstreamConnection;
  readonly requestedServerName: string;
  readonly startMs: number;
  endMs = -1;
  requestBytes = 0;
  responseBytes = 0;
  attemptCount = 0;
  cluster: UpstreamCluster | undefined = undefined;
  host: Host | undefined = undefined;
  error: MeshError | undefined = undefined;
  /** What the metrics have counted of it so far, and where; undefined before its first report. */
  readonly counted: { series: TcpSeries | undefined; requestBytes: number; responseBytes: number } = {
    series: undefined,
    requestBytes: 0,
    responseBytes: 0,
  };
  readonly #proxy: TcpProxy;
  readonly #socket: Socket;
  readonly #writer: SocketWriter;
  readonly #reading: ReadGate;
  readonly #facts: ConnectionFacts;
  readonly #isLogged: boolean;
  readonly #onServerFirst: (() => void) | undefined;
  /** Came before the upstream was there. */
  readonly #early = new ByteBuffer();
  #upstream: TcpUpstream | undefined = undefined;
  #isConnected = false;
  #isDownstreamDone = false;
  #isUpstreamDone = false;
  #isOver = false;
  #isActiveSinceSweep = true;
  #activeMs: number;

  constructor({ socket, facts, isLogged, onServerFirst }: AcceptedConnection, proxy: TcpProxy) {
    super();
    this.#socket = socket;
    this.#proxy = proxy;
    this.#isLogged = isLogged === true || proxy.isLogged;
    this.#onServerFirst = onServerFirst;
    this.#writer = new SocketWriter(socket, proxy.stats.sentBytes);
    this.#reading = new ReadGate(socket);
    this.#facts = facts;
    this.requestedServerName = facts.serverName;
    this.codec = {
      connectionId: nextConnectionId(),
      remoteAddress: `${facts.sourceAddress}:${facts.sourcePort}`,
      localAddress: `${facts.destinationAddress}:${facts.destinationPort}`,
      protocol: undefined,
      originalSource: facts.originalSource,
    };
    this.startMs = proxy.clock.monotonicMs();
    this.#activeMs = this.startMs;
  }

  get timeSource(): TimeSource {
    return this.#proxy.timeSource;
  }

  get upstream(): StreamInfo['upstream'] {
    return this.#isConnected ? { connection: this.#upstream } : undefined;
  }

  get streamInfo(): this {
    return this;
  }

  get responseFlags(): string {
    return connectionFlags(this.error);
  }

  // ---- the upstream ----

  /** Connects at once: many servers speak first. */
  start(): void {
    const name = this.#proxy.chooseCluster()?.name;
    this.cluster = name === undefined ? undefined : this.#proxy.clusters.find(name);
    if (this.cluster !== undefined) {
      if (this.#proxy.tunnel === undefined || this.cluster.config.protocol !== 'http2') this.#connect(this.cluster);
      else this.#fail(new MeshError('internal', `cluster ${name} speaks HTTP/2, and tunnels are HTTP/1.1`));
      return;
    }
    this.#proxy.stats.noRoute.value += 1;
    this.#fail(new MeshError('no_cluster', `the cluster ${name} of the connection is not known`));
  }

  #connect(cluster: UpstreamCluster): void {
    const hash = this.#proxy.hashOf(this.#facts.sourceAddress);
    const host = cluster.pick(hash, this.attemptCount, this.codec.localAddress);
    if (host === undefined) {
      cluster.stats.noHealthy.value += 1;
      this.#fail(new MeshError('no_healthy_upstream', describeOutage(cluster)));
      return;
    }
    this.host = host;
    if (!cluster.circuitBreaker.hasRoomForConnection) {
      cluster.stats.connectionOverflow.value += 1;
      const { name } = cluster.config;
      this.#fail(
        new MeshError('overflow', `the circuit breaker of cluster ${name} is open: max_connections is reached`),
      );
      return;
    }
    this.attemptCount += 1;
    this.#upstream = new TcpUpstream(host, this, this.#proxy.tunnel);
  }

  onUpstreamConnected(): void {
    this.#isConnected = true;
    const upstream = this.#upstream;
    if (upstream === undefined) return;
    if (this.#isLogged) upstream.keepLocalAddress();
    if (this.#early.length > 0) {
      this.#countReceived(this.#early.length);
      upstream.write(this.#early.bytes, this.#early.length);
      this.#early.clear();
    }
    if (this.#isDownstreamDone) upstream.end();
    this.#reading.isOpen = true;
    if (upstream.writer.isCongested) this.#pauseReading();
  }

  onUpstreamBytes(bytes: Buffer, start: number, end: number): boolean {
    if (this.requestBytes === 0 && this.responseBytes === 0) this.#onServerFirst?.();
    this.#isActiveSinceSweep = true;
    this.responseBytes += end - start;
    this.#writer.writeBytes(bytes, start, end);
    this.#writer.flush();
    return !this.#writer.isCongested;
  }

  onUpstreamDrained(): void {
    if (this.#reading.isOpen) return;
    this.#proxy.stats.resumedReading.value += 1;
    this.#reading.isOpen = true;
  }

  /** The host takes no more for now. */
  #pauseReading(): void {
    if (!this.#reading.isOpen) return;
    this.#proxy.stats.pausedReading.value += 1;
    this.#reading.isOpen = false;
  }

  onUpstreamEnd(): void {
    this.#isUpstreamDone = true;
    if (this.#isDownstreamDone) this.#writer.end(true);
    else atEndOfTurn(this);
  }

  /** A client that has got all it wanted is often done in the same turn: what is closed as a whole need not be halved before. */
  onEndOfTurn(): void {
    const socket = this.#socket;
    if (!socket.destroyed) guard(socket, () => this.#writer.end(this.#isDownstreamDone));
  }

  onUpstreamClosed(error: MeshError | undefined): void {
    if (this.#isConnected) {
      if (error === undefined) this.#finish();
      else this.#fail(error);
    } else if (
      this.cluster !== undefined &&
      this.attemptCount < this.#proxy.config.maxConnectAttempts &&
      !this.#isOver
    ) {
      this.#connect(this.cluster);
    } else {
      this.#fail(error ?? new MeshError('internal', 'the connection ended before it began'));
    }
  }

  // ---- the downstream ----

  onBytes(bytes: Buffer, length: number): boolean {
    this.#isActiveSinceSweep = true;
    this.#reading.enter();
    const upstream = this.#upstream;
    if (upstream === undefined || !this.#isConnected) {
      this.#early.append(bytes, 0, length);
      if (this.#early.length >= maxEarlyBytes) this.#reading.isOpen = false;
    } else {
      this.#countReceived(length);
      upstream.write(bytes, length);
      if (upstream.writer.isCongested) this.#pauseReading();
    }
    return this.#reading.leave();
  }

  /** Envoy does not read before there is someone to read for: what came for nobody was not received. */
  #countReceived(length: number): void {
    this.requestBytes += length;
    this.#proxy.stats.receivedBytes.value += length;
  }

  onEnd(): void {
    this.#isDownstreamDone = true;
    if (this.#isConnected) this.#upstream?.end();
  }

  onDrain(): void {
    if (this.#upstream !== undefined) this.#upstream.reading.isOpen = true;
  }

  onClose(cause: Error | undefined): void {
    const isWhole = cause === undefined && this.#isDownstreamDone && this.#isUpstreamDone;
    if (!isWhole && !this.#isOver) {
      this.error ??= new MeshError('downstream_closed', 'the client broke the connection off', { cause });
    }
    this.#upstream?.abandon(!isWhole);
    this.#finish();
  }

  // ---- the end ----

  /** Called about once a second. */
  sweep(nowMs: number): void {
    const { idleTimeoutMs, maxDownstreamConnectionDurationMs } = this.#proxy.config;
    if (this.#isActiveSinceSweep) this.#activeMs = nowMs;
    this.#isActiveSinceSweep = false;
    if (idleTimeoutMs > 0 && nowMs - this.#activeMs >= idleTimeoutMs) {
      this.#proxy.stats.idleTimeouts.value += 1;
      this.#end();
    } else if (maxDownstreamConnectionDurationMs > 0 && nowMs - this.startMs >= maxDownstreamConnectionDurationMs) {
      this.#proxy.stats.maxDurations.value += 1;
      this.error ??= new MeshError('duration_limit', 'the connection has lived for as long as it may');
      this.#end();
    } else if (this.#isConnected && !this.#isOver) {
      this.#proxy.onProgress(this);
    }
  }

  /** Nothing is under way: both ends are told in the ordinary way. */
  #end(): void {
    this.#upstream?.abandon(false);
    this.#finish();
    this.#socket.destroySoon();
  }

  /** What was said so far is not everything, and both ends must know. */
  #fail(error: MeshError): void {
    this.error ??= error;
    this.#upstream?.abandon(true);
    this.#finish();
    resetSocket(this.#socket);
  }

  destroy(): void {
    this.#upstream?.abandon(true);
    this.#finish();
    this.#socket.destroy();
  }

  #finish(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.endMs = this.#proxy.clock.monotonicMs();
    this.#proxy.onComplete(this, this.endMs - this.startMs);
  }
}
