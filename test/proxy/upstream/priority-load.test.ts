import { describe, expect, test } from 'vitest';
import { spreadLoad } from '../../../proxy/upstream/priority-load.ts';

const rules = { overprovisioningFactor: 140, panicThresholdPercent: 50 };

/** Percent of the requests for each priority, of 100 hosts each, of which so many are healthy; `!` marks panic. */
function loads(healthy: readonly number[], given: Partial<typeof rules> = {}): string[] {
  const priorities = healthy.map((available) => ({ available, total: 100 }));
  return spreadLoad(priorities, { ...rules, ...given }).map(
    ({ share, isPanic }) => `${Math.round(share * 100)}${isPanic ? '!' : ''}`,
  );
}

// The tables of Envoy's documentation on priority levels and panic threshold.
describe('two priorities', () => {
  test.each([
    [100, 100, ['100', '0']],
    [72, 100, ['100', '0']],
    [71, 100, ['99', '1']],
    [50, 100, ['70', '30']],
    [25, 100, ['35', '65']],
    [0, 100, ['0', '100']],
    [50, 50, ['70', '30']],
    [25, 75, ['35', '65']],
    [0, 72, ['0', '100']],
  ])('%i %% and %i %% healthy', (first, second, expected) => {
    expect(loads([first, second])).toEqual(expected);
  });

  test('together too weak, share in proportion to their health, and a priority below the threshold panics', () => {
    expect(loads([25, 25])).toEqual(['50!', '50!']);
    expect(loads([5, 65])).toEqual(['7!', '93']);
    expect(loads([25, 25], { panicThresholdPercent: 20 })).toEqual(['50', '50']);
  });

  test('of which the lower one can take everything never panic', () => {
    expect(loads([5, 100])).toEqual(['7', '93']);
  });
});

test('a third priority is used when two cannot do it', () => {
  expect(loads([25, 25, 100])).toEqual(['35', '35', '30']);
});

test('when nobody is healthy all hosts are used, in proportion to their number', () => {
  expect(
    spreadLoad(
      [
        { available: 0, total: 30 },
        { available: 0, total: 10 },
      ],
      rules,
    ),
  ).toEqual([
    { share: 0.75, isPanic: true },
    { share: 0.25, isPanic: true },
  ]);
});

test('D7: with threshold 0 nobody panics, and without a healthy host nobody gets anything', () => {
  expect(loads([0, 0], { panicThresholdPercent: 0 })).toEqual(['0', '0']);
  expect(loads([1, 0], { panicThresholdPercent: 0 })).toEqual(['100', '0']);
});

test('another overprovisioning factor moves the point where requests spill over', () => {
  expect(loads([72, 100], { overprovisioningFactor: 100 })).toEqual(['72', '28']);
});

test('without hosts there is no load', () => {
  expect(spreadLoad([], rules)).toEqual([]);
  expect(spreadLoad([{ available: 0, total: 0 }], rules)).toEqual([{ share: 0, isPanic: false }]);
});
