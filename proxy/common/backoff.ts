/** Exponential back-off with full jitter: the n-th delay is uniform in [0, min(cap, base · 2^n)), so peers spread out. */
export class Backoff {
  readonly #baseMs: number;
  readonly #capMs: number;
  readonly #random: () => number;
  #attempt = 0;

  constructor(baseMs: number, capMs: number, random: () => number = Math.random) {
    this.#baseMs = baseMs;
    this.#capMs = capMs;
    this.#random = random;
  }

  /** The delay before the next attempt, in milliseconds. */
  nextDelayMs(): number {
    const ceilingMs = Math.min(this.#capMs, this.#baseMs * 2 ** this.#attempt);
    this.#attempt += 1;
    return Math.floor(this.#random() * ceilingMs);
  }

  /** Call after a success: the next failure starts from the base again. */
  reset(): void {
    this.#attempt = 0;
  }
}
