/** The bars S1 to S3 in short, with fixed seeds; `npm run bench -- canary` simulates ten thousand releases. */
import { describe, expect, it } from 'vitest';
import { mean, quantile } from '../../../../bench/canary/bound.ts';
import { measureBursts } from '../../../../bench/canary/bursts.ts';
import {
  anyScenario,
  holding,
  measureDecisions,
  releasing,
  runReleases,
} from '../../../../bench/canary/experiments.ts';
import { defaultConfig, Heddle } from '../../../../bench/canary/releaser.ts';
import { steady } from '../../../../bench/canary/traffic.ts';

const ours = releasing.slice(0, 1);

describe('S1: a canary that is no worse', () => {
  it('is rolled back in at most one of a hundred whole releases, whatever the traffic', () => {
    const [run] = runReleases(ours, anyScenario, { releases: 100, seconds: 900 });
    expect(run?.outcomes.filter(({ end }) => end === 'rollback').length).toBeLessThanOrEqual(1);
    expect(run?.outcomes.filter(({ end }) => end === 'promote').length).toBeGreaterThan(40);
  });

  it('is rolled back in at most a fifth of them where alpha is a fifth, though no step ever ends', () => {
    const config = { ...defaultConfig, alpha: 0.2 };
    const plan = { steps: [0.2], intervalSeconds: Number.MAX_SAFE_INTEGER };
    const contender = {
      name: 'Heddle',
      create: ({ baseline }: { baseline: readonly number[] }) => new Heddle(plan, baseline, config),
    };
    const [run] = runReleases([contender], (seed) => ({ ...anyScenario(seed), rate: 30 }), {
      releases: 80,
      seconds: 600,
    });
    const rollbacks = run?.outcomes.filter(({ end }) => end === 'rollback').length ?? 0;
    expect(rollbacks).toBeGreaterThan(0);
    expect(rollbacks).toBeLessThanOrEqual(16);
  });
});

describe('S2: a canary with ten times the errors, at 100 requests/s and 10 %', () => {
  const rise = { ...steady, ratioAt: () => 10 };
  const runs = runReleases(holding, () => rise, { releases: 100, seconds: 1200 });
  const [heddle = [], flagger = [], kayenta = []] = runs.map(({ outcomes }) => outcomes);

  it('is always rolled back, 98 of 100 times within 30 s', () => {
    expect(heddle.every(({ end }) => end === 'rollback')).toBe(true);
    expect(
      quantile(
        heddle.map(({ seconds }) => seconds),
        0.98,
      ),
    ).toBeLessThanOrEqual(30);
    expect(
      quantile(
        heddle.map(({ seconds }) => seconds),
        1,
      ),
    ).toBeLessThanOrEqual(60);
  });

  it("lets through less than a tenth of the bad responses of Flagger's loop, and of those of Kayenta's test a fifth", () => {
    const bad = mean(heddle.map(({ badResponses }) => badResponses));
    expect(bad).toBeLessThan(mean(flagger.map(({ badResponses }) => badResponses)) / 10);
    expect(bad).toBeLessThan(mean(kayenta.map(({ badResponses }) => badResponses)) / 5);
  });

  it('is rolled back within a minute when the errors rise after ten minutes', () => {
    const late = { ...steady, ratioAt: (second: number) => (second < 600 ? 1 : 10) };
    const [run] = runReleases(holding.slice(0, 1), () => late, { releases: 20, seconds: 800 });
    const delays = run?.outcomes.map(({ seconds }) => seconds - 600) ?? [];
    expect(Math.min(...delays)).toBeGreaterThan(0);
    expect(quantile(delays, 0.9)).toBeLessThanOrEqual(60);
  });
});

it('S3: a canary whose errors are more than both allowances is not promoted', () => {
  const tooMany = { ...steady, errorRate: 0.03, ratioAt: () => 1.55 };
  const [run] = runReleases(ours, () => tooMany, { releases: 50, seconds: 900 });
  expect(run?.outcomes.filter(({ end }) => end === 'promote')).toEqual([]);
});

it('errors that come together do not roll back a good canary, as the likelihood of every error does', () => {
  const rows = measureBursts([3], 20);
  const falseAlarms = Object.fromEntries(rows.map(({ name, falseAlarms }) => [name, falseAlarms]));
  expect(falseAlarms['bets on the share (Heddle)']).toBe(0);
  expect(falseAlarms['likelihood of all errors']).toBeGreaterThan(0.3);
  expect(falseAlarms['at most 20 errors a look']).toBeGreaterThan(0.3);
});

it('a thousand canaries are decided in a second of one core', () => {
  expect(measureDecisions(200, 10)).toBeGreaterThan(1000);
});
