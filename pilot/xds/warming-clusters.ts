/** Clusters that a client was sent and has not asked the endpoints of: it may not route to them yet. */
import type { Clock } from '../../proxy/common/clock.ts';

/** How long to wait for a client to ask. Sidecars ask at once; this bound is for clients that never do. */
export const warmingMs = 1000;

export class WarmingClusters {
  readonly #clock: Clock;
  readonly #onTimeout: () => void;
  #names: ReadonlySet<string> = new Set();
  #cancelTimer = (): void => {};

  constructor(clock: Clock, onTimeout: () => void) {
    this.#clock = clock;
    this.#onTimeout = onTimeout;
  }

  get isDone(): boolean {
    return this.#names.size === 0;
  }

  /** `clusterNames`: of those whose endpoints come from EDS; others warm by themselves. */
  start(clusterNames: readonly string[], subscribed: ReadonlySet<string>): void {
    this.#cancelTimer();
    const names = clusterNames.filter((name) => !subscribed.has(name));
    this.#names = new Set(names);
    if (this.isDone) return;
    this.#cancelTimer = this.#clock.setTimer(() => {
      this.end();
      this.#onTimeout();
    }, warmingMs);
  }

  subscribe(subscribed: ReadonlySet<string>): void {
    this.#names = new Set([...this.#names].filter((name) => !subscribed.has(name)));
    if (this.isDone) this.#cancelTimer();
  }

  end(): void {
    this.#names = new Set();
    this.#cancelTimer();
  }
}
