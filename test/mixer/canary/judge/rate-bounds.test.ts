import { expect, test } from 'vitest';
import { rateBounds } from '../../../../mixer/canary/judge/rate-bounds.ts';
import { seededRandom } from '../../../../proxy/common/seeded-random.ts';

test('nothing is known of no requests', () => {
  expect(rateBounds({ events: 0, requests: 0 }, 0.01)).toEqual({ lower: 0, upper: 1 });
});

test('bounds close in on the rate', () => {
  const few = rateBounds({ events: 5, requests: 100 }, 0.01);
  const many = rateBounds({ events: 500, requests: 10_000 }, 0.01);
  expect(few.lower).toBeLessThan(many.lower);
  expect(many.lower).toBeLessThan(0.05);
  expect(many.upper).toBeGreaterThan(0.05);
  expect(many.upper).toBeLessThan(few.upper);
  expect(many.upper - many.lower).toBeLessThan(0.02);
  expect(rateBounds({ events: 10, requests: 10 }, 0.01).upper).toBe(1);
});

test('the rate is between them at every look at once, as often as promised', () => {
  const random = seededRandom(11);
  let missed = 0;
  for (let i = 0; i < 200; i += 1) {
    let events = 0;
    let isMissed = false;
    for (let n = 1; n <= 1_000; n += 1) {
      if (random() < 0.03) events += 1;
      if (n % 10 !== 0) continue;
      const { lower, upper } = rateBounds({ events, requests: n }, 0.05);
      if (lower > 0.03 || upper < 0.03) isMissed = true;
    }
    if (isMissed) missed += 1;
  }
  expect(missed / 200).toBeLessThanOrEqual(0.1);
});
