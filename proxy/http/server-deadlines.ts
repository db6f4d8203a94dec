/** When too little has happened on a downstream connection. The connection manager's sweep looks at it once a second. */
import type { ConnectionManager } from './connection-manager.ts';

const lingerMs = 1_000;

export class ServerDeadlines {
  readonly #manager: ConnectionManager;
  /** Monotonic milliseconds; 0 = never. */
  #idleMs = 0;
  /** At which the request must have come whole, however many bytes come; 0 = never. */
  #requestMs = 0;
  /** The first bytes of a request head came, and its deadline runs. */
  #isHeadStarted = false;
  /** Of the stream at hand: the connection manager's, or its route's; 0 = never. */
  streamIdleTimeoutMs = 0;
  /** A byte went either way since the sweep looked last. */
  isActiveSinceSweep = false;

  constructor(manager: ConnectionManager) {
    this.#manager = manager;
  }

  /** The nearer one; monotonic milliseconds, 0 = none. */
  get nextMs(): number {
    const request = this.#requestMs;
    return request !== 0 && (this.#idleMs === 0 || request < this.#idleMs) ? request : this.#idleMs;
  }

  /** Whether the request's deadline is the one that is over; it is told once. */
  takeRequestDeadline(nowMs: number): boolean {
    if (this.#requestMs === 0 || this.#requestMs > nowMs) return false;
    this.#requestMs = 0;
    return true;
  }

  /** No stream: the connection may wait for one. */
  armIdle(): void {
    this.#idleMs = this.#manager.deadlineMs(this.#manager.config.idleTimeoutMs);
  }

  armLinger(): void {
    this.#idleMs = this.#manager.deadlineMs(lingerMs);
  }

  /** An answer is still being taken, though slowly. */
  armUnsent(): void {
    this.#idleMs = this.#manager.deadlineMs(this.#manager.config.streamIdleTimeoutMs);
  }

  /** A part of a request head came. Without a limit of its own it counts as the beginning of a stream, as in Envoy. */
  onHeadStarted(): void {
    if (this.#isHeadStarted) return;
    const { requestHeadersTimeoutMs, requestTimeoutMs, streamIdleTimeoutMs } = this.#manager.config;
    this.#isHeadStarted = true;
    this.#requestMs = this.#manager.deadlineMs(requestTimeoutMs);
    this.#idleMs = this.#manager.deadlineMs(requestHeadersTimeoutMs || streamIdleTimeoutMs);
  }

  onStreamBegun(): void {
    const { requestTimeoutMs } = this.#manager.config;
    if (!this.#isHeadStarted) this.#requestMs = requestTimeoutMs === 0 ? 0 : this.#manager.deadlineMs(requestTimeoutMs);
    this.#isHeadStarted = false;
    this.isActiveSinceSweep = false;
  }

  setStreamIdle(timeoutMs: number): void {
    this.streamIdleTimeoutMs = timeoutMs;
    this.#idleMs = this.#manager.deadlineMs(timeoutMs);
  }

  /** The stream was looked at and had been active: it has its whole time again. */
  renewStream(nowMs: number): void {
    this.#idleMs = nowMs + this.streamIdleTimeoutMs;
  }
}
