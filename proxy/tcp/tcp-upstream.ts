/** One connection of the TCP proxy to one host: it counts for the host, the cluster and its circuit breaker. */
import type { Socket } from 'node:net';
import type { Tunneling } from '../api/listener.ts';
import { MeshError } from '../common/errors.ts';
import { localAddressOf, nextConnectionId, resetSocket, type SocketHandler } from '../common/socket.ts';
import { WheelTimer } from '../common/timer-wheel.ts';
import { ReadGate } from '../http1/read-gate.ts';
import { SocketWriter } from '../http/socket-writer.ts';
import type { Host } from '../upstream/host.ts';
import { connectHost } from '../upstream/host-socket.ts';
import type { DownstreamConnection } from '../upstream/upstream-stream.ts';
import { startKeepalive } from '../upstream/tcp-keepalive.ts';
import { HttpTunnel, type HttpTunnelCallbacks } from './http-tunnel.ts';

const noBytes = Buffer.alloc(0);

/** The downstream connection that it is for. */
export interface TcpUpstreamCallbacks {
  /** Its addresses. */
  readonly codec: DownstreamConnection;
  /** There is somebody to speak to: the host, or whoever is behind its tunnel. */
  onUpstreamConnected(): void;
  /** Returns whether reading goes on. */
  onUpstreamBytes(bytes: Buffer, start: number, end: number): boolean;
  onUpstreamEnd(): void;
  onUpstreamDrained(): void;
  /** It is over: with an error when it did not come about or broke off. */
  onUpstreamClosed(error: MeshError | undefined): void;
}

export interface TunnelPlan extends Tunneling {
  /** What opens it. */
  readonly request: string;
}

export class TcpUpstream implements SocketHandler, HttpTunnelCallbacks {
  readonly id = nextConnectionId();
  /** Our end, `ip:port`; empty until it is connected, and where no log wants it kept. */
  localAddress = '';
  readonly writer: SocketWriter;
  readonly reading: ReadGate;
  readonly #host: Host;
  readonly #callbacks: TcpUpstreamCallbacks;
  readonly #socket: Socket;
  readonly #plan: TunnelPlan | undefined;
  readonly #tunnel: HttpTunnel | undefined;
  /** What the host did to its tunnel. */
  #fault: MeshError | undefined = undefined;
  /** Only while it connects: connections live long, and most of them idle. */
  #connectTimer: WheelTimer | undefined;
  readonly #openedMs: number;
  #isConnected = false;
  #isEnded = false;
  #isTimedOut = false;
  /** Whether the host had the last word; undefined while nobody had it. */
  #isEndedByHost: boolean | undefined = undefined;
  #hasSaidAll = false;
  /** The downstream has gone: nobody is told how this ends. */
  #isAbandoned = false;

  /** `tunnel`: how the host is asked for one, if it is only on the way. */
  constructor(host: Host, callbacks: TcpUpstreamCallbacks, tunnel: TunnelPlan | undefined) {
    const { config, context, stats } = host.cluster;
    this.#host = host;
    this.#callbacks = callbacks;
    this.#plan = tunnel;
    this.#tunnel = tunnel && new HttpTunnel(tunnel, host.address, this);
    this.#openedMs = context.clock.monotonicMs();
    this.#connectTimer = new WheelTimer(() => this.#onConnectTimeout());
    context.timers.arm(this.#connectTimer, config.connectTimeoutMs);
    // As Envoy counts them: each connection is a request to its host, so that balancers see where they are.
    host.activeConnections += 1;
    host.connectionsTotal += 1;
    host.activeRequests += 1;
    host.requestsTotal += 1;
    stats.connections.value += 1;
    stats.connectionsActive.value += 1;
    stats.requests.value += 1;
    stats.requestsActive.value += 1;
    host.monitor?.onStreamStart();
    this.#socket = connectHost(host, this, callbacks.codec);
    this.writer = new SocketWriter(this.#socket, stats.sentBytes);
    this.reading = new ReadGate(this.#socket);
  }

  #disarm(): void {
    if (this.#connectTimer !== undefined) this.#host.cluster.context.timers.disarm(this.#connectTimer);
    this.#connectTimer = undefined;
  }

  #onConnectTimeout(): void {
    this.#isTimedOut = true;
    this.#isEndedByHost = false;
    this.#socket.destroy();
  }

  onConnect(): void {
    const { config, context, stats } = this.#host.cluster;
    this.#disarm();
    if (config.tcpKeepalive !== undefined) startKeepalive(this.#socket, config.tcpKeepalive);
    stats.connectTime.record(context.clock.monotonicMs() - this.#openedMs);
    this.#isConnected = true;
    if (this.#plan === undefined) {
      // To be reached is all that is known of a host without its protocol.
      this.#host.recordResult(200);
      this.#callbacks.onUpstreamConnected();
    } else {
      this.writer.writeText(this.#plan.request);
      this.writer.flush();
    }
  }

  onBytes(bytes: Buffer, length: number): boolean {
    this.#host.cluster.stats.receivedBytes.value += length;
    this.reading.enter();
    if (this.#tunnel === undefined) this.onTunnelBytes(bytes, 0, length);
    else this.#tunnel.read(bytes, length);
    return this.reading.leave();
  }

  // ---- the tunnel ----

  onTunnelOpen(status: number): void {
    this.#host.recordResult(status);
    this.#callbacks.onUpstreamConnected();
  }

  onTunnelBytes(bytes: Buffer, start: number, end: number): void {
    if (!this.#callbacks.onUpstreamBytes(bytes, start, end)) this.reading.isOpen = false;
  }

  /** The host may keep the connection for another request, and there is none. */
  onTunnelEnd(): void {
    this.#isEnded = true;
    if (this.#hasSaidAll) this.writer.end(true);
    this.#callbacks.onUpstreamEnd();
  }

  onTunnelFailed(error: MeshError, status: number | undefined): void {
    this.#fault = error;
    if (error.code === 'connect_failure') this.#host.recordResult(status ?? error);
    this.#isEndedByHost ??= false;
    this.#socket.destroy();
  }

  // ---- the end ----

  onEnd(): void {
    // The answer may have been over before.
    if (this.#isEnded || this.#tunnel?.onEnd() === false) return;
    this.#isEnded = true;
    if (this.#hasSaidAll) this.#isEndedByHost ??= true;
    if (this.#hasSaidAll && this.#plan?.usesPost === true) this.writer.end(true);
    this.#callbacks.onUpstreamEnd();
  }

  onDrain(): void {
    this.#callbacks.onUpstreamDrained();
  }

  onClose(cause: Error | undefined): void {
    const { stats } = this.#host.cluster;
    const host = this.#host;
    this.#disarm();
    host.activeConnections -= 1;
    host.activeRequests -= 1;
    stats.connectionsActive.value -= 1;
    stats.requestsActive.value -= 1;
    stats.connectionEnds.count(this.#isEndedByHost ?? true, this.#isConnected);
    host.monitor?.onStreamEnd();
    const error = this.#errorOf(cause);
    if (!this.#isConnected && !this.#isAbandoned) this.#countFailure();
    else if (error !== this.#fault && error?.code === 'connect_failure' && !this.#isAbandoned) host.recordResult(error);
    if (!this.#isAbandoned) this.#callbacks.onUpstreamClosed(error);
  }

  #countFailure(): void {
    const { stats } = this.#host.cluster;
    stats.connectFailures.value += 1;
    if (this.#isTimedOut) stats.connectTimeouts.value += 1;
    this.#host.connectFailuresTotal += 1;
    this.#host.errorsTotal += 1;
    this.#host.monitor?.recordLocalOriginFailure();
  }

  #errorOf(cause: Error | undefined): MeshError | undefined {
    const { address } = this.#host;
    if (this.#fault !== undefined) return this.#fault;
    if (this.#isTimedOut) return new MeshError('connect_timeout', `${address} did not accept a connection in time`);
    if (!this.#isConnected) return new MeshError('connect_failure', `${address} cannot be reached`, { cause });
    if (this.#tunnel?.isOpen === false) return new MeshError('connect_failure', `${address} opened no tunnel`);
    if (cause === undefined && this.#isEnded) return undefined;
    return new MeshError('upstream_reset', `${address} broke the connection off`, { cause });
  }

  /** For those who ask when the connection is over: a closed socket does not know any more. */
  keepLocalAddress(): void {
    this.localAddress = localAddressOf(this.#socket);
  }

  /** From the start of `bytes`; once the callbacks know that it is connected. */
  write(bytes: Buffer, length: number): void {
    if (this.#plan?.usesPost === true) this.writer.writeBody({ bytes, start: 0, end: length }, true, false);
    else this.writer.writeBytes(bytes, 0, length);
    this.writer.flush();
  }

  /** All that will be written is written; the other direction goes on. */
  end(): void {
    this.#hasSaidAll = true;
    if (this.#isEnded) this.#isEndedByHost ??= false;
    if (this.#plan?.usesPost === true) {
      // The end of a request is its last chunk: many servers take FIN for a client that has gone.
      this.writer.writeBody({ bytes: noBytes, start: 0, end: 0 }, true, true);
      this.writer.flush();
      if (!this.#isEnded) return;
    }
    this.writer.end(this.#isEnded);
  }

  /** Nobody waits for it any more. `isReset`: the peer must not take what it got for everything. */
  abandon(isReset: boolean): void {
    this.#isAbandoned = true;
    this.#isEndedByHost ??= false;
    if (isReset) resetSocket(this.#socket);
    else this.writer.destroySoon();
  }
}
