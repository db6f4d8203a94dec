/**
 * Pools of one host whose connections are one client's, as Envoy keeps them (`hashKey` of its transport sockets), so that
 * nobody's request is taken for another's. Keyed by the downstream connection where the host is told of it as a connection
 * begins (PROXY protocol), or by the client in whose name connections are made (`original_src`).
 */
import { ConnectionPool, type DownstreamConnection } from './connection-pool.ts';
import type { Host } from './host.ts';

export type DownstreamPoolKey = DownstreamConnection | string;

export class DownstreamPools {
  readonly #host: Host;
  readonly #pools = new Map<DownstreamPoolKey, ConnectionPool>();

  constructor(host: Host) {
    this.#host = host;
  }

  get size(): number {
    return this.#pools.size;
  }

  /** `downstream` is one of those that have this key. */
  get(key: DownstreamPoolKey, downstream: DownstreamConnection): ConnectionPool {
    let pool = this.#pools.get(key);
    if (pool === undefined) {
      pool = new ConnectionPool(this.#host, downstream);
      this.#pools.set(key, pool);
    }
    return pool;
  }

  /** Called once a second. Nobody can use the connections of a downstream that has gone. */
  sweepIdle(nowMs: number): void {
    for (const [key, pool] of this.#pools) {
      if (typeof key === 'object' && key.isClosed === true) pool.closeIdle();
      else pool.sweepIdle(nowMs);
      if (pool.isUnused) this.#pools.delete(key);
    }
  }

  closeIdle(): void {
    for (const pool of this.#pools.values()) pool.closeIdle();
  }
}
