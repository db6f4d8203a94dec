import { describe, expect, it } from 'vitest';
import { createBettors, stakesOf } from '../../../../mixer/canary/judge/bettors.ts';
import {
  betOnShare,
  capShareBets,
  logEValue,
  renewEpoch,
  type ShareBets,
  startEpoch,
  startShareBets,
} from '../../../../mixer/canary/judge/share-bets.ts';
import { expectation } from './looks.ts';

const bettors = createBettors([{ part: 1, ratio: 6, spread: 1 }], 1 / 3);

const bet = (bets: ShareBets, share: number, mean: number, count = 1): ShareBets =>
  betOnShare(renewEpoch(bets, bettors), { share, mean }, stakesOf(bettors, { mean, count }, 1));
const eAfter = (share: number, mean: number, count = 1): number =>
  Math.exp(logEValue(bet(startShareBets(bettors), share, mean, count), bettors));

describe('bettors', () => {
  it('share all of the wealth', () => {
    const mixed = createBettors(
      [
        { part: 0.7, ratio: 10, spread: 0.3 },
        { part: 0.3, ratio: 3, spread: 2 },
      ],
      0.1,
    );
    expect(mixed.logParts.reduce((sum, log) => sum + Math.exp(log), 0)).toBeCloseTo(1, 12);
    expect(mixed.logParts.every(Number.isFinite)).toBe(true);
  });

  it('stake as the likelihood of a single error does', () => {
    const mean = 0.2;
    for (const [i, stake] of stakesOf(bettors, { mean, count: 1 }, 1).entries()) {
      const ratio = bettors.ratios[i] ?? 0;
      expect(1 + stake * (1 - mean)).toBeCloseTo(ratio / (1 + (ratio - 1) * mean), 9);
      expect(1 - stake * mean).toBeCloseTo(1 / (1 + (ratio - 1) * mean), 9);
    }
  });

  it.each([0.001, 0.1, 0.5, 0.99])('never stake what a look could take more than all of: mean %d', (mean) => {
    for (const count of [1, 2, 3, 1000]) {
      for (const boldness of [0.45, 1, 2]) {
        const stakes = stakesOf(bettors, { mean, count }, boldness);
        expect(Math.min(...stakes)).toBeGreaterThan(0);
        expect(Math.max(...stakes) * mean).toBeLessThan(1);
      }
    }
  });

  it('stake more where there is more to see, and where they are bolder', () => {
    const least = (count: number, boldness: number): number =>
      stakesOf(bettors, { mean: 0.1, count }, boldness)[8] ?? 0;
    expect(least(2, 1)).toBeGreaterThan(1.2 * least(1, 1));
    expect(least(1, 1.5)).toBeGreaterThan(1.2 * least(1, 1));
    expect(least(50, 1)).toBe(least(3, 1));
  });
});

describe('bets on a share', () => {
  it('begin with a wealth of 1, which no number of epochs changes', () => {
    let bets = startShareBets(bettors);
    for (let i = 0; i < 1000; i++) bets = startEpoch(bets, bettors);
    expect(Math.exp(logEValue(bets, bettors))).toBeCloseTo(1, 9);
  });

  it.each([
    { n1: 3, p1: 0.2, n0: 9, p0: 0.2 },
    { n1: 10, p1: 0.01, n0: 40, p0: 0.01 },
    { n1: 20, p1: 0.6, n0: 5, p0: 0.6 },
  ])('win nothing on average from a canary with the same error rate: $n1 and $n0 requests, rate $p1', (law) => {
    const share = law.n1 / (law.n1 + law.n0);
    const mean = expectation(law, (c, b) => (c + b === 0 ? 1 : eAfter(c / (c + b), share, c + b)));
    expect(mean).toBeCloseTo(1, 9);
  });

  it('lose on average to a better canary and win from a worse one', () => {
    const mean = (p1: number): number =>
      expectation({ n1: 10, p1, n0: 40, p0: 0.1 }, (c, b) => (c + b === 0 ? 1 : eAfter(c / (c + b), 0.2, c + b)));
    expect(mean(0.05)).toBeLessThan(1);
    expect(mean(0.2)).toBeGreaterThan(1);
  });

  it.each([1, 2, 30])('win nothing on average where all %d errors of a look are of one version', (count) => {
    expect(0.05 * eAfter(1, 0.05, count) + 0.95 * eAfter(0, 0.05, count)).toBeCloseTo(1, 9);
  });

  it('that have lost for an hour still see a canary that turns bad', () => {
    let bets = startShareBets(bettors);
    for (let i = 0; i < 3600; i++) bets = bet(bets, 0.1, 0.1);
    let looks = 0;
    for (; logEValue(bets, bettors) < Math.log(100); looks++) bets = bet(bets, 0.53, 0.1);
    expect(looks).toBeLessThan(25);
  });

  it('that are capped forget quickly what they saw for long', () => {
    const cap = (bets: ShareBets): ShareBets => capShareBets(bets, Math.log(1000));
    let bets = startShareBets(bettors);
    for (let i = 0; i < 5000; i++) bets = cap(bet(bets, 0.9, 0.2));
    expect(Math.exp(logEValue(bets, bettors))).toBeGreaterThan(1000 - 1e-6);
    expect(Math.exp(logEValue(bets, bettors))).toBeLessThan(1001);
    for (let i = 0; i < 5; i++) bets = cap(bet(bets, 0.1, 0.2));
    expect(Math.exp(logEValue(bets, bettors))).toBeLessThan(500);
  });
});
