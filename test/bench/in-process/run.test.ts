import { expect, test } from 'vitest';
import { formatInProcess, measureInProcess } from '../../../bench/in-process/run.ts';
import { features } from '../../../bench/features/table.ts';

test('every feature carries its requests without a socket, and its cost stands in a row beside the goal', async () => {
  const options = { rounds: 1, requests: 20 };
  const measured = await measureInProcess(options);
  expect(measured.map(({ name }) => name)).toEqual(['plain hop', ...features.map(({ name }) => name)]);
  for (const { micros } of measured) expect(micros).toEqual([expect.any(Number)]);
  const lines = formatInProcess(measured, options).split('\n');
  expect(lines.find((line) => line.startsWith('access log'))).toMatch(/≤ 2 µs\s+(met|missed)$/);
});
