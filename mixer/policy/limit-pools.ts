/** The pools of all limits that somebody spends from, by what the limits say about themselves. */
import type { NamedLimit } from './limit-id.ts';
import { LimitPool } from './limit-pool.ts';

/** More limits than a mesh has; beyond, further ones are refused. */
export const maxPools = 10_000;
/** A pool that nobody spends from for this long is full again and needs not be remembered; at least an interval. */
const forgetAfterMs = 600_000;

export class LimitPools {
  readonly #isShared: boolean;
  readonly #pools = new Map<string, { readonly pool: LimitPool; usedMs: number }>();

  /** `isShared`: the tokens are in a store. */
  constructor({ isShared = false } = {}) {
    this.#isShared = isShared;
  }

  *entries(): Generator<[string, LimitPool]> {
    for (const [key, { pool }] of this.#pools) yield [key, pool];
  }

  get size(): number {
    return this.#pools.size;
  }

  /** Undefined when there are too many. `nowMs`: monotonic. */
  find({ key, numbers }: NamedLimit, nowMs: number): LimitPool | undefined {
    const known = this.#pools.get(key);
    if (known !== undefined) {
      known.usedMs = nowMs;
      return known.pool;
    }
    if (this.#pools.size >= maxPools) return undefined;
    const pool = new LimitPool(numbers, nowMs, { isShared: this.#isShared });
    this.#pools.set(key, { pool, usedMs: nowMs });
    return pool;
  }

  sweep(nowMs: number): void {
    for (const [key, entry] of this.#pools) {
      entry.pool.sweep(nowMs);
      const { burst, requests, intervalMs } = entry.pool.numbers;
      const fillMs = (2 * burst * intervalMs) / requests;
      if (entry.pool.spenderCount > 0) entry.usedMs = nowMs;
      else if (nowMs - entry.usedMs > Math.max(forgetAfterMs, fillMs)) this.#pools.delete(key);
    }
  }
}
