import { describe, expect, it } from 'vitest';
import { createTraffic, steady } from '../../../../bench/canary/traffic.ts';
import { createJudge, type JudgeState, look } from '../../../../mixer/canary/judge/judge.ts';
import {
  addToCertificate,
  type LatencyCertificate,
  logEOfCertificate,
  startLatencyCertificate,
} from '../../../../mixer/canary/judge/latency-certificate.ts';
import { judge, type Verdict } from '../../../../mixer/canary/judge/verdict.ts';
import { config, counts, expectation, latencies } from './looks.ts';

const add = (
  certificate: LatencyCertificate,
  primary: readonly [number, number],
  canary: readonly [number, number],
): LatencyCertificate =>
  addToCertificate(certificate, 1.25, {
    primary: { requests: primary[0], above: primary[1] },
    canary: { requests: canary[0], above: canary[1] },
  });

describe('the certificate of latency', () => {
  it.each([
    { n1: 5, n0: 5, p0: 0.5 },
    { n1: 4, n0: 30, p0: 0.1 },
    { n1: 30, n0: 8, p0: 0.05 },
    // With so many slow ones that the look is thinned.
    { n1: 60, n0: 60, p0: 0.6 },
    { n1: 20, n0: 150, p0: 0.5 },
  ])('is no more than 1 on average where the canary is slower than allowed: $n1 and $n0, $p0', ({ n1, n0, p0 }) => {
    const eValue = (c: number, b: number): number =>
      Math.exp(logEOfCertificate(add(startLatencyCertificate(), [n0, b], [n1, c])));
    for (const ratio of [1.25, 1.6]) {
      expect(expectation({ n1, p1: ratio * p0, n0, p0 }, eValue)).toBeLessThanOrEqual(1 + 1e-9);
    }
    expect(expectation({ n1, p1: p0 / 2, n0, p0 }, eValue)).toBeGreaterThan(1);
  });

  it('grows by a bounded factor a look, however many slow requests there are', () => {
    const many = logEOfCertificate(add(startLatencyCertificate(), [100_000, 50_000], [100_000, 40_000]));
    expect(many).toBeLessThan(10);
    expect(many).toBeGreaterThan(0);
  });

  it('says nothing without slow requests', () => {
    expect(add(startLatencyCertificate(), [1000, 0], [1000, 0])).toEqual(startLatencyCertificate());
  });
});

describe('S5: a promotion says at which quantiles latency is certified', () => {
  const run = (slowdown: number, seconds: number): Verdict => {
    const traffic = createTraffic({ ...steady, errorRate: 0, slowdown }, 5);
    let state = createJudge(config, traffic.baseline);
    for (let second = 0; second < seconds; second++) state = look(state, traffic.look(second, 0.5));
    return judge(state);
  };

  it('none after fifteen seconds, the median after two minutes, and more of the tail with time', () => {
    const after = (seconds: number) => {
      const { outcome, message, latency } = run(1, seconds);
      expect(outcome).toBe('advance');
      return { message, certified: latency.filter(({ isCertified }) => isCertified).map(({ quantile }) => quantile) };
    };
    const [early, middle, late] = [after(15), after(120), after(900)];
    expect(early.certified).toEqual([]);
    expect(early.message).toContain(
      "; latency not certified (slow requests <= 1.25 times the primary's), nor is there evidence against it;",
    );
    expect(middle.certified).toEqual([0.5]);
    expect(middle.message).toContain(
      "; latency certified at p50 (slow requests <= 1.25 times the primary's), not at p90, p95, p99;",
    );
    expect(late.certified.length).toBeGreaterThan(1);
  });

  it('none for a canary that is slower than allowed', () => {
    expect(run(2, 900).latency.filter(({ isCertified }) => isCertified)).toEqual([]);
  });

  it('and that it was not judged where nothing is known of it before the release', () => {
    let state = createJudge(config, undefined);
    for (let i = 0; i < 9; i++) state = look(state, { primary: counts(900, 0), canary: counts(100, 0) });
    expect(judge(state).message).toContain('; latency not judged: nothing is known of it before the release;');
  });

  it('none from requests that were split wrongly', () => {
    const version = (requests: number) => counts(requests, 0, latencies([4, requests / 2], [9, requests / 2]));
    const after = (expectedShare: number): JudgeState => {
      let state = createJudge(config, latencies([4, 5000], [9, 5000]));
      for (let i = 0; i < 300; i++) state = look(state, { primary: version(100), canary: version(100), expectedShare });
      return state;
    };
    expect(judge(after(0.5)).latency[0]?.isCertified).toBe(true);
    expect(judge(after(0.05)).latency[0]?.isCertified).toBe(false);
  });
});
