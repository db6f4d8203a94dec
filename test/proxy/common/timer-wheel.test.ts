import { beforeEach, describe, expect, it } from 'vitest';
import { TimerWheel, WheelTimer } from '../../../proxy/common/timer-wheel.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { seededRandom } from '../../support/seeded-random.ts';

let clock: ManualClock;
let wheel: TimerWheel;
let fired: string[];

beforeEach(() => {
  clock = new ManualClock();
  wheel = new TimerWheel(clock, 20, 8);
  fired = [];
});

function timer(name: string): WheelTimer {
  return new WheelTimer(() => fired.push(`${name} at ${clock.monotonicMs()}`));
}

describe('a deadline', () => {
  it('fires up to one tick late, never early, also when it goes around more than once', () => {
    for (const delayMs of [0, 1, 19, 20, 21, 160, 161, 500, 1_000]) {
      let firedMs = -1;
      wheel.arm(new WheelTimer(() => (firedMs = clock.monotonicMs())), delayMs);
      const startMs = clock.monotonicMs();
      clock.advance(2_000);
      expect(firedMs - startMs, `${delayMs} ms`).toBeGreaterThanOrEqual(delayMs);
      expect(firedMs - startMs, `${delayMs} ms`).toBeLessThanOrEqual(delayMs + 20);
    }
  });

  it('does not fire when it is disarmed', () => {
    const a = timer('a');
    wheel.arm(a, 50);
    wheel.disarm(a);
    wheel.disarm(a);
    clock.advance(1_000);
    expect(fired).toEqual([]);
    expect(a.deadlineMs).toBe(0);
  });

  it('moves when it is armed again', () => {
    const a = timer('a');
    wheel.arm(a, 50);
    clock.advance(40);
    wheel.arm(a, 50);
    clock.advance(40);
    expect(fired).toEqual([]);
    clock.advance(40);
    expect(fired).toEqual(['a at 100']);
  });

  it('that fired can be armed again, also by what it calls', () => {
    const a: WheelTimer = new WheelTimer(() => {
      fired.push(`a at ${clock.monotonicMs()}`);
      if (fired.length < 3) wheel.arm(a, 20);
    });
    wheel.arm(a, 20);
    clock.advance(200);
    expect(fired).toEqual(['a at 20', 'a at 40', 'a at 60']);
  });

  it('can disarm others that would fire in the same tick', () => {
    const timers: WheelTimer[] = [];
    for (let i = 0; i < 5; i++) {
      const each: WheelTimer = new WheelTimer(() => {
        fired.push(String(i));
        for (const other of timers) wheel.disarm(other);
      });
      timers.push(each);
    }
    for (const each of timers) wheel.arm(each, 10);
    clock.advance(100);
    expect(fired).toHaveLength(1);
  });
});

describe('the wheel', () => {
  it('sees every timer after a stall longer than itself', () => {
    // The clock goes on while the process does not get the processor: its one timer comes much too late.
    let nowMs = 0;
    let tick = (): void => {};
    const setTimer = (callback: () => void): (() => void) => {
      tick = callback;
      return () => {};
    };
    const stalled = new TimerWheel({ nowMs: () => nowMs, monotonicMs: () => nowMs, setTimer }, 20, 8);
    for (let i = 0; i < 20; i++) stalled.arm(timer(`${i}`), i * 20);
    nowMs = 5_000;
    tick();
    expect(fired).toHaveLength(20);
  });

  it('does not tick while nothing is armed, and does again afterwards', () => {
    const a = timer('a');
    wheel.arm(a, 20);
    clock.advance(100);
    expect(clock.pendingTimers).toBe(0);
    clock.advance(10_007);
    wheel.arm(a, 20);
    clock.advance(40);
    expect(fired).toHaveLength(2);
  });

  it('is silent after close', () => {
    wheel.arm(timer('a'), 20);
    wheel.close();
    clock.advance(100);
    expect(fired).toEqual([]);
    expect(clock.pendingTimers).toBe(0);
  });

  it('fires exactly what a sorted list would, in a thousand random steps', () => {
    const random = seededRandom(3);
    const due = new Map<WheelTimer, number>();
    const timers = Array.from({ length: 40 }, () => {
      const each: WheelTimer = new WheelTimer(() => {
        const lateMs = clock.monotonicMs() - (due.get(each) ?? Infinity);
        expect(lateMs).toBeGreaterThanOrEqual(0);
        expect(lateMs).toBeLessThanOrEqual(20);
        due.delete(each);
      });
      return each;
    });
    for (let step = 0; step < 1_000; step++) {
      const each = timers[Math.floor(random() * timers.length)];
      if (each === undefined) continue;
      const delayMs = Math.floor(random() * 400);
      if (random() < 0.7) {
        wheel.arm(each, delayMs);
        due.set(each, clock.monotonicMs() + delayMs);
      } else {
        wheel.disarm(each);
        due.delete(each);
      }
      clock.advance(Math.floor(random() * 30));
    }
    clock.advance(1_000);
    expect(due.size).toBe(0);
  });
});
