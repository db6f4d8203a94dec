import { describe, expect, it } from 'vitest';
import type { Measurement, Outcome } from '../../bench/series.ts';
import { lowerOctile, median, spread, summarize } from '../../bench/summary.ts';

function measured(cpuMicrosPerRequest: number, rest: Partial<Measurement> = {}): { measurement: Measurement } {
  return {
    measurement: {
      cpuMicrosPerRequest,
      windows: [cpuMicrosPerRequest],
      requestsPerSecond: 50_000,
      p50Ms: 1,
      p99Ms: 2,
      utilization: 1,
      ...rest,
    },
  };
}

describe('the median', () => {
  it.each([
    [[3], 3],
    [[9, 1, 5], 5],
    [[4, 1, 3, 2], 2.5],
    [[10, 9, 100], 10],
  ])('of %j is %d', (values, expected) => {
    expect(median(values)).toBe(expected);
  });

  it('of nothing is not a number', () => {
    expect(median([])).toBeNaN();
  });

  it('leaves its input in the order it came', () => {
    const values = [3, 1, 2];
    median(values);
    expect(values).toEqual([3, 1, 2]);
  });

  it('stands between the extremes of a spread', () => {
    expect(spread([8, 12, 9])).toEqual({ median: 9, min: 8, max: 12 });
  });
});

describe('the lower octile', () => {
  it('is what an eighth of the values lie below, in whatever order they came', () => {
    expect(lowerOctile([16, 3, 1, 5, 7, 9, 2, 4, 6, 8, 10, 11, 12, 13, 14, 15])).toBe(3);
    expect(lowerOctile([4])).toBe(4);
    expect(lowerOctile([])).toBeNaN();
  });
});

describe('a row of the report', () => {
  it('holds median, smallest and largest CPU time', () => {
    const row = summarize('heddle', [measured(12), measured(10), measured(17)], undefined);
    expect(row).toMatchObject({ status: 'measured', cpuMicrosPerRequest: { median: 12, min: 10, max: 17 } });
  });

  it('has the median of the ratios of each round, not the ratio of the medians', () => {
    const own = [measured(10), measured(20), measured(60)];
    const reference = [measured(10), measured(10), measured(40)];
    expect(summarize('heddle', own, reference)).toMatchObject({ cpuRatio: 1.5 });
  });

  it('has a ratio only of rounds in which the reference was measured', () => {
    const own = [measured(10), measured(20)];
    const reference: Outcome[] = [{ failure: 'ended' }, measured(10)];
    expect(summarize('heddle', own, reference)).toMatchObject({ cpuRatio: 2 });
  });

  it.each([[undefined], [[{ failure: 'ended' }]]])('has no ratio when the reference is %j', (reference) => {
    expect(summarize('heddle', [measured(10)], reference)).toMatchObject({ status: 'measured', cpuRatio: undefined });
  });

  it('is failed as soon as one round failed, whatever the others were', () => {
    const outcomes = [measured(1), { failure: '3 of 1000 requests failed' }, measured(1)];
    expect(summarize('heddle', outcomes, undefined)).toEqual({
      peer: 'heddle',
      status: 'failed',
      reason: '3 of 1000 requests failed',
    });
  });

  it('is failed when there was no round', () => {
    expect(summarize('heddle', [], undefined)).toMatchObject({ status: 'failed', reason: 'no round was finished' });
  });
});
