/**
 * Pools of one host whose connections tell it, as they begin, on whose behalf they are: one for each downstream connection,
 * as Envoy keeps them (`hashKey` of its transport sockets), so that nobody's request is taken for another's.
 */
import { ConnectionPool, type DownstreamConnection } from './connection-pool.ts';
import type { Host } from './host.ts';

export class DownstreamPools {
  readonly #host: Host;
  readonly #pools = new Map<DownstreamConnection, ConnectionPool>();

  constructor(host: Host) {
    this.#host = host;
  }

  get(downstream: DownstreamConnection): ConnectionPool {
    let pool = this.#pools.get(downstream);
    if (pool === undefined) {
      pool = new ConnectionPool(this.#host, downstream);
      this.#pools.set(downstream, pool);
    }
    return pool;
  }

  /** Called once a second. Nobody can use the connections of a downstream that has gone. */
  sweepIdle(nowMs: number): void {
    for (const [downstream, pool] of this.#pools) {
      if (downstream.isClosed === true) pool.closeIdle();
      else pool.sweepIdle(nowMs);
      if (pool.isUnused) this.#pools.delete(downstream);
    }
  }

  closeIdle(): void {
    for (const pool of this.#pools.values()) pool.closeIdle();
  }
}
