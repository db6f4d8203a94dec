/** Short runs of what `npm run bench -- canary` does at length, with fixed seeds. */
import { expect, test } from 'vitest';
import {
  contenders,
  goodCanary,
  heddle,
  noDifference,
  simulate,
  type Tally,
  tenfoldErrors,
  twiceTheErrors,
  upperShare,
} from '../../../../bench/canary/simulations.ts';
import { steady } from '../../../../bench/canary/traffic.ts';

test('S1: a canary that is no worse is rolled back in less than 1 % of whole releases, whatever days and outages bring', () => {
  const { rollbacks } = simulate(noDifference, heddle, { rollouts: 70 });
  expect(rollbacks).toBeLessThanOrEqual(1);
});

test('S2: ten times the errors are rolled back within 30 s, with a tenth of the bad responses of Flagger’s loop', () => {
  const [ours, flagger] = contenders.map((contender) => simulate(tenfoldErrors, contender, { rollouts: 30 })) as [
    Tally,
    Tally,
    Tally,
  ];
  expect(ours.rollbacks).toBe(30);
  expect(ours.secondsToRollback).toBeLessThanOrEqual(30);
  expect(ours.badResponses).toBeLessThanOrEqual(flagger.badResponses / 10);
});

test('S3: twice the errors are never promoted', () => {
  expect(simulate(twiceTheErrors, heddle, { rollouts: 20 }).promotions).toBe(0);
});

test('a good canary comes through', () => {
  const { promotions, rollbacks } = simulate(goodCanary, heddle, { rollouts: 10 });
  expect([promotions, rollbacks]).toEqual([10, 0]);
});

test('S4: without traffic nothing is ever decided', () => {
  const silent = { ...goodCanary, scenario: { ...steady, rate: 0 } };
  expect(simulate(silent, heddle, { rollouts: 3 })).toMatchObject({ rollbacks: 0, promotions: 0 });
});

test('the upper end of a share is above it, and below one', () => {
  expect(upperShare(0, 10_000)).toBeLessThan(0.0005);
  expect(upperShare(100, 10_000)).toBeGreaterThan(0.01);
  expect(upperShare(100, 10_000)).toBeLessThan(0.0125);
});
