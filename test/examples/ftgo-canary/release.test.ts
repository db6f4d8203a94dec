import { describe, expect, test } from 'vitest';
import { findFault, steps } from '../../../examples/ftgo-canary/release.ts';

describe('what a step of the release promises', () => {
  test('5 % of 3,000 requests may be off by chance, but not by two points', () => {
    expect(findFault({ v1: 2850, v2: 150, failed: 0 }, 0.05)).toBeUndefined();
    expect(findFault({ v1: 2820, v2: 180, failed: 0 }, 0.05)).toBeUndefined();
    expect(findFault({ v1: 2787, v2: 213, failed: 0 }, 0.05)).toMatch(/7\.1 % of 3000 requests reached v2/);
    expect(findFault({ v1: 2911, v2: 89, failed: 0 }, 0.05)).toMatch(/3\.0 %/);
  });

  test('0 % and 100 % are exact', () => {
    expect(findFault({ v1: 3000, v2: 0, failed: 0 }, 0)).toBeUndefined();
    expect(findFault({ v1: 2999, v2: 1, failed: 0 }, 0)).toMatch(/expected 0\.0 %/);
    expect(findFault({ v1: 1, v2: 2999, failed: 0 }, 1)).toMatch(/expected 100\.0 %/);
  });

  test('one failed request is a fault, and so is no request at all', () => {
    expect(findFault({ v1: 50, v2: 50, failed: 1 }, 0.5)).toBe('1 requests failed');
    expect(findFault({ v1: 0, v2: 0, failed: 0 }, 0.5)).toBe('no request was sent');
  });

  test('the release goes up step by step and comes all the way back', () => {
    expect(steps.map(({ users }) => users)).toEqual([0, 0, 0.05, 0.5, 1, 0]);
    expect(steps.at(-1)).toMatchObject({ file: steps[0]?.file, testUsers: 0 });
  });
});
