import { describe, expect, test } from 'vitest';
import { LatencyEstimate } from '../../../proxy/upstream/latency-estimate.ts';

const config = { decayMs: 10_000, defaultRttMs: 10, penalty: 1_000_000 };

describe('the latency of a host', () => {
  test('is a default until it is measured, which sinks so that the host is tried some day', () => {
    const latency = new LatencyEstimate(config, 0);
    expect(latency.rttAt(0)).toBe(10);
    expect(latency.rttAt(10_000)).toBeCloseTo(10 / Math.E);
  });

  test('is the first measurement, whatever the default was', () => {
    for (const rtt of [2, 500]) {
      const latency = new LatencyEstimate(config, 0);
      latency.record(rtt, 100);
      expect(latency.rttAt(100)).toBe(rtt);
    }
  });

  test('rises to a peak at once and comes down with time, not with the number of measurements', () => {
    const slow = new LatencyEstimate(config, 0);
    slow.record(10, 0);
    slow.record(1_000, 1);
    expect(slow.rttAt(1)).toBe(1_000);
    // A hundred quick answers within 100 ms are as good as one.
    for (let nowMs = 2; nowMs <= 101; nowMs++) slow.record(10, nowMs);
    const once = new LatencyEstimate(config, 0);
    once.record(1_000, 1);
    once.record(10, 101);
    expect(slow.rttAt(101)).toBeCloseTo(once.rttAt(101), 0);
    expect(slow.rttAt(101)).toBeGreaterThan(985);
    slow.record(10, 50_101);
    expect(slow.rttAt(50_101)).toBeLessThan(20);
  });

  test('stays where it is while measurements say the same', () => {
    const latency = new LatencyEstimate(config, 0);
    for (let nowMs = 0; nowMs <= 100_000; nowMs += 100) latency.record(20, nowMs);
    expect(latency.rttAt(100_000)).toBeCloseTo(20, 5);
  });

  test('sinks while nobody measures', () => {
    const latency = new LatencyEstimate(config, 0);
    latency.record(1_000, 0);
    expect(latency.rttAt(23_026)).toBeCloseTo(100, 0);
  });

  test('doubles with each failure, however fast that came, and is what it took when it took longer', () => {
    const latency = new LatencyEstimate(config, 0);
    latency.record(50, 0);
    for (let i = 0; i < 3; i++) latency.recordFailure(0.1, 0);
    expect(latency.rttAt(0)).toBe(400);
    latency.recordFailure(5_000, 0);
    expect(latency.rttAt(0)).toBe(5_000);
    const unknown = new LatencyEstimate({ ...config, defaultRttMs: 0 }, 0);
    unknown.recordFailure(0, 0);
    expect([unknown.rttAt(0), unknown.costAt(0, 0)]).toEqual([1, 1]);
  });

  test('is never lowered by an attempt that was given up', () => {
    const latency = new LatencyEstimate(config, 0);
    latency.record(50, 0);
    latency.recordAtLeast(1, 10);
    expect(latency.rttAt(10)).toBeCloseTo(50, 0);
    latency.recordAtLeast(3_000, 20);
    expect(latency.rttAt(20)).toBe(3_000);
  });

  test('does not go wrong with a clock that stands still', () => {
    const latency = new LatencyEstimate(config, 5);
    latency.record(10, 5);
    latency.record(4, 5);
    expect(latency.rttAt(5)).toBe(10);
    expect(latency.rttAt(4)).toBe(10);
  });
});

describe('the cost of a request', () => {
  test('is latency times what the host has to answer, with this request', () => {
    const latency = new LatencyEstimate(config, 0);
    latency.record(20, 0);
    expect([0, 1, 4].map((active) => latency.costAt(0, active))).toEqual([20, 40, 100]);
  });

  test('is a penalty at a host that was asked and has never answered', () => {
    const latency = new LatencyEstimate(config, 0);
    expect(latency.costAt(0, 0)).toBe(10);
    expect(latency.costAt(0, 2)).toBe(1_000_002);
    latency.record(20, 0);
    expect(latency.costAt(0, 2)).toBe(60);
  });
});
