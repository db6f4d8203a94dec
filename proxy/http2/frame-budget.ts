/**
 * What a peer may ask for without getting anywhere: resets of its own requests, pings, settings, windows, priorities, empty
 * frames. Each costs little and none is forbidden, which is how floods are made (CVE-2023-44487, CVE-2019-9512 and its
 * siblings). A bucket of tokens: ordinary peers never see its bottom, because every exchange that completes fills it.
 */
const maxTokens = 1_000;
const refillPerSecond = 100;
const perExchange = 20;

export const frameCosts = {
  /** Of a frame that moves no request on. */
  idle: 1,
  /** Of a request that its sender takes back: the server has begun to work on it. */
  reset: 10,
} as const;

export class FrameBudget {
  #tokens = maxTokens;
  #filledMs = 0;

  /** Something was achieved: a request or a response is complete, or some of it went out. */
  earn(): void {
    this.#tokens = Math.min(maxTokens, this.#tokens + perExchange);
  }

  /** False: the peer has asked for too much. `nowMs`: monotonic milliseconds. */
  spend(cost: number, nowMs: number): boolean {
    if (this.#tokens < cost) this.#refill(nowMs);
    this.#tokens -= cost;
    return this.#tokens >= 0;
  }

  #refill(nowMs: number): void {
    const seconds = Math.max(0, nowMs - this.#filledMs) / 1_000;
    this.#tokens = Math.min(maxTokens, this.#tokens + seconds * refillPerSecond);
    this.#filledMs = nowMs;
  }
}
