import { describe, expect, test } from 'vitest';
import {
  findFailurePercentageOutliers,
  findSuccessRateOutliers,
  type Tally,
} from '../../../../proxy/upstream/outlier/success-rate.ts';
import { seededRandom } from '../../../support/seeded-random.ts';

const rule = {
  minimumHosts: 5,
  requestVolume: 100,
  stdevFactor: 1.9,
  enforcingPercent: 100,
  enforcingLocalOriginPercent: 100,
};
const percentageRule = { ...rule, requestVolume: 50, thresholdPercent: 85 };

/** Hosts with 100 requests each, of which so many succeeded. */
const tallies = (...successes: number[]): Tally[] => successes.map((good) => ({ requests: 100, successes: good }));

describe('success rate', () => {
  test('one host far below the others is an outlier', () => {
    // Mean 90, standard deviation 20: the threshold is 52.
    expect(findSuccessRateOutliers(tallies(100, 100, 100, 100, 50), rule)).toEqual([4]);
  });

  test('hosts that all fail alike are none', () => {
    expect(findSuccessRateOutliers(tallies(10, 10, 10, 10, 10), rule)).toEqual([]);
  });

  test('too few hosts with enough requests are not compared', () => {
    expect(findSuccessRateOutliers(tallies(100, 100, 100, 0), rule)).toEqual([]);
    const oneIdle = [...tallies(100, 100, 100, 0), { requests: 99, successes: 99 }];
    expect(findSuccessRateOutliers(oneIdle, rule)).toEqual([]);
  });

  test('a smaller factor is stricter', () => {
    expect(findSuccessRateOutliers(tallies(100, 100, 100, 90, 80), { ...rule, stdevFactor: 0.5 })).toEqual(
      [3, 4].slice(1),
    );
    expect(findSuccessRateOutliers(tallies(100, 100, 100, 90, 80), { ...rule, stdevFactor: 3 })).toEqual([]);
  });

  test('for any rates: never all hosts, never one at or above the mean, and exactly those below the threshold', () => {
    const random = seededRandom(7);
    for (let round = 0; round < 2_000; round++) {
      const count = 1 + Math.floor(random() * 12);
      const hosts = Array.from({ length: count }, () => {
        const requests = Math.floor(random() * 200);
        return { requests, successes: Math.floor(random() * (requests + 1)) };
      });
      const outliers = new Set(findSuccessRateOutliers(hosts, rule));
      const compared = hosts.filter(({ requests }) => requests >= rule.requestVolume);
      if (compared.length < rule.minimumHosts) {
        expect(outliers.size).toBe(0);
        continue;
      }
      const rates = compared.map(({ requests, successes }) => (successes / requests) * 100);
      const mean = rates.reduce((sum, rate) => sum + rate, 0) / rates.length;
      const stdev = Math.sqrt(rates.reduce((sum, rate) => sum + (rate - mean) ** 2, 0) / rates.length);
      const expected = hosts.flatMap(({ requests, successes }, i) =>
        requests >= rule.requestVolume && (successes / requests) * 100 < mean - rule.stdevFactor * stdev - 1e-9
          ? [i]
          : [],
      );
      expect([...outliers]).toEqual(expected);
      expect(outliers.size).toBeLessThan(compared.length);
    }
  });
});

describe('failure percentage', () => {
  test('does not depend on the other hosts', () => {
    expect(findFailurePercentageOutliers(tallies(15, 15, 16, 0, 100), percentageRule)).toEqual([0, 1, 3]);
  });

  test('needs enough hosts with enough requests', () => {
    expect(findFailurePercentageOutliers(tallies(0, 0, 0, 0), percentageRule)).toEqual([]);
    const thin = Array.from({ length: 5 }, () => ({ requests: 49, successes: 0 }));
    expect(findFailurePercentageOutliers(thin, percentageRule)).toEqual([]);
  });

  test('no request is no rate, even when no volume is asked for', () => {
    const hosts = [{ requests: 0, successes: 0 }];
    expect(findFailurePercentageOutliers(hosts, { ...percentageRule, minimumHosts: 0, requestVolume: 0 })).toEqual([]);
  });
});
