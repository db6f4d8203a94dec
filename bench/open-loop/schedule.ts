/**
 * When each request of an open loop is due, whatever became of those before. A latency that is counted from there holds
 * the time that a request waited because the server was slow: what is called coordinated omission is not omitted.
 */
export class Schedule {
  readonly #startMs: number;
  readonly #intervalMs: number;
  readonly #count: number;
  #taken = 0;

  /** `count` requests, `ratePerSecond` evenly from `startMs` on. */
  constructor(startMs: number, ratePerSecond: number, count: number) {
    this.#startMs = startMs;
    this.#intervalMs = 1_000 / ratePerSecond;
    this.#count = count;
  }

  /** Whether one more request is due at `nowMs`. */
  isDue(nowMs: number): boolean {
    return this.#taken < this.#count && this.#dueMs() <= nowMs;
  }

  /** The time at which the next request is due; each time is taken once. */
  take(): number {
    const dueMs = this.#dueMs();
    this.#taken += 1;
    return dueMs;
  }

  get isOver(): boolean {
    return this.#taken === this.#count;
  }

  #dueMs(): number {
    return this.#startMs + this.#taken * this.#intervalMs;
  }
}
