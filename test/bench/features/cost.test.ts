import { describe, expect, it } from 'vitest';
import { costOf, formatGoal, judge } from '../../../bench/features/cost.ts';
import type { Outcome } from '../../../bench/series.ts';

const measured = (cpuMicrosPerRequest: number): Outcome => ({
  measurement: {
    cpuMicrosPerRequest,
    windows: [cpuMicrosPerRequest],
    requestsPerSecond: 1,
    p50Ms: 1,
    p99Ms: 1,
    utilization: 1,
  },
});

describe('the cost of a feature', () => {
  it('is the median of the differences in each round, not the difference of the medians', () => {
    const cost = costOf([measured(11), measured(30), measured(12)], [measured(10), measured(20), measured(10)]);
    expect(cost?.micros).toEqual({ median: 2, min: 1, max: 10 });
    expect(cost?.percent.median).toBeCloseTo(20);
  });

  it('counts only rounds in which both were measured', () => {
    const cost = costOf([measured(11), measured(30)], [{ failure: 'ended' }, measured(25)]);
    expect(cost?.micros).toEqual({ median: 5, min: 5, max: 5 });
  });

  it.each([undefined, [{ failure: 'ended' }]])('is unknown when the plain hop is %j', (plain) => {
    expect(costOf([measured(1)], plain)).toBeUndefined();
  });
});

describe('a goal', () => {
  const cost = costOf([measured(10.4)], [measured(10)]);

  it.each([
    [{ kind: 'micros', max: 0.5 } as const, 'met', '≤ 0.5 µs'],
    [{ kind: 'micros', max: 0.3 } as const, 'missed', '≤ 0.3 µs'],
    [{ kind: 'percent', max: 5 } as const, 'met', '≤ 5 %'],
    [{ kind: 'percent', max: 3 } as const, 'missed', '≤ 3 %'],
    [{ kind: 'ratio', max: 1.8 } as const, 'met', '≤ 1.8 ×'],
    [{ kind: 'ratio', max: 1.6 } as const, 'missed', '≤ 1.6 ×'],
  ])('of %j is %s for 0.4 µs on top of 10 and 1.7 times the reference', (goal, verdict, text) => {
    expect(judge(goal, cost, 1.7)).toBe(verdict);
    expect(formatGoal(goal)).toBe(text);
  });

  it('of what was not measured is neither met nor missed', () => {
    expect(judge({ kind: 'micros', max: 1 }, undefined, 1)).toBe('unknown');
    expect(judge({ kind: 'ratio', max: 1 }, cost, undefined)).toBe('unknown');
  });
});
