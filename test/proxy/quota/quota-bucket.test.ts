import { describe, expect, test } from 'vitest';
import type { QuotaBucketSettings, QuotaStrategy } from '../../../proxy/api/filter-config.ts';
import { QuotaBucket } from '../../../proxy/quota/quota-bucket.ts';

const open: QuotaStrategy = { kind: 'blanket_rule', isAllowed: true };
const closed: QuotaStrategy = { kind: 'blanket_rule', isAllowed: false };

function tokens(maxTokens: number, fillIntervalMs = 60_000): QuotaStrategy {
  return { kind: 'token_bucket', tokenBucket: { maxTokens, tokensPerFill: maxTokens, fillIntervalMs } };
}

function bucketOf(more: Partial<QuotaBucketSettings> = {}): QuotaBucket {
  const settings = { id: { a: 'b' }, reportingIntervalMs: 200, noAssignment: open, expired: undefined, ...more };
  return new QuotaBucket(settings, 0);
}

function passed(bucket: QuotaBucket, count: number, nowMs: number): number {
  let sum = 0;
  for (let i = 0; i < count; i += 1) sum += Number(bucket.take(nowMs));
  return sum;
}

describe('a quota bucket', () => {
  test('does what holds without an assignment until one comes', () => {
    expect(passed(bucketOf(), 3, 0)).toBe(3);
    expect(passed(bucketOf({ noAssignment: closed }), 3, 0)).toBe(0);
    expect(passed(bucketOf({ noAssignment: tokens(2) }), 3, 0)).toBe(2);
  });

  test('spends what it is assigned, and no more until the next assignment', () => {
    const bucket = bucketOf();
    bucket.assign({ strategy: tokens(3), ttlMs: 1_000 }, 0);
    expect(passed(bucket, 5, 10)).toBe(3);
    bucket.assign({ strategy: tokens(2), ttlMs: 1_000 }, 20);
    expect(passed(bucket, 5, 20)).toBe(2);
    expect(bucket).toMatchObject({ allowedCount: 5, deniedCount: 5 });
  });

  test('gets nothing from an assignment that is the same again, but time', () => {
    const bucket = bucketOf();
    bucket.assign({ strategy: tokens(3), ttlMs: 1_000 }, 0);
    expect(passed(bucket, 2, 0)).toBe(2);
    bucket.assign({ strategy: tokens(3), ttlMs: 1_000 }, 900);
    expect(passed(bucket, 5, 1_500)).toBe(1);
  });

  test.each([
    ['nothing is said of it', undefined, 5],
    ['another strategy takes over', { strategy: closed, timeoutMs: 10_000 }, 0],
    ['the last one is reused', { strategy: { kind: 'reuse_last_assignment' }, timeoutMs: 10_000 }, 1],
  ] as const)('whose assignment is over: %s', (_, expired, after) => {
    const bucket = bucketOf({ expired });
    bucket.assign({ strategy: tokens(3), ttlMs: 1_000 }, 0);
    expect(passed(bucket, 2, 999)).toBe(2);
    expect(passed(bucket, 5, 1_000)).toBe(after);
    // After that nobody remembers that there was one.
    expect(passed(bucket, 5, 11_000)).toBe(5);
  });

  test('that is abandoned is as one that was never assigned', () => {
    const bucket = bucketOf();
    bucket.assign({ strategy: closed, ttlMs: 1_000 }, 0);
    expect(passed(bucket, 1, 0)).toBe(0);
    bucket.abandon(0);
    expect(passed(bucket, 1, 0)).toBe(1);
  });

  test('that expired long ago begins anew with its next assignment, the same or not', () => {
    const bucket = bucketOf({ noAssignment: closed });
    bucket.assign({ strategy: tokens(3), ttlMs: 1_000 }, 0);
    expect(passed(bucket, 5, 0)).toBe(3);
    expect(passed(bucket, 5, 5_000)).toBe(0);
    bucket.assign({ strategy: tokens(3), ttlMs: 1_000 }, 6_000);
    expect(passed(bucket, 5, 6_000)).toBe(3);
  });
});
