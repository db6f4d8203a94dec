import { expect, it } from 'vitest';
import { Backoff } from '../../../proxy/common/backoff.ts';

it('doubles its ceiling with every attempt, up to the cap', () => {
  const backoff = new Backoff(100, 1_000, () => 0.999_999);
  expect(Array.from({ length: 6 }, () => backoff.nextDelayMs())).toEqual([99, 199, 399, 799, 999, 999]);
});

it('spreads over everything from nothing to the ceiling', () => {
  expect(new Backoff(100, 1_000, () => 0).nextDelayMs()).toBe(0);
  expect(new Backoff(100, 1_000, () => 0.5).nextDelayMs()).toBe(50);
});

it('starts from the base again after a success', () => {
  const backoff = new Backoff(100, 1_000, () => 0.5);
  backoff.nextDelayMs();
  backoff.nextDelayMs();
  backoff.reset();
  expect(backoff.nextDelayMs()).toBe(50);
});

it('stays at the cap however often it is asked', () => {
  const backoff = new Backoff(1, 8, () => 0.5);
  for (let i = 0; i < 5_000; i++) backoff.nextDelayMs();
  expect(backoff.nextDelayMs()).toBe(4);
});
