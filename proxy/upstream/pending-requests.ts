/** Requests that wait for a connection to one host, in the order of arrival, and what the cluster's limits say of them. */
import { MeshError } from '../common/errors.ts';
import type { UpstreamCluster } from './cluster.ts';
import type { PoolCallbacks } from './upstream-stream.ts';

export class PendingRequests {
  readonly #cluster: UpstreamCluster;
  readonly #waiting = new Set<PoolCallbacks>();

  constructor(cluster: UpstreamCluster) {
    this.#cluster = cluster;
  }

  get size(): number {
    return this.#waiting.size;
  }

  /** Whether it waits now; otherwise a limit is reached, and it has been told. */
  add(request: PoolCallbacks): boolean {
    const { circuitBreaker, stats } = this.#cluster;
    const { hasRoomForConnection } = circuitBreaker;
    // A connection of its own would not help a request that is one too many; one that is busy now may.
    if (hasRoomForConnection && !circuitBreaker.hasRoomForRequest) return this.overflow(request, 'max_requests');
    if (!circuitBreaker.hasRoomForPendingRequest) return this.overflow(request, 'max_pending_requests');
    this.#waiting.add(request);
    stats.pendingRequests.value += 1;
    stats.pendingRequestsActive.value += 1;
    if (!hasRoomForConnection) stats.connectionOverflow.value += 1;
    return true;
  }

  overflow(request: PoolCallbacks, limit: 'max_requests' | 'max_pending_requests'): false {
    const { config, stats } = this.#cluster;
    stats.pendingOverflow.value += 1;
    request.onPoolFailure(
      new MeshError('overflow', `the circuit breaker of cluster ${config.name} is open: ${limit} is reached`),
    );
    return false;
  }

  cancel(request: PoolCallbacks): void {
    if (this.#waiting.delete(request)) this.#cluster.stats.pendingRequestsActive.value -= 1;
  }

  /** The one that waits longest, which does not wait any more. */
  next(): PoolCallbacks | undefined {
    for (const request of this.#waiting) {
      this.cancel(request);
      return request;
    }
    return undefined;
  }

  /** A connection could not be made: the oldest request learns it. False: there is none. */
  failNext(error: MeshError): boolean {
    const request = this.next();
    if (request === undefined) return false;
    this.#cluster.stats.pendingFailures.value += 1;
    request.onPoolFailure(error);
    return true;
  }
}
