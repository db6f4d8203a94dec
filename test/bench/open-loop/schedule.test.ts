import { describe, expect, it } from 'vitest';
import { percentilesOf } from '../../../bench/open-loop/percentiles.ts';
import { Queue } from '../../../bench/open-loop/queue.ts';
import { Schedule } from '../../../bench/open-loop/schedule.ts';

describe('the schedule of an open loop', () => {
  it('has requests due at even times, however late they are taken', () => {
    const schedule = new Schedule(100, 2_000, 4);
    expect(schedule.isDue(99.9)).toBe(false);
    expect(schedule.isDue(100)).toBe(true);
    expect(schedule.take()).toBe(100);
    expect(schedule.isDue(100.4)).toBe(false);
    expect(schedule.isDue(5_000)).toBe(true);
    expect([schedule.take(), schedule.take(), schedule.take()]).toEqual([100.5, 101, 101.5]);
  });

  it('is over after its last request', () => {
    const schedule = new Schedule(0, 1_000, 1);
    expect(schedule.isOver).toBe(false);
    schedule.take();
    expect(schedule.isOver).toBe(true);
    expect(schedule.isDue(10)).toBe(false);
  });
});

describe('percentiles', () => {
  it('are those of the samples, by nearest rank', () => {
    const samples = Uint32Array.from({ length: 1_000 }, (_, i) => 1_000 - i);
    expect(percentilesOf(samples)).toEqual({ p50Us: 500, p99Us: 990, p999Us: 999, maxUs: 1_000 });
  });

  it('of one sample are that sample, of none no number', () => {
    expect(percentilesOf(Uint32Array.of(7))).toEqual({ p50Us: 7, p99Us: 7, p999Us: 7, maxUs: 7 });
    expect(percentilesOf(new Uint32Array(0)).p50Us).toBeNaN();
  });
});

describe('the queue', () => {
  it('gives back what was put in, in that order, over and over', () => {
    const queue = new Queue<number>();
    const got: (number | undefined)[] = [];
    for (let i = 0; i < 5_000; i++) {
      queue.push(i);
      if (i % 3 !== 0) got.push(queue.shift());
    }
    for (let left = queue.shift(); left !== undefined; left = queue.shift()) got.push(left);
    expect(got).toEqual(Array.from({ length: 5_000 }, (_, i) => i));
    expect(queue.shift()).toBeUndefined();
  });
});
