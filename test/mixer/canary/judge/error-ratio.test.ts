import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../../bench/canary/random.ts';
import {
  addRatioEvidence,
  estimateIncrease,
  estimateRatio,
  logEAgainstRatio,
  type RatioEvidence,
  startRatioEvidence,
} from '../../../../mixer/canary/judge/error-ratio.ts';
import { expectation, lookOf } from './looks.ts';

const max = 1.5;
const add = (evidence: RatioEvidence, primary: [number, number], canary: [number, number]): RatioEvidence =>
  addRatioEvidence(evidence, max, lookOf(primary, canary));

describe('the confidence sequence of the error ratio', () => {
  it('knows nothing at first, and no end while nobody errs', () => {
    const none = { estimate: undefined, lower: undefined, upper: undefined };
    expect(estimateRatio(startRatioEvidence(max), max, 0.01)).toEqual(none);
    const quiet = add(startRatioEvidence(max), [100_000, 0], [100_000, 0]);
    expect(estimateRatio(quiet, max, 0.01)).toEqual(none);
    expect(estimateIncrease(quiet)).toBe(0);
  });

  it('narrows around the true ratio', () => {
    let evidence = startRatioEvidence(max);
    const widths: number[] = [];
    for (let i = 1; i <= 1000; i++) {
      evidence = add(evidence, [900, 3], [100, 1]);
      const { lower = 0, upper = 100 } = estimateRatio(evidence, max, 0.01);
      if (i % 250 === 0) widths.push(upper - lower);
      expect(lower).toBeLessThan(3);
      expect(upper).toBeGreaterThan(3);
    }
    expect(estimateRatio(evidence, max, 0.01).estimate).toBeCloseTo(3, 9);
    expect(widths).toEqual(widths.toSorted((a, b) => b - a));
    expect(widths.at(-1)).toBeLessThan(1.6);
  });

  it('does not take a change of weights for a change of rates', () => {
    // A bad hour with few canary requests, a good one with many: the canary is as good as the primary in both.
    const bad = add(startRatioEvidence(max), [9900, 990], [100, 10]);
    const both = add(bad, [5000, 50], [5000, 50]);
    expect(estimateRatio(both, max, 0.01).estimate).toBeCloseTo(1, 9);
    expect(estimateIncrease(both)).toBeCloseTo(0, 9);
  });

  it.each([
    { n1: 4, n0: 12, p0: 0.3 },
    { n1: 10, n0: 10, p0: 0.02 },
    { n1: 20, n0: 5, p0: 0.5 },
  ])('is a test martingale against the ratio, at any error rate: $n1 and $n0 requests, $p0', ({ n1, n0, p0 }) => {
    const eValue = (c: number, b: number): number =>
      Math.exp(logEAgainstRatio(add(startRatioEvidence(max), [n0, b], [n1, c]), max));
    for (const beyond of [1, 1.2]) {
      expect(expectation({ n1, p1: max * beyond * p0, n0, p0 }, eValue)).toBeLessThanOrEqual(1 + 1e-9);
    }
    expect(expectation({ n1, p1: p0 / 2, n0, p0 }, eValue)).toBeGreaterThan(1);
  });

  it.each([0.5, 1, 1.5, 4])(
    'S3: holds the true ratio %d at all looks of 95 of 100 releases, with confidence 95 percent',
    (ratio) => {
      let misses = 0;
      for (let seed = 1; seed <= 150; seed++) {
        const random = createRandom(seed);
        let evidence = startRatioEvidence(max);
        let isMissed = false;
        for (let second = 0; second < 300 && !isMissed; second++) {
          const n1 = random.binomial(100, second < 100 ? 0.05 : 0.3);
          const b = random.binomial(100 - n1, 0.02);
          evidence = add(evidence, [100 - n1, b], [n1, random.binomial(n1, 0.02 * ratio)]);
          if (second % 5 !== 0) continue;
          const { lower = 0, upper = Infinity } = estimateRatio(evidence, max, 0.05);
          isMissed = lower > ratio || upper < ratio;
        }
        if (isMissed) misses++;
      }
      // At alpha = 5 %: 150 releases, 7.5 expected at most.
      expect(misses).toBeLessThanOrEqual(8);
    },
  );
});
