/** Time as a dependency, so that tests turn the hands. */
export interface Clock {
  /** Milliseconds since the epoch. */
  nowMs(): number;
  /** Milliseconds from an arbitrary origin; never goes back. For durations. */
  monotonicMs(): number;
  /** Calls `callback` once after `delayMs`; the returned function cancels. Does not keep the process alive. */
  setTimer(callback: () => void, delayMs: number): () => void;
}

/** Whether bytes that sockets delivered are being worked on, and the time at which that began; 0: nobody has asked yet. */
let isDelivering = false;
let deliveredMs = 0;

/**
 * The work on what one turn of the event loop delivered, at most 64 reads, takes less than a millisecond, and asks for the
 * time up to seven times per read: between `beginDelivery` and `endDelivery` the system's clock is read once.
 */
export function beginDelivery(): void {
  isDelivering = true;
  deliveredMs = 0;
}

export function endDelivery(): void {
  isDelivering = false;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs() {
    if (!isDelivering) return performance.now();
    if (deliveredMs === 0) deliveredMs = performance.now();
    return deliveredMs;
  },
  setTimer(callback, delayMs) {
    const timer = setTimeout(callback, delayMs);
    timer.unref();
    return () => clearTimeout(timer);
  },
};
