import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../../bench/canary/random.ts';
import type { Look, Totals } from '../../../../mixer/canary/judge/counts.ts';
import { gather, startGathering } from '../../../../mixer/canary/judge/gathering.ts';
import { createJudge, type JudgeState, look, nextStep } from '../../../../mixer/canary/judge/judge.ts';
import { judge } from '../../../../mixer/canary/judge/verdict.ts';
import { config, counts, judgeAfter, latencies, lookOf, repeat } from './looks.ts';

const requests = (amount: number): Totals => ({ requests: amount, errors: 0 });
const wanted = (looks: number, primary: number, canary: number): number =>
  startGathering(looks, requests(primary), requests(canary)).wanted;

describe('looks that are gathered', () => {
  it('are one where both versions have requests in every look', () => {
    expect(wanted(0, 0, 0)).toBe(1);
    expect(wanted(1, 90, 10)).toBe(1);
    expect(wanted(1000, 90_000, 1000)).toBe(1);
  });

  it('are as many as it takes the rarer version to have a request, thirty at most', () => {
    expect(wanted(99, 900, 9)).toBe(10);
    expect(wanted(99, 9, 900)).toBe(10);
    expect(wanted(5000, 5000, 50)).toBe(30);
    expect(wanted(1, 1, 0)).toBe(2);
  });

  it('add up, latencies known or not', () => {
    const first: Look = { primary: counts(5, 1, latencies([3, 4])), canary: counts(0, 0) };
    const second: Look = { primary: counts(2, 0, latencies([3, 1], [4, 1])), canary: counts(1, 0, latencies([5, 1])) };
    const { looks, primary, canary } = gather(gather(startGathering(9, requests(9), requests(1)), first), second);
    expect({ looks, primary, canary }).toEqual({
      looks: 2,
      primary: counts(7, 1, latencies([3, 5], [4, 1])),
      canary: counts(1, 0, latencies([5, 1])),
    });
  });
});

/** One request per second, of which the canary gets one in ten, in a second of its own. */
const second = (i: number, canaryErrors = 0): Look =>
  i % 10 === 9 ? lookOf([0, 0], [1, canaryErrors]) : lookOf([1, 0], [0, 0]);

describe('thin traffic', () => {
  const run = (seconds: number, canaryErrors: number): JudgeState => {
    let state = createJudge(config, undefined);
    for (let i = 0; i < seconds; i++) state = look(state, second(i, canaryErrors));
    return state;
  };

  const tenSeconds = (from: number) => Array.from({ length: 10 }, (_, i) => judge(run(from + i, 0)));

  it('is evidence though no second has requests of both versions', () => {
    expect(judge(run(600, 1))).toMatchObject({ outcome: 'rollback', metric: 'errors' });
    expect(tenSeconds(12_000).map(({ rule }) => rule)).toContain('certified-increase');
  });

  it('decides nothing for the canary between two looks that are gathered', () => {
    const underWay = tenSeconds(12_000);
    expect(underWay.some(({ rule }) => rule === 'look-under-way')).toBe(true);
    for (const { outcome, rule, message } of underWay) {
      if (outcome === 'advance') continue;
      expect(rule).toBe('look-under-way');
      expect(message).toMatch(/^collecting: traffic is thin, \d+ of 10 looks that count as one$/);
    }
  });

  it('begins a new step with whole looks', () => {
    const { gathering } = nextStep(run(12_003, 0));
    expect(gathering).toEqual(judgeAfter([]).gathering);
  });

  it('S1: rolls back a canary that is no worse in at most a fifth of the releases where alpha is a fifth, while rates change', () => {
    let rollbacks = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const { poisson, binomial } = createRandom(seed);
      let state = createJudge({ ...config, alpha: 0.2 }, undefined);
      for (let i = 0; i < 1500; i++) {
        const all = poisson(1);
        const canary = binomial(all, 0.2);
        // An outage of five seconds in each minute hits both alike.
        const rate = i % 60 < 5 ? 0.9 : 0.02;
        state = look(state, lookOf([all - canary, binomial(all - canary, rate)], [canary, binomial(canary, rate)]));
      }
      if (judge(state).outcome === 'rollback') rollbacks++;
    }
    expect(rollbacks).toBeGreaterThan(0);
    expect(rollbacks).toBeLessThanOrEqual(20);
  });

  it('is counted at once', () => {
    expect(judgeAfter(repeat(lookOf([1, 0], [0, 0]), 7)).counts.primary.requests).toBe(7);
  });
});
