/**
 * What all connections to a host have in common, whatever they speak: how long they may take to open, idle and live, and
 * what is counted of them.
 */
import type { Socket } from 'node:net';
import { MeshError, TransportFailure } from '../common/errors.ts';
import { localAddressOf } from '../common/socket.ts';
import { WheelTimer } from '../common/timer-wheel.ts';
import type { Host } from './host.ts';
import { startKeepalive } from './tcp-keepalive.ts';

export class ConnectionLife {
  /** Our end, `ip:port`; empty until it is connected. A closed socket has forgotten it. */
  localAddress = '';
  readonly #host: Host;
  readonly #connectTimer: WheelTimer;
  /** Monotonic milliseconds, as all times here. */
  readonly #openedMs: number;
  #idleTimeoutMs: number;
  #idleDeadlineMs = 0;
  /** No request begins on it after this time; 0 = no limit. */
  #lastUseMs = 0;

  /** `onConnectTimeout`: the host did not accept in time. */
  constructor(host: Host, onConnectTimeout: (error: MeshError) => void) {
    const { config, context, stats } = host.cluster;
    this.#host = host;
    this.#openedMs = context.clock.monotonicMs();
    this.#idleTimeoutMs = config.idleTimeoutMs;
    this.#connectTimer = new WheelTimer(() => {
      const { connectTimeoutMs } = config;
      stats.connectTimeouts.value += 1;
      onConnectTimeout(
        new MeshError('connect_timeout', `${host.address} did not accept within ${connectTimeoutMs} ms`),
      );
    });
    context.timers.arm(this.#connectTimer, config.connectTimeoutMs);
    host.activeConnections += 1;
    host.connectionsTotal += 1;
    stats.connections.value += 1;
    stats.connectionsActive.value += 1;
  }

  onConnected(socket: Socket): void {
    const { config, context, stats } = this.#host.cluster;
    const nowMs = context.clock.monotonicMs();
    context.timers.disarm(this.#connectTimer);
    if (config.tcpKeepalive !== undefined) startKeepalive(socket, config.tcpKeepalive);
    this.localAddress = localAddressOf(socket);
    stats.connectTime.record(nowMs - this.#openedMs);
    this.#lastUseMs = config.maxConnectionDurationMs === 0 ? 0 : nowMs + config.maxConnectionDurationMs;
    this.onIdle(nowMs);
  }

  /** Nothing is asked on it any more. */
  onIdle(nowMs: number): void {
    this.#idleDeadlineMs = this.#idleTimeoutMs === 0 ? 0 : nowMs + this.#idleTimeoutMs;
  }

  /** The host has said how long it keeps idle connections: ours end before, at the latest. */
  limitIdle(timeoutMs: number): void {
    const { idleTimeoutMs } = this.#host.cluster.config;
    this.#idleTimeoutMs = idleTimeoutMs === 0 ? timeoutMs : Math.min(idleTimeoutMs, timeoutMs);
  }

  /** Whether an idle connection may still be used. */
  isUsable(nowMs: number): boolean {
    return !this.#isIdleTooLong(nowMs) && !this.#isTooOld(nowMs);
  }

  #isIdleTooLong(nowMs: number): boolean {
    return this.#idleDeadlineMs !== 0 && nowMs >= this.#idleDeadlineMs;
  }

  #isTooOld(nowMs: number): boolean {
    return this.#lastUseMs !== 0 && nowMs >= this.#lastUseMs;
  }

  /** Counts why an idle connection is not used any more. */
  countExpiry(nowMs: number): void {
    const { stats } = this.#host.cluster;
    if (this.#isTooOld(nowMs)) stats.connectionMaxDuration.value += 1;
    else if (this.#isIdleTooLong(nowMs)) stats.connectionIdleTimeout.value += 1;
  }

  /** Whether it has carried as many requests, or lived for as long, as the cluster allows; that is counted. */
  isUsedUp(requestCount: number, nowMs: number): boolean {
    const { config, stats } = this.#host.cluster;
    if (config.maxRequestsPerConnection !== 0 && requestCount >= config.maxRequestsPerConnection) {
      stats.connectionMaxRequests.value += 1;
      return true;
    }
    if (!this.#isTooOld(nowMs)) return false;
    stats.connectionMaxDuration.value += 1;
    return true;
  }

  /** Counts a connection that could not be opened. */
  onConnectFailure(): void {
    const { cluster } = this.#host;
    cluster.context.timers.disarm(this.#connectTimer);
    cluster.stats.connectFailures.value += 1;
    this.#host.connectFailuresTotal += 1;
  }

  /** Called once. `isPeers`: the peer ended it; `isActive`: with requests on it. */
  onClosed(isPeers: boolean, isActive: boolean): void {
    const { stats } = this.#host.cluster;
    this.#host.activeConnections -= 1;
    stats.connectionsActive.value -= 1;
    stats.connectionEnds.count(isPeers, isActive);
  }
}

export function connectFailure({ address }: Host, cause: Error | undefined): MeshError {
  return new MeshError('connect_failure', `connecting to ${address} failed${describeCause(cause)}`, { cause });
}

export function connectionReset({ address }: Host, cause: Error | undefined): MeshError {
  return new MeshError('upstream_reset', `${address} closed the connection${describeCause(cause)}`, { cause });
}

function describeCause(error: Error | undefined): string {
  if (error instanceof TransportFailure) return `: ${error.message}`;
  return error !== undefined && 'code' in error ? ` (${String(error.code)})` : '';
}
