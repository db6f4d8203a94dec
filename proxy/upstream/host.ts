/** One endpoint of one cluster at work: its idle connections and what is going on there. Survives endpoint updates. */
import type { Endpoint } from '../api/cluster.ts';
import type { ClientConnection } from '../http1/client-connection.ts';
import type { MetricScope } from '../telemetry/metric-scope.ts';
import type { UpstreamCluster } from './cluster.ts';

export class Host {
  readonly cluster: UpstreamCluster;
  readonly address: string;
  endpoint: Endpoint;
  activeRequests = 0;
  activeConnections = 0;
  requestsTotal = 0;
  connectFailuresTotal = 0;
  isRemoved = false;
  /** Where requests to this host are counted; resolved at the first one. */
  metricScope: MetricScope | undefined = undefined;
  /** Connections that wait for a request, the most recently used last. */
  readonly #idle: ClientConnection[] = [];

  constructor(cluster: UpstreamCluster, endpoint: Endpoint) {
    this.cluster = cluster;
    this.endpoint = endpoint;
    this.address = `${endpoint.address}:${endpoint.port}`;
  }

  /** The connection used last, because it is the least likely to have been closed meanwhile. */
  takeIdle(nowMs: number): ClientConnection | undefined {
    for (let connection = this.#idle.pop(); connection !== undefined; connection = this.#idle.pop()) {
      if (connection.isUsable(nowMs)) return connection;
      connection.destroy();
    }
    return undefined;
  }

  putIdle(connection: ClientConnection): void {
    if (this.isRemoved) connection.destroy();
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
      connection.destroy();
    }
  }

  /** No new requests; what runs finishes, then its connection closes. */
  remove(): void {
    this.isRemoved = true;
    this.closeIdle();
  }

  closeIdle(): void {
    for (const connection of this.#idle.splice(0)) connection.destroy();
  }
}
