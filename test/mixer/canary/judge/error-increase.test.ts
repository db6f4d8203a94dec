import { describe, expect, it } from 'vitest';
import {
  addIncreaseEvidence,
  type IncreaseEvidence,
  logEAgainstIncrease,
  startIncreaseEvidence,
  upperIncrease,
} from '../../../../mixer/canary/judge/error-increase.ts';
import { expectation, lookOf } from './looks.ts';

const add = (evidence: IncreaseEvidence, primary: [number, number], canary: [number, number]): IncreaseEvidence =>
  addIncreaseEvidence(evidence, lookOf(primary, canary));

describe('the upper bound of the increase of the error rate', () => {
  it('is unknown at first', () => {
    expect(upperIncrease(startIncreaseEvidence(), 0.01)).toBeUndefined();
  });

  it('falls below one percent point after 620 canary requests without errors, not after 500', () => {
    const after = (requests: number): number =>
      upperIncrease(add(startIncreaseEvidence(), [9 * requests, 0], [requests, 0]), 0.01) ?? 1;
    expect(after(500)).toBeGreaterThan(0.01);
    expect(after(620)).toBeLessThan(0.01);
  });

  it('is the same for one look as for many', () => {
    let many = startIncreaseEvidence();
    for (let i = 0; i < 10; i++) many = add(many, [900, 0], [100, 0]);
    expect(many).toEqual(add(startIncreaseEvidence(), [9000, 0], [1000, 0]));
  });

  it('stays above the increase that is there', () => {
    let evidence = startIncreaseEvidence();
    for (let i = 0; i < 500; i++) evidence = add(evidence, [900, 9], [100, 3]);
    expect(upperIncrease(evidence, 0.01)).toBeGreaterThan(0.02);
    expect(upperIncrease(evidence, 0.01)).toBeLessThan(0.025);
  });

  it('takes no burst of the primary for a good canary', () => {
    const quiet = add(startIncreaseEvidence(), [900, 0], [100, 0]);
    const burst = add(startIncreaseEvidence(), [900, 600], [100, 0]);
    expect(logEAgainstIncrease(burst, 0.01) - logEAgainstIncrease(quiet, 0.01)).toBeLessThan(5);
  });

  it.each([
    { n1: 4, n0: 12, p0: 0.3 },
    { n1: 30, n0: 10, p0: 0.01 },
    { n1: 10, n0: 40, p0: 0.5 },
  ])('is a test martingale at any error rate: $n1 and $n0 requests, $p0', ({ n1, n0, p0 }) => {
    const eValue = (c: number, b: number): number =>
      Math.exp(logEAgainstIncrease(add(startIncreaseEvidence(), [n0, b], [n1, c]), 0.1));
    for (const p1 of [p0 + 0.1, p0 + 0.2]) {
      expect(expectation({ n1, p1, n0, p0 }, eValue)).toBeLessThanOrEqual(1 + 1e-9);
    }
    expect(expectation({ n1, p1: p0 / 4, n0, p0 }, eValue)).toBeGreaterThan(1);
  });
});
