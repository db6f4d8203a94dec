import { expect, test } from 'vitest';
import { memoize } from '../../../pilot/model/memoize.ts';

test('a value is made once per source and key, and keys compare by content', () => {
  let made = 0;
  const sum = memoize((source: readonly number[], { factor }: { factor: number }) => {
    made += 1;
    return { value: source.reduce((total, n) => total + n * factor, 0) };
  });
  const source = [1, 2, 3];
  expect(sum(source, { factor: 2 }).value).toBe(12);
  expect(sum(source, { factor: 2 })).toBe(sum(source, { factor: 2 }));
  expect(made).toBe(1);
  expect(sum(source, { factor: 3 }).value).toBe(18);
  expect(sum([1, 2, 3], { factor: 2 }).value).toBe(12);
  expect(made).toBe(3);
});
