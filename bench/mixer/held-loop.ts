/** How long the event loop is held: the longest time between two of its turns. */
export class HeldLoop {
  longestMs = 0;
  #last = performance.now();
  #isOver = false;

  constructor() {
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    const now = performance.now();
    this.longestMs = Math.max(this.longestMs, now - this.#last);
    this.#last = now;
    if (!this.#isOver) setImmediate(this.#turn);
  };

  stop(): number {
    this.#isOver = true;
    return this.longestMs;
  }
}
