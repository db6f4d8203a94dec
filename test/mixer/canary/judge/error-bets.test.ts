import { describe, expect, it } from 'vitest';
import {
  addErrorBets,
  type ErrorBets,
  logErrorEValue,
  startErrorBets,
  startErrorStep,
} from '../../../../mixer/canary/judge/error-bets.ts';
import { binomialLaw, expectation, lookOf } from './looks.ts';

const goal = Math.log(100);
const add = (bets: ErrorBets, primary: [number, number], canary: [number, number]): ErrorBets =>
  addErrorBets(bets, lookOf(primary, canary), goal);
const eValue = (bets: ErrorBets): number => Math.exp(logErrorEValue(bets));
const repeat = (bets: ErrorBets, times: number, primary: [number, number], canary: [number, number]): ErrorBets =>
  Array.from({ length: times }).reduce<ErrorBets>((before) => add(before, primary, canary), bets);

/** States as different as they come: early and late in a step, poor, nearly at the goal. */
const states: readonly (readonly [string, ErrorBets])[] = [
  ['at the start', startErrorBets()],
  ['after a good minute', repeat(startErrorBets(), 60, [900, 5], [100, 0])],
  ['late in the first looks', repeat(startErrorBets(), 28, [900, 0], [100, 0])],
  ['under suspicion', repeat(startErrorBets(), 4, [90, 0], [10, 1])],
  ['in a second step', startErrorStep(repeat(startErrorBets(), 100, [900, 1], [100, 0]))],
];

describe.each(states)('bets on errors %s', (_, bets) => {
  it.each([
    { n1: 2, n0: 3, p: 0.4 },
    { n1: 10, n0: 90, p: 0.01 },
    { n1: 30, n0: 10, p: 0.1 },
  ])('win nothing on average from a canary that is no worse: $n1 and $n0 requests, $p', ({ n1, n0, p }) => {
    const after = (c: number, b: number): number => eValue(add(bets, [n0, b], [n1, c])) / eValue(bets);
    expect(expectation({ n1, p1: p, n0, p0: p }, after)).toBeCloseTo(1, 9);
    expect(expectation({ n1, p1: p / 2, n0, p0: p }, after)).toBeLessThanOrEqual(1 + 1e-12);
  });

  it('win nothing on average however errors come together', () => {
    // Groups of 1, 2 and 4 errors, each of which is the canary's with its share of the requests.
    const share = 0.1;
    let mean = 0;
    for (const [i, pi] of binomialLaw(1, share).entries())
      for (const [j, pj] of binomialLaw(1, share).entries())
        for (const [k, pk] of binomialLaw(1, share).entries()) {
          const canary = i + 2 * j + 4 * k;
          mean += pi * pj * pk * eValue(add(bets, [90, 7 - canary], [10, canary]));
        }
    expect(mean / eValue(bets)).toBeCloseTo(1, 9);
  });

  it('never pass the goal by a single error', () => {
    expect(logErrorEValue(add(bets, [90, 0], [10, 1]))).toBeLessThanOrEqual(goal + 1e-9);
  });
});

describe('bets on errors', () => {
  it('are over once the goal is reached', () => {
    const won = repeat(startErrorBets(), 20, [90, 0], [10, 1]);
    expect(logErrorEValue(won)).toBeCloseTo(goal, 9);
    expect(repeat(won, 100, [900, 9], [100, 0])).toEqual(won);
  });

  it('are bolder the less time is left, and as bold as grows fastest after thirty looks', () => {
    const gainAfter = (looks: number): number => {
      const bets = repeat(startErrorBets(), looks, [900, 0], [100, 0]);
      return eValue(add(bets, [90, 0], [10, 1])) / eValue(bets);
    };
    expect(gainAfter(25)).toBeGreaterThan(1.2 * gainAfter(0));
    expect(gainAfter(31)).toBeLessThan(gainAfter(25));
    expect(gainAfter(31)).toBe(gainAfter(300));
    const inNextStep = startErrorStep(repeat(startErrorBets(), 25, [900, 0], [100, 0]));
    expect(eValue(add(inNextStep, [90, 0], [10, 1])) / eValue(inNextStep)).toBeLessThan(gainAfter(25));
  });

  it('take two errors of two looks for more than two of one', () => {
    const together = eValue(add(startErrorBets(), [90, 0], [10, 2]));
    const apart = eValue(repeat(startErrorBets(), 2, [90, 0], [10, 1]));
    const single = eValue(add(startErrorBets(), [90, 0], [10, 1]));
    expect(together).toBeGreaterThan(single);
    expect(apart).toBeGreaterThan(together);
  });
});
