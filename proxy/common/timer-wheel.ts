/**
 * One coarse timer wheel per thread instead of one Timeout per request (a Timeout costs about 0.5 µs and an allocation).
 * Deadlines fire up to one tick late, never early. Arming and disarming are O(1) and allocate nothing.
 */
import type { Clock } from './clock.ts';

/** Embed one in whatever has a deadline; `onTimeout` is called from the wheel. */
export class WheelTimer {
  readonly onTimeout: () => void;
  /** Monotonic milliseconds; 0 while disarmed. */
  deadlineMs = 0;
  previous: WheelTimer | undefined = undefined;
  next: WheelTimer | undefined = undefined;
  slot = -1;

  constructor(onTimeout: () => void) {
    this.onTimeout = onTimeout;
  }
}

export class TimerWheel {
  readonly #clock: Clock;
  readonly #tickMs: number;
  readonly #slots: (WheelTimer | undefined)[];
  #currentTick: number;
  #armed = 0;
  #cancelTick: (() => void) | undefined = undefined;

  /** A deadline beyond `slotCount · tickMs` just goes around more than once. */
  constructor(clock: Clock, tickMs = 20, slotCount = 512) {
    this.#clock = clock;
    this.#tickMs = tickMs;
    this.#slots = Array.from({ length: slotCount }, () => undefined);
    this.#currentTick = Math.floor(clock.monotonicMs() / tickMs);
  }

  /** (Re)arms: a timer that is armed already is moved. Pass `nowMs` when the clock was just read. */
  arm(timer: WheelTimer, delayMs: number, nowMs: number = this.#clock.monotonicMs()): void {
    if (timer.slot >= 0) this.disarm(timer);
    if (this.#armed === 0) this.#currentTick = Math.floor(nowMs / this.#tickMs);
    timer.deadlineMs = nowMs + delayMs;
    const tick = Math.max(Math.ceil(timer.deadlineMs / this.#tickMs), this.#currentTick + 1);
    const slot = tick % this.#slots.length;
    const head = this.#slots[slot];
    timer.slot = slot;
    timer.next = head;
    if (head !== undefined) head.previous = timer;
    this.#slots[slot] = timer;
    this.#armed += 1;
    this.#cancelTick ??= this.#clock.setTimer(this.#onTick, this.#tickMs);
  }

  disarm(timer: WheelTimer): void {
    if (timer.slot < 0) return;
    if (timer.previous !== undefined) timer.previous.next = timer.next;
    else this.#slots[timer.slot] = timer.next;
    if (timer.next !== undefined) timer.next.previous = timer.previous;
    timer.previous = undefined;
    timer.next = undefined;
    timer.slot = -1;
    timer.deadlineMs = 0;
    this.#armed -= 1;
  }

  /** Stops ticking; what is armed never fires. */
  close(): void {
    this.#cancelTick?.();
    this.#cancelTick = undefined;
  }

  readonly #onTick = (): void => {
    const nowMs = this.#clock.monotonicMs();
    const target = Math.floor(nowMs / this.#tickMs);
    // After a stall every slot is looked at once at most: one round sees every timer.
    const first = Math.max(this.#currentTick + 1, target - this.#slots.length + 1);
    for (let tick = first; tick <= target; tick++) this.#expire(tick % this.#slots.length, nowMs);
    this.#currentTick = Math.max(this.#currentTick, target);
    this.#cancelTick = this.#armed > 0 ? this.#clock.setTimer(this.#onTick, this.#tickMs) : undefined;
  };

  #expire(slot: number, nowMs: number): void {
    // A callback may arm or disarm any timer, so look from the head again after each one that fired.
    let timer = this.#slots[slot];
    while (timer !== undefined) {
      if (timer.deadlineMs > nowMs) {
        timer = timer.next;
        continue;
      }
      this.disarm(timer);
      timer.onTimeout();
      timer = this.#slots[slot];
    }
  }
}
