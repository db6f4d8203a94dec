import { expect, test } from 'vitest';
import { TokenBucket } from '../../../proxy/filter/token-bucket.ts';

const config = { maxTokens: 3, tokensPerFill: 2, fillIntervalMs: 1_000 };

/** How many tokens are to be had at once. */
function drain(bucket: TokenBucket, nowMs: number): number {
  let count = 0;
  while (bucket.consume(nowMs)) count += 1;
  return count;
}

test('a bucket is full at first, and empty until the next fill', () => {
  const bucket = new TokenBucket(config, 0);
  expect(drain(bucket, 0)).toBe(3);
  expect(drain(bucket, 999)).toBe(0);
  expect(drain(bucket, 1_000)).toBe(2);
});

test('fills come at fixed times, however late somebody asks', () => {
  const bucket = new TokenBucket(config, 0);
  drain(bucket, 0);
  expect(drain(bucket, 1_900)).toBe(2);
  expect(drain(bucket, 2_000)).toBe(2);
});

test('a long quiet time fills it to its maximum and no further', () => {
  const bucket = new TokenBucket(config, 0);
  drain(bucket, 0);
  expect(drain(bucket, 1_000_000)).toBe(3);
});

test('says how many tokens are left and in how many seconds there are more', () => {
  const bucket = new TokenBucket({ ...config, fillIntervalMs: 10_000 }, 500);
  bucket.consume(600);
  expect(bucket.remaining).toBe(2);
  expect(bucket.resetSeconds(600)).toBe(10);
  expect(bucket.resetSeconds(10_400)).toBe(1);
  expect(bucket.resetSeconds(10_600)).toBe(0);
});
