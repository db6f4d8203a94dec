/**
 * Pools of one host whose connections are one client's, as Envoy keeps them (`hashKey` of its transport sockets), so that
 * nobody's request is taken for another's. Keyed by the downstream connection where the host is told of it as a connection
 * begins (PROXY protocol), or by the client in whose name connections are made (`original_src`).
 */
import { ConnectionPool } from './connection-pool.ts';
import type { Host } from './host.ts';
import type { DownstreamConnection, StreamPool } from './upstream-stream.ts';

export type DownstreamPoolKey = DownstreamConnection | string;

export class DownstreamPools {
  readonly #host: Host;
  /** One client speaks one version of HTTP on one connection, and nothing keeps it from speaking another on the next. */
  readonly #http1 = new Map<DownstreamPoolKey, StreamPool>();
  readonly #http2 = new Map<DownstreamPoolKey, StreamPool>();

  constructor(host: Host) {
    this.#host = host;
  }

  get size(): number {
    return this.#http1.size + this.#http2.size;
  }

  /** `downstream` is one of those that have this key. */
  get(key: DownstreamPoolKey, downstream: DownstreamConnection, isHttp2: boolean): StreamPool {
    const pools = isHttp2 ? this.#http2 : this.#http1;
    let pool = pools.get(key);
    if (pool === undefined) {
      pool = isHttp2 ? this.#host.createHttp2Pool(downstream) : new ConnectionPool(this.#host, downstream);
      pools.set(key, pool);
    }
    return pool;
  }

  /** Called once a second. Nobody can use the connections of a downstream that has gone. */
  sweepIdle(nowMs: number): void {
    for (const pools of [this.#http1, this.#http2]) {
      for (const [key, pool] of pools) {
        if (typeof key === 'object' && key.isClosed === true) pool.closeIdle();
        else pool.sweepIdle(nowMs);
        if (pool.isUnused) pools.delete(key);
      }
    }
  }

  closeIdle(): void {
    for (const pools of [this.#http1, this.#http2]) for (const pool of pools.values()) pool.closeIdle();
  }
}
