/**
 * Peak EWMA of one host: an exponentially weighted moving average of its latencies that rises to a peak at once and comes
 * down with time (Finagle's `PeakEwma`, linkerd's `tower::load::PeakEwma`). Measurements lose weight by the clock and not
 * by their number, and an estimate that nothing renews sinks: a host that was slow is asked again some day.
 */
import type { PeakEwma } from '../api/load-balancing.ts';

/** Slots of the array: numbers in an object's own fields would be allocated anew with every measurement. */
const rtt = 0;
const stamp = 1;

export class LatencyEstimate {
  readonly #config: PeakEwma;
  readonly #values = new Float64Array(2);
  #isMeasured = false;

  /** `nowMs`: monotonic, as everywhere here. */
  constructor(config: PeakEwma, nowMs: number) {
    this.#config = config;
    this.#values[rtt] = config.defaultRttMs;
    this.#values[stamp] = nowMs;
  }

  /** An attempt was answered after `rttMs`. */
  record(rttMs: number, nowMs: number): void {
    const values = this.#values;
    const known = values[rtt] ?? 0;
    const weight = this.#isMeasured ? this.#decay(nowMs) : 0;
    values[rtt] = rttMs > known ? rttMs : known * weight + rttMs * (1 - weight);
    values[stamp] = nowMs;
    this.#isMeasured = true;
  }

  /** An attempt failed after `rttMs`. Failing fast must not look like answering fast: each time the host looks worse. */
  recordFailure(rttMs: number, nowMs: number): void {
    this.#values[rtt] = Math.max(rttMs, 2 * this.rttAt(nowMs), 1);
    this.#values[stamp] = nowMs;
    this.#isMeasured = true;
  }

  /** Nobody waited any more for an answer after `rttMs`: the host is no faster than that. */
  recordAtLeast(rttMs: number, nowMs: number): void {
    if (rttMs > this.rttAt(nowMs)) this.record(rttMs, nowMs);
  }

  /** The estimate in milliseconds. */
  rttAt(nowMs: number): number {
    return (this.#values[rtt] ?? 0) * this.#decay(nowMs);
  }

  /** How long one more request would probably take. A host that was asked and has never answered is a last resort. */
  costAt(nowMs: number, activeRequests: number): number {
    if (!this.#isMeasured && activeRequests > 0) return this.#config.penalty + activeRequests;
    return this.rttAt(nowMs) * (activeRequests + 1);
  }

  #decay(nowMs: number): number {
    const age = nowMs - (this.#values[stamp] ?? 0);
    return age > 0 ? Math.exp(-age / this.#config.decayMs) : 1;
  }
}
