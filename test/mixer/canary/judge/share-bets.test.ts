import { describe, expect, it } from 'vitest';
import {
  betOnShare,
  capShareBets,
  logEValue,
  type ShareBets,
  startEpoch,
  startShareBets,
} from '../../../../mixer/canary/judge/share-bets.ts';
import { expectation } from './looks.ts';

const eAfter = (share: number, mean: number): number => Math.exp(logEValue(betOnShare(startShareBets(), share, mean)));

describe('bets on a share', () => {
  it('begin with a wealth of 1, which no number of epochs changes', () => {
    let bets = startShareBets();
    for (let i = 0; i < 1000; i++) bets = startEpoch(bets);
    expect(Math.exp(logEValue(bets))).toBeCloseTo(1, 9);
  });

  it.each([
    { n1: 3, p1: 0.2, n0: 9, p0: 0.2 },
    { n1: 10, p1: 0.01, n0: 40, p0: 0.01 },
    { n1: 20, p1: 0.6, n0: 5, p0: 0.6 },
  ])('win nothing on average from a canary with the same error rate: $n1 and $n0 requests, rate $p1', (law) => {
    const share = law.n1 / (law.n1 + law.n0);
    const mean = expectation(law, (c, b) => (c + b === 0 ? 1 : eAfter(c / (c + b), share)));
    expect(mean).toBeCloseTo(1, 9);
  });

  it('lose on average to a better canary and win from a worse one', () => {
    const mean = (p1: number): number =>
      expectation({ n1: 10, p1, n0: 40, p0: 0.1 }, (c, b) => (c + b === 0 ? 1 : eAfter(c / (c + b), 0.2)));
    expect(mean(0.05)).toBeLessThan(1);
    expect(mean(0.2)).toBeGreaterThan(1);
  });

  it('win nothing on average however many errors come together', () => {
    // All errors of a look are one version's: the canary's with its share of the requests.
    expect(0.05 * eAfter(1, 0.05) + 0.95 * eAfter(0, 0.05)).toBeCloseTo(1, 9);
  });

  it('that have lost for an hour still see a canary that turns bad', () => {
    let bets = startShareBets();
    for (let i = 0; i < 3600; i++) bets = betOnShare(bets, 0.1, 0.1);
    let looks = 0;
    for (; logEValue(bets) < Math.log(100); looks++) bets = betOnShare(bets, 0.53, 0.1);
    expect(looks).toBeLessThan(25);
  });

  it('that are capped forget quickly what they saw for long', () => {
    const cap = (bets: ShareBets): ShareBets => capShareBets(bets, Math.log(1000));
    let bets = startShareBets();
    for (let i = 0; i < 5000; i++) bets = cap(betOnShare(bets, 0.9, 0.2));
    expect(Math.exp(logEValue(bets))).toBeGreaterThan(1000 - 1e-6);
    expect(Math.exp(logEValue(bets))).toBeLessThan(1001);
    for (let i = 0; i < 5; i++) bets = cap(betOnShare(bets, 0.1, 0.2));
    expect(Math.exp(logEValue(bets))).toBeLessThan(500);
  });
});
