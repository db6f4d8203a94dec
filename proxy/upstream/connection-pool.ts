/**
 * The connections of HTTP/1.1 to one host and the requests that wait for one. A waiting request is served by whichever connection is
 * free first, a new one or one that has just answered, in the order of arrival. A request that finds an idle connection
 * never meets the queue.
 */
import type { MeshError } from '../common/errors.ts';
import { ClientConnection } from '../http1/client-connection.ts';
import type { Host } from './host.ts';
import { PendingRequests } from './pending-requests.ts';
import type { DownstreamConnection, PoolCallbacks, StreamPool } from './upstream-stream.ts';

export class ConnectionPool implements StreamPool {
  readonly #host: Host;
  readonly #downstream: DownstreamConnection | undefined;
  /** Connections that wait for a request, the most recently used last. */
  readonly #idle: ClientConnection[] = [];
  readonly #pending: PendingRequests;
  #connecting = 0;
  /** Open ones, whatever they do. */
  #connections = 0;

  /** `downstream`: on whose behalf all its connections are opened; default: the proxy's own. */
  constructor(host: Host, downstream?: DownstreamConnection) {
    this.#host = host;
    this.#downstream = downstream;
    this.#pending = new PendingRequests(host.cluster);
  }

  get isUnused(): boolean {
    return this.#connections === 0 && this.#pending.size === 0;
  }

  /** An idle connection, where there is one and it may be used. */
  newStream(request: PoolCallbacks, nowMs: number, mayReuse: boolean): ClientConnection | undefined {
    const { circuitBreaker, stats } = this.#host.cluster;
    const connection = mayReuse && this.#pending.size === 0 ? this.takeIdle(nowMs) : undefined;
    if (connection === undefined) {
      // Those that are idle, and not wanted, must not stand in the way of a new one.
      if (!mayReuse && !circuitBreaker.hasRoomForConnection) this.closeIdle();
      if (this.#pending.add(request)) this.openForPending();
      return undefined;
    }
    if (!circuitBreaker.hasRoomForRequest) {
      this.putIdle(connection);
      this.#pending.overflow(request, 'max_requests');
      return undefined;
    }
    stats.requestsActive.value += 1;
    return connection;
  }

  cancel(request: PoolCallbacks): void {
    this.#pending.cancel(request);
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
    this.#pending.failNext(error);
  }

  /** Gives a connection that became free, and was not taken since, to the request that waits longest. */
  servePending(connection: ClientConnection): void {
    if (this.#pending.size === 0 || this.#idle.at(-1) !== connection) return;
    const request = this.#pending.next();
    if (request === undefined) return;
    const { circuitBreaker, stats } = this.#host.cluster;
    if (circuitBreaker.hasRoomForRequest) {
      this.#idle.pop();
      stats.requestsActive.value += 1;
      request.onPoolReady(connection);
    } else {
      this.#pending.overflow(request, 'max_requests');
    }
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
