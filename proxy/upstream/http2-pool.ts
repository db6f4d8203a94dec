/**
 * The connections of HTTP/2 to one host. Requests share one as long as it takes more of them; a further one is opened when
 * all are full, and the requests that have to wait are served in the order of arrival.
 */
import type { MeshError } from '../common/errors.ts';
import { Http2ClientConnection } from '../http2/client-connection.ts';
import type { Http2ClientStream } from '../http2/client-stream.ts';
import type { Host } from './host.ts';
import { PendingRequests } from './pending-requests.ts';
import type { DownstreamConnection, PoolCallbacks, StreamPool } from './upstream-stream.ts';

export class Http2Pool implements StreamPool {
  readonly #host: Host;
  readonly #downstream: DownstreamConnection | undefined;
  /** Connections that take requests, the oldest first: the others get a chance to idle, and to end. */
  readonly #open: Http2ClientConnection[] = [];
  readonly #pending: PendingRequests;
  #connecting = 0;
  /** Those that drain too. */
  #connections = 0;
  #isServing = false;

  /** `downstream`: on whose behalf all its connections are opened; default: the proxy's own. */
  constructor(host: Host, downstream?: DownstreamConnection) {
    this.#host = host;
    this.#downstream = downstream;
    this.#pending = new PendingRequests(host.cluster);
  }

  get isUnused(): boolean {
    return this.#connections === 0 && this.#pending.size === 0;
  }

  newStream(request: PoolCallbacks, nowMs: number, mayReuse: boolean): Http2ClientStream | undefined {
    const { circuitBreaker, stats } = this.#host.cluster;
    const connection = mayReuse && this.#pending.size === 0 ? this.#find(nowMs) : undefined;
    if (connection === undefined) {
      // What other requests met there, this one would meet too.
      if (!mayReuse) this.#drainAll();
      if (this.#pending.add(request)) this.#openForPending();
      return undefined;
    }
    if (!circuitBreaker.hasRoomForRequest) {
      this.#pending.overflow(request, 'max_requests');
      return undefined;
    }
    stats.requestsActive.value += 1;
    return connection.takeStream(nowMs);
  }

  cancel(request: PoolCallbacks): void {
    this.#pending.cancel(request);
  }

  #find(nowMs: number): Http2ClientConnection | undefined {
    for (const connection of this.#open) {
      if (!connection.isUsable(nowMs)) {
        connection.expire(nowMs);
        return this.#find(nowMs);
      }
      if (connection.freeStreams > 0) return connection;
    }
    return undefined;
  }

  /** As many as the waiting requests need, by what one is expected to take, and as far as `max_connections` allows. */
  #openForPending(): void {
    const { cluster } = this.#host;
    const { maxConcurrentStreams } = cluster.config.http2;
    while (this.#connecting * maxConcurrentStreams < this.#pending.size) {
      // As for HTTP/1.1: a pool without any connection gets one all the same.
      if (this.#connections > 0 && !cluster.circuitBreaker.hasRoomForConnection) return;
      this.#connecting += 1;
      this.#connections += 1;
      Http2ClientConnection.open(this.#host, this, this.#downstream);
    }
  }

  // ---- from the connections ----

  onConnected(connection: Http2ClientConnection): void {
    this.#connecting -= 1;
    this.#open.push(connection);
    this.servePending();
    if (this.#host.isRemoved) connection.drain();
  }

  /** All requests that it would have taken learn it; while others are being opened the next ones wait for those. */
  onConnectFailure(error: MeshError): void {
    this.#connecting -= 1;
    const { maxConcurrentStreams } = this.#host.cluster.config.http2;
    const left = this.#connecting * maxConcurrentStreams;
    while (this.#pending.size > left && this.#pending.failNext(error));
  }

  /** It takes no requests any more. */
  drop(connection: Http2ClientConnection): void {
    const index = this.#open.indexOf(connection);
    if (index >= 0) this.#open.splice(index, 1);
  }

  /** Called once for each connection that was opened, last. */
  onClosed(): void {
    this.#connections -= 1;
    this.#openForPending();
  }

  /** There may be room for requests that wait. */
  servePending(): void {
    if (this.#pending.size === 0 || this.#isServing) return;
    this.#isServing = true;
    const { circuitBreaker, context, stats } = this.#host.cluster;
    const nowMs = context.clock.monotonicMs();
    for (;;) {
      const connection = this.#pending.size === 0 ? undefined : this.#find(nowMs);
      const request = connection && this.#pending.next();
      if (connection === undefined || request === undefined) break;
      if (circuitBreaker.hasRoomForRequest) {
        stats.requestsActive.value += 1;
        request.onPoolReady(connection.takeStream(nowMs));
      } else {
        this.#pending.overflow(request, 'max_requests');
      }
    }
    this.#isServing = false;
    this.#openForPending();
  }

  // ---- the end ----

  sweepIdle(nowMs: number): void {
    for (const connection of this.#open.slice()) if (!connection.isUsable(nowMs)) connection.expire(nowMs);
  }

  /** Connections with requests on them close behind the last of those. */
  closeIdle(): void {
    this.#drainAll();
  }

  #drainAll(): void {
    for (const connection of this.#open.slice()) connection.drain();
  }
}
