import { expect, test } from 'vitest';
import { defaultUpperBounds, Histogram } from '../../../proxy/common/histogram.ts';

test('a value counts in every bucket that reaches up to it', () => {
  const histogram = new Histogram('time');
  for (const value of [0.2, 0.5, 3, 7_000_000]) histogram.record(value);
  const at = (bound: number): number | undefined => histogram.buckets[defaultUpperBounds.indexOf(bound)];
  expect([at(0.5), at(1), at(5), at(3_600_000)]).toEqual([2, 2, 3, 3]);
  expect([histogram.count, histogram.sum]).toEqual([4, 7_000_003.7]);
});

test('quantiles lie inside their bucket, and are shown as Envoy shows them', () => {
  const histogram = new Histogram('time');
  expect(histogram.describe()).toBe('No recorded values');
  for (let i = 0; i < 90; i++) histogram.record(7);
  for (let i = 0; i < 10; i++) histogram.record(80);
  expect(histogram.describe()).toMatch(
    /^P0\(nan,5\) P25\(nan,6\.\d+\) P50\(nan,7\.\d+\) P75\(nan,9\.\d+\) P90\(nan,10\) /,
  );
  expect(histogram.describe()).toMatch(/ P95\(nan,75\) .* P100\(nan,100\)$/);
});
