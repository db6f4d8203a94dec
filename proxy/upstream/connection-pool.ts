/**
 * The connections to one host and the requests that wait for one. A waiting request is served by whichever connection is
 * free first, a new one or one that has just answered, in the order of arrival. A request that finds an idle connection
 * never meets the queue.
 */
import type { OriginalSource } from '../common/client-socket.ts';
import { MeshError } from '../common/errors.ts';
import { ClientConnection } from '../http1/client-connection.ts';
import type { Host } from './host.ts';
import type { AddressPair } from './proxy-protocol-header.ts';

/** The connection that requests come on. */
export interface DownstreamConnection extends AddressPair {
  /** In whose name its requests are sent on; undefined: in the proxy's own. */
  readonly originalSource?: OriginalSource | undefined;
  /** It is over; default false. */
  readonly isClosed?: boolean;
}

/** One attempt of a request, which needs a connection. Called at most once, and not after `cancel`. */
export interface PoolCallbacks {
  /** On whose behalf; undefined: the proxy's own. Stays the same for the attempt. */
  readonly downstream?: DownstreamConnection | undefined;
  /** The connection is taken for this request. */
  onPoolReady(connection: ClientConnection): void;
  /** There will be none: connecting failed, or a limit of the cluster is reached. */
  onPoolFailure(error: MeshError): void;
}

export class ConnectionPool {
  readonly #host: Host;
  readonly #downstream: DownstreamConnection | undefined;
  /** Connections that wait for a request, the most recently used last. */
  readonly #idle: ClientConnection[] = [];
  /** In the order of arrival. */
  readonly #pending = new Set<PoolCallbacks>();
  #connecting = 0;
  /** Open ones, whatever they do. */
  #connections = 0;

  /** `downstream`: on whose behalf all its connections are opened; default: the proxy's own. */
  constructor(host: Host, downstream?: DownstreamConnection) {
    this.#host = host;
    this.#downstream = downstream;
  }

  /** Nobody would miss it. */
  get isUnused(): boolean {
    return this.#connections === 0 && this.#pending.size === 0;
  }

  /**
   * An idle connection, taken for the request. Otherwise undefined: the callbacks say how it goes on, at once when a
   * limit is reached. `mayReuse`: false asks for a connection other than those that are idle now.
   */
  newStream(request: PoolCallbacks, nowMs: number, mayReuse: boolean): ClientConnection | undefined {
    const { circuitBreaker, stats } = this.#host.cluster;
    const connection = mayReuse && this.#pending.size === 0 ? this.takeIdle(nowMs) : undefined;
    if (connection === undefined) {
      // Those that are idle, and not wanted, must not stand in the way of a new one.
      if (!mayReuse && !circuitBreaker.hasRoomForConnection) this.closeIdle();
      this.#enqueue(request);
      return undefined;
    }
    if (!circuitBreaker.hasRoomForRequest) {
      this.putIdle(connection);
      this.#overflow(request, 'max_requests');
      return undefined;
    }
    stats.requestsActive.value += 1;
    return connection;
  }

  #enqueue(request: PoolCallbacks): void {
    const { circuitBreaker, stats } = this.#host.cluster;
    const { hasRoomForConnection } = circuitBreaker;
    // A connection of its own would not help a request that is one too many; one that is busy now may.
    if (hasRoomForConnection && !circuitBreaker.hasRoomForRequest) {
      this.#overflow(request, 'max_requests');
      return;
    }
    if (!circuitBreaker.hasRoomForPendingRequest) {
      this.#overflow(request, 'max_pending_requests');
      return;
    }
    this.#pending.add(request);
    stats.pendingRequests.value += 1;
    stats.pendingRequestsActive.value += 1;
    if (!hasRoomForConnection) stats.connectionOverflow.value += 1;
    this.openForPending();
  }

  #overflow(request: PoolCallbacks, limit: 'max_requests' | 'max_pending_requests'): void {
    const { config, stats } = this.#host.cluster;
    stats.pendingOverflow.value += 1;
    request.onPoolFailure(
      new MeshError('overflow', `the circuit breaker of cluster ${config.name} is open: ${limit} is reached`),
    );
  }

  /** The request needs no connection any more. One that is being opened for it is kept for others. */
  cancel(request: PoolCallbacks): void {
    if (this.#pending.delete(request)) this.#host.cluster.stats.pendingRequestsActive.value -= 1;
  }

  /** Opens one for each request that none is being opened for, as far as `max_connections` allows. */
  openForPending(): void {
    const host = this.#host;
    while (this.#connecting < this.#pending.size) {
      // Others of the cluster may use up the limit: a pool without any connection gets one all the same, as in
      // Envoy, lest its requests wait for ever.
      if (this.#connections > 0 && !host.cluster.circuitBreaker.hasRoomForConnection) return;
      this.#connecting += 1;
      this.#connections += 1;
      ClientConnection.open(host, this, this.#downstream);
    }
  }

  onConnected(connection: ClientConnection): void {
    this.#connecting -= 1;
    this.putIdle(connection);
    this.servePending(connection);
  }

  /** Called once for each connection that was opened, last. */
  onClosed(): void {
    this.#connections -= 1;
    this.openForPending();
  }

  /** The oldest request learns it; the others wait for the next connection. */
  onConnectFailure(error: MeshError): void {
    this.#connecting -= 1;
    const request = this.#nextPending();
    if (request === undefined) return;
    this.#host.cluster.stats.pendingFailures.value += 1;
    request.onPoolFailure(error);
  }

  /** Gives a connection that became free, and was not taken since, to the request that waits longest. */
  servePending(connection: ClientConnection): void {
    if (this.#pending.size === 0 || this.#idle.at(-1) !== connection) return;
    const request = this.#nextPending();
    if (request === undefined) return;
    const { circuitBreaker, stats } = this.#host.cluster;
    if (circuitBreaker.hasRoomForRequest) {
      this.#idle.pop();
      stats.requestsActive.value += 1;
      request.onPoolReady(connection);
    } else {
      this.#overflow(request, 'max_requests');
    }
  }

  #nextPending(): PoolCallbacks | undefined {
    for (const request of this.#pending) {
      this.cancel(request);
      return request;
    }
    return undefined;
  }

  // ---- idle connections ----

  /** The connection used last, because it is the least likely to have been closed meanwhile. */
  takeIdle(nowMs: number): ClientConnection | undefined {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.isUsable(nowMs)) return connection;
      connection.expire(nowMs);
    }
    return undefined;
  }

  putIdle(connection: ClientConnection): void {
    if (this.#host.isRemoved && this.#pending.size === 0) connection.destroy();
    else this.#idle.push(connection);
  }

  /** A connection closed while it was idle. */
  dropIdle(connection: ClientConnection): void {
    const index = this.#idle.lastIndexOf(connection);
    if (index >= 0) this.#idle.splice(index, 1);
  }

  /** Closes the idle connections whose time is over. */
  sweepIdle(nowMs: number): void {
    for (const connection of this.#idle.filter((idle) => !idle.isUsable(nowMs))) {
      this.dropIdle(connection);
      connection.expire(nowMs);
    }
  }

  closeIdle(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }
}
