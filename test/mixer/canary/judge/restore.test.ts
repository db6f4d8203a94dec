import { describe, expect, it } from 'vitest';
import { createRandom } from '../../../../bench/canary/random.ts';
import { createTraffic, steady } from '../../../../bench/canary/traffic.ts';
import { createJudge, type JudgeState, look, nextStep } from '../../../../mixer/canary/judge/judge.ts';
import { restoreJudge } from '../../../../mixer/canary/judge/restore.ts';
import { judge } from '../../../../mixer/canary/judge/verdict.ts';
import { config } from './looks.ts';

const restart = (state: JudgeState): JudgeState => {
  const text = JSON.stringify(state);
  const { value, errors } = restoreJudge(JSON.parse(text));
  if (value === undefined) throw new Error(JSON.stringify(errors));
  expect(JSON.stringify(value)).toBe(text);
  return value;
};

describe('a state as JSON', () => {
  it.each([1, 2, 3, 4, 5])('gives the same verdicts when it is restored after every look (seed %d)', (seed) => {
    const random = createRandom(seed);
    const traffic = createTraffic({ ...steady, ratioAt: () => 1 + 2 * random.uniform(), clusterSize: 2 }, seed);
    let kept = createJudge(config, traffic.baseline);
    let restored = restart(kept);
    for (let second = 0; second < 200; second++) {
      const came = traffic.look(second, random.uniform());
      kept = look(kept, came);
      restored = restart(look(restored, came));
      if (second % 40 === 39) [kept, restored] = [nextStep(kept), restart(nextStep(restored))];
      expect(restored).toEqual(kept);
      expect(judge(restored)).toEqual(judge(kept));
    }
  });

  it('is small', () => {
    const traffic = createTraffic(steady, 1);
    let state = createJudge(config, traffic.baseline);
    for (let second = 0; second < 300; second++) state = look(state, traffic.look(second, 0.3));
    expect(JSON.stringify(state).length).toBeLessThan(8192);
  });

  it('is not changed by a look', () => {
    const traffic = createTraffic(steady, 1);
    const freeze = (value: unknown): void => {
      if (typeof value !== 'object' || value === null) return;
      Object.freeze(value);
      Object.values(value).forEach(freeze);
    };
    let state = createJudge(config, traffic.baseline);
    for (let second = 0; second < 50; second++) {
      freeze(state);
      state = nextStep(look(state, traffic.look(second, 0.3)));
      judge(state);
    }
  });

  const good = JSON.parse(JSON.stringify(createJudge(config, createTraffic(steady, 1).baseline))) as Record<
    string,
    unknown
  >;
  it.each([
    [null, 'format: must be 2, got null'],
    ['text', 'format: must be 2, got text'],
    [{}, 'format: must be 2, got undefined'],
    [{ ...good, format: 1 }, 'format: must be 2, got 1'],
    [{ ...good, config: { ...config, alpha: null } }, 'config.alpha: must be a number, got null'],
    [{ ...good, config: { ...config, maxErrorRatio: '2' } }, 'config.maxErrorRatio: must be a number, got "2"'],
    [{ ...good, looks: null }, 'looks: must be a number, got null'],
    [{ ...good, counts: undefined }, 'counts: must be an object, got undefined'],
    [{ ...good, latency: {} }, 'latency: must be a list, got {}'],
    [{ ...good, latency: [{}] }, 'latency[0].quantile: must be a number, got undefined'],
    [{ ...good, peak: { logE: 0, metric: 3 } }, 'peak.metric: must be a string, got 3'],
    [
      { ...good, errorBets: { logWealth: [0], epoch: 0, epochLooks: 0, stepLooks: 0 } },
      'errorBets.logWealth: must have 16 items, got 1',
    ],
  ])('that is not whole is refused by name: %#', (json, message) => {
    const { errors = [] } = restoreJudge(json);
    expect(errors.map((error) => `${error.path}: ${error.message}`)).toEqual([message]);
  });
});
