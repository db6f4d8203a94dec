import { describe, expect, it } from 'vitest';
import { mean, quantile, upperShare } from '../../../bench/canary/bound.ts';
import { bestBets, powerOfOneTest } from '../../../bench/canary/ceiling.ts';
import { Flagger, flaggerDefaults } from '../../../bench/canary/flagger.ts';
import { isHigh, Kayenta } from '../../../bench/canary/kayenta.ts';
import { createRandom } from '../../../bench/canary/random.ts';
import type { Releaser } from '../../../bench/canary/releaser.ts';
import { formatCanary, simulate } from '../../../bench/canary/run.ts';
import { createTraffic, steady } from '../../../bench/canary/traffic.ts';
import type { Look } from '../../../mixer/canary/judge/counts.ts';

const lookOf = (requests: number, errors: number): Look => ({
  primary: { requests: 900, errors: 9, buckets: [] },
  canary: { requests, errors, buckets: [] },
});

/** The same look each second, until the end. */
function secondsTo(end: string, releaser: Releaser, look: Look): number {
  for (let second = 1; second <= 7200; second++) {
    const came = releaser.look(look);
    if (came !== undefined) return came === end ? second : NaN;
  }
  return Infinity;
}

describe('draws', () => {
  const { binomial, poisson, geometric } = createRandom(7);
  const draws = (draw: () => number): { mean: number; variance: number } => {
    const values = Array.from({ length: 20_000 }, draw);
    const middle = mean(values);
    return { mean: middle, variance: mean(values.map((value) => (value - middle) ** 2)) };
  };

  it.each([
    [10, 0.3],
    [1000, 0.002],
    [200, 0.9],
  ])('of the binomial law have its mean and variance: %d, %d', (n, p) => {
    const { mean, variance } = draws(() => binomial(n, p));
    expect(mean / (n * p)).toBeCloseTo(1, 1);
    expect(variance / (n * p * (1 - p))).toBeCloseTo(1, 1);
  });

  it('never leave its range', () => {
    expect([binomial(0, 0.5), binomial(5, 0), binomial(5, 1)]).toEqual([0, 0, 5]);
    for (let i = 0; i < 10_000; i++) expect(binomial(3, 0.5)).toBeOneOf([0, 1, 2, 3]);
  });

  it.each([0.1, 3, 100])('of the Poisson law have its mean and variance: %d', (rate) => {
    const { mean, variance } = draws(() => poisson(rate));
    expect(mean / rate).toBeCloseTo(1, 1);
    expect(variance / rate).toBeCloseTo(1, 1);
  });

  it('of cluster sizes have their mean', () => {
    expect(draws(() => geometric(5)).mean / 5).toBeCloseTo(1, 1);
    expect(geometric(1)).toBe(1);
  });
});

describe('traffic', () => {
  it('is the same for the same seed, second and weight', () => {
    const look = (): Look => createTraffic(steady, 3).look(17, 0.2);
    expect(look()).toEqual(look());
    expect(createTraffic(steady, 4).look(17, 0.2)).not.toEqual(look());
  });

  it('has as many latencies as good responses', () => {
    const { canary, primary } = createTraffic({ ...steady, clusterSize: 3, ratioAt: () => 20 }, 1).look(1, 0.3);
    for (const { requests, errors, buckets } of [canary, primary]) {
      expect(buckets.reduce((a, b) => a + b, 0)).toBe(requests - errors);
      expect(buckets).toHaveLength(20);
    }
  });
});

describe("Flagger's loop", () => {
  it('promotes after ten passed checks', () => {
    expect(secondsTo('promote', new Flagger(), lookOf(100, 0))).toBe(600);
  });

  it('rolls back after ten failed checks, and no data fails', () => {
    expect(secondsTo('rollback', new Flagger(), lookOf(100, 2))).toBe(600);
    expect(secondsTo('rollback', new Flagger({ ...flaggerDefaults, threshold: 2 }), lookOf(0, 0))).toBe(120);
  });
});

describe("Kayenta's test", () => {
  it('fails a metric whose shift is sure, not one that only looks higher', () => {
    const series = (from: number): number[] => Array.from({ length: 18 }, (_, i) => from + ((i * 7) % 18));
    expect(isHigh(series(100), series(0))).toBe(true);
    expect(isHigh(series(1), series(0))).toBe(false);
    expect(isHigh(series(0), series(100))).toBe(false);
    expect(isHigh([], series(0))).toBe(false);
    expect(isHigh([0, 0, 0], [0, 0, 0])).toBe(false);
  });

  it('is first asked after three minutes, and promotes at the tenth pass', () => {
    expect(secondsTo('rollback', new Kayenta([0.1]), lookOf(100, 50))).toBe(180);
    expect(secondsTo('promote', new Kayenta([0.1]), lookOf(100, 1))).toBe(720);
  });
});

describe('the report', () => {
  it('bounds shares exactly', () => {
    expect(upperShare(0, 100)).toBeCloseTo(1 - 0.05 ** 0.01, 6);
    expect(upperShare(100, 100)).toBe(1);
    expect(upperShare(50, 10_000)).toBeCloseTo(0.00634, 4);
    expect(quantile([3, 1, 2], 0.5)).toBe(2);
    expect(quantile([3, 1, 2], 1)).toBe(3);
  });

  it('has a row for each way to decide, and says whose rules they are', () => {
    const told: string[] = [];
    const text = formatCanary(simulate(4, (what) => told.push(what)));
    for (const part of told) expect(text).toContain(part);
    expect(told).toHaveLength(8);
    for (const name of ['Heddle', 'Flagger', 'Kayenta'])
      expect(text.match(new RegExp(`^${name} .*%`, 'gm'))).toHaveLength(4);
    expect(text).toContain('S1: 4 whole releases of a canary that is no worse');
    expect(text).toContain('looks taken and judged per second of one core');
    expect(text).not.toContain('NaN');
  });
});

describe('what no judge can do better', () => {
  it('is to find all of the tenfold rises within thirty looks', () => {
    expect(bestBets(0.01)).toBeGreaterThan(0.99);
    expect(bestBets(0.01)).toBeLessThan(powerOfOneTest(0.01));
    expect(powerOfOneTest(0.01)).toBeLessThan(0.997);
  });

  it('is worse where alpha is smaller, and no better than alpha where it is everything', () => {
    expect(bestBets(0.001)).toBeLessThan(bestBets(0.01));
    expect(bestBets(1)).toBe(1);
    expect(powerOfOneTest(1)).toBeCloseTo(1, 9);
  });
});
