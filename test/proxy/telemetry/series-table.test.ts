import { describe, expect, test } from 'vitest';
import { standardUpperBounds } from '../../../proxy/api/standard-metrics.ts';
import { bucketIndex, SeriesTable } from '../../../proxy/telemetry/series-table.ts';

/** The definition: the first bucket whose upper bound is not below the value. */
function bucketByDefinition(value: number): number {
  const index = standardUpperBounds.findIndex((bound) => value <= bound);
  return index === -1 ? standardUpperBounds.length : index;
}

describe('buckets', () => {
  test('an upper bound belongs to its own bucket and what lies just above to the next', () => {
    standardUpperBounds.forEach((bound, i) => {
      expect(bucketIndex(bound)).toBe(i);
      expect(bucketIndex(bound + 0.001)).toBe(i + 1);
    });
  });

  test('every value falls where the definition says', () => {
    const values = [0, 0.1, 0.49, 0.51, 0.99, 1.5, 1.999, 2 ** 31, 2 ** 32, 2 ** 33 + 7, 1e15, Infinity];
    for (let value = 0; value < 5000; value += 0.37) values.push(value);
    for (let value = 1; value < 2 ** 40; value = value * 1.07 + 1) values.push(value, Math.floor(value));
    for (const value of values) expect(bucketIndex(value), String(value)).toBe(bucketByDefinition(value));
  });
});

describe('table', () => {
  test('series keep their values when the table grows', () => {
    const table = new SeriesTable(1);
    const slots = Array.from({ length: 40 }, () => table.add());
    for (const slot of slots) for (let i = 0; i <= slot; i += 1) table.record(slot, 2, 100, 70_000);
    for (const slot of slots) {
      expect(table.requestCount(slot)).toBe(slot + 1);
      expect(table.histogram(slot, 2)).toMatchObject({ count: slot + 1, sum: 70_000 * (slot + 1) });
    }
  });

  test('buckets are cumulative and what exceeds all bounds is in the count only', () => {
    const table = new SeriesTable();
    const slot = table.add();
    for (const durationMs of [0, 0.5, 0.7, 40, 5_000_000]) table.record(slot, durationMs, 0, 0);
    const { buckets, count, sum } = table.histogram(slot, 0);
    expect(Array.from(buckets).slice(0, 7)).toEqual([2, 3, 3, 3, 3, 4, 4]);
    expect(Array.from(buckets).at(-1)).toBe(4);
    expect(count).toBe(5);
    expect(sum).toBeCloseTo(5_000_041.2);
  });

  test('a negative or missing duration counts as zero and spoils no sum', () => {
    const table = new SeriesTable();
    const slot = table.add();
    table.record(slot, -3, Number.NaN, 10);
    expect(table.histogram(slot, 0)).toMatchObject({ count: 1, sum: 0 });
    expect(table.histogram(slot, 1)).toMatchObject({ count: 1, sum: 0 });
    expect(table.histogram(slot, 2)).toMatchObject({ count: 1, sum: 10 });
  });
});
