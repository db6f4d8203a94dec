import { describe, expect, it } from 'vitest';
import type { Measurement } from '../../bench/series.ts';
import { mergeWindows } from '../../bench/side-by-side.ts';
import { compareWindows } from '../../bench/summary.ts';

function measured(...windows: readonly number[]): Measurement {
  return mergeWindows(
    windows.map((micros) => ({
      cpuMicrosPerRequest: micros,
      windows: [micros],
      requestsPerSecond: 1_000 / micros,
      p50Ms: 1,
      p99Ms: 2,
      utilization: 1,
    })),
  );
}

const difference = (own: number, base: number): number => own - base;

describe('windows of a round', () => {
  it('are kept one by one, and their medians stand for the round', () => {
    expect(measured(20, 10, 90)).toMatchObject({
      cpuMicrosPerRequest: 20,
      windows: [20, 10, 90],
      requestsPerSecond: 50,
    });
  });

  it('of two peers are compared each with its neighbour: a busy machine makes both slow', () => {
    expect(compareWindows(measured(11, 52, 21), measured(10, 50, 20), difference)).toBe(1);
  });

  it('that only one of them has do not count', () => {
    expect(compareWindows(measured(11, 52), measured(10), difference)).toBe(1);
    expect(compareWindows(measured(11), measured(10, 50), difference)).toBe(1);
  });
});
