import { describe, expect, test } from 'vitest';
import {
  createJudge,
  judge,
  type JudgeState,
  type Look,
  look,
  nextStep,
} from '../../../../mixer/canary/judge/judge.ts';
import { config, Traffic, type Version } from './traffic.ts';

interface Rollout {
  readonly seed: number;
  readonly perSecond: number;
  readonly seconds: number;
  readonly primary: Version;
  readonly canary: Version;
  /** Over the seconds. */
  readonly share: (second: number) => number;
  readonly baseline?: readonly number[];
}

/** The state at the end, or at the second in which it was to be rolled back. */
function run({ seed, perSecond, seconds, primary, canary, share, baseline }: Rollout): {
  state: JudgeState;
  rolledBackAt: number | undefined;
} {
  const traffic = new Traffic(seed);
  let state = createJudge(config, baseline);
  for (let second = 0; second < seconds; second += 1) {
    if (second > 0 && share(second) !== share(second - 1)) state = nextStep(state);
    state = look(state, traffic.look(perSecond, share(second), { primary, canary }));
    if (judge(state).outcome === 'rollback') return { state, rolledBackAt: second };
  }
  return { state, rolledBackAt: undefined };
}

const calls = (requests: number, errors = 0): Look['canary'] => ({ requests, errors, buckets: [] });

describe('S1: a canary that is no worse', () => {
  test('is rolled back in at most 1 % of whole rollouts, with a look every second and changing weights', () => {
    const steps = [0.01, 0.05, 0.2, 0.5];
    let rollbacks = 0;
    const rollouts = 150;
    for (let seed = 1; seed <= rollouts; seed += 1) {
      const same = { errorRate: [0.001, 0.01, 0.05][seed % 3] ?? 0 };
      const share = (second: number): number => steps[Math.floor(second / 75)] ?? 0.5;
      const { rolledBackAt } = run({ seed, perSecond: 20, seconds: 300, primary: same, canary: same, share });
      if (rolledBackAt !== undefined) rollbacks += 1;
    }
    expect(rollbacks / rollouts).toBeLessThanOrEqual(0.013);
  });

  test('is not rolled back for the latencies that both have', () => {
    const version = { errorRate: 0.002, medianMs: 40 };
    const baseline = new Traffic(99).counts(5_000, version).buckets;
    const ends = Array.from({ length: 40 }, (_, seed) =>
      run({ seed, perSecond: 60, seconds: 120, primary: version, canary: version, share: () => 0.3, baseline }),
    );
    expect(ends.filter(({ rolledBackAt }) => rolledBackAt !== undefined)).toHaveLength(0);
  });
});

describe('S2: ten times the errors', () => {
  test('are seen within 30 seconds at 100 requests/s of which the canary has 10 %', () => {
    const times = Array.from({ length: 50 }, (_, seed) => {
      const versions = { primary: { errorRate: 0.005 }, canary: { errorRate: 0.05 } };
      return run({ seed, perSecond: 100, seconds: 120, ...versions, share: () => 0.1 }).rolledBackAt ?? Infinity;
    }).sort((a, b) => a - b);
    expect(times[25]).toBeLessThanOrEqual(20);
    expect(times[45]).toBeLessThanOrEqual(45);
  });

  test('twice the latency is seen too, and named', () => {
    const primary = { errorRate: 0.002 };
    const baseline = new Traffic(7).counts(5_000, primary).buckets;
    const canary = { errorRate: 0.002, medianMs: 90 };
    const { state, rolledBackAt } = run({
      seed: 3,
      perSecond: 100,
      seconds: 120,
      primary,
      canary,
      share: () => 0.2,
      baseline,
    });
    expect(rolledBackAt).toBeLessThan(60);
    const { metric, message } = judge(state);
    expect(metric).toBe('latency');
    expect(message).toMatch(/times the share of the primary takes longer than \d+ ms \(E = /);
  });
});

describe('S3: a promotion', () => {
  test('is certified by an upper bound that covers the true ratio', () => {
    let covered = 0;
    let certifiedWorse = 0;
    for (let seed = 1; seed <= 60; seed += 1) {
      const versions = { primary: { errorRate: 0.02 }, canary: { errorRate: 0.036 } };
      const { state } = run({ seed, perSecond: 50, seconds: 100, ...versions, share: () => 0.3 });
      const { errorRatio, isCertified } = judge(state);
      if (errorRatio.lower <= 1.8 && errorRatio.upper >= 1.8) covered += 1;
      if (isCertified) certifiedWorse += 1;
    }
    expect(covered).toBeGreaterThanOrEqual(59);
    expect(certifiedWorse).toBe(0);
  });

  test('comes for a canary without any error once the increase is bounded, and not before', () => {
    let state = createJudge(config, undefined);
    state = look(state, { primary: calls(500), canary: calls(200) });
    expect(judge(state)).toMatchObject({ outcome: 'advance', isCertified: false, rule: 'step-evidence' });
    state = look(state, { primary: calls(5_000), canary: calls(2_000) });
    expect(judge(state)).toMatchObject({ outcome: 'advance', isCertified: true, rule: 'non-inferiority' });
    expect(judge(state).maxIncrease).toBeLessThan(0.01);
  });
});

describe('S4: without evidence nothing is decided', () => {
  test('no requests, or none of one version, is collecting for ever', () => {
    let state = createJudge(config, undefined);
    expect(judge(state)).toMatchObject({ outcome: 'collect', rule: 'no-requests' });
    for (let i = 0; i < 1000; i += 1) state = look(state, { primary: calls(100, 3), canary: calls(0) });
    expect(judge(state)).toMatchObject({ outcome: 'collect', message: 'the canary got no request yet' });
    expect(judge(state).eValue).toBe(1);
  });

  test('counts that are no counts change nothing', () => {
    const state = look(createJudge(config, undefined), { primary: calls(100, 1), canary: calls(50, 1) });
    for (const bad of [calls(NaN), calls(-1), calls(3, 4), calls(Infinity), { ...calls(1), buckets: [NaN] }]) {
      expect(look(state, { primary: calls(10), canary: bad })).toBe(state);
      expect(look(state, { primary: bad, canary: calls(10) })).toBe(state);
    }
  });

  test('a step needs its own requests', () => {
    let state = look(createJudge(config, undefined), { primary: calls(900), canary: calls(100) });
    expect(judge(state).outcome).toBe('advance');
    state = nextStep(state);
    expect(judge(state)).toMatchObject({
      outcome: 'collect',
      rule: 'min-requests',
      message: '0 of 100 requests of the step',
    });
  });

  test('requests that are not split as the weights say are said so and decide no step', () => {
    let state = createJudge(config, undefined);
    for (let i = 0; i < 200; i += 1) state = look(state, { primary: calls(80), canary: calls(20), expectedShare: 0.5 });
    expect(judge(state)).toMatchObject({ outcome: 'collect', rule: 'sample-ratio-mismatch' });
  });
});

describe('S5: what the judge knows', () => {
  test('survives being written down at every look', () => {
    const traffic = new Traffic(5);
    const versions = { primary: { errorRate: 0.01 }, canary: { errorRate: 0.02 } };
    const baseline = traffic.counts(2_000, versions.primary).buckets;
    let kept = createJudge(config, baseline);
    let stored = createJudge(config, baseline);
    for (let second = 0; second < 200; second += 1) {
      const seen = traffic.look(50, 0.2, versions);
      kept = look(kept, seen);
      stored = JSON.parse(JSON.stringify(look(stored, seen))) as JudgeState;
      expect(judge(stored)).toEqual(judge(kept));
    }
    expect(JSON.stringify(stored).length).toBeLessThan(8_192);
  });

  test('evidence for a rollback is kept over all steps', () => {
    let state = createJudge(config, undefined);
    for (let i = 0; i < 8; i += 1) state = nextStep(look(state, { primary: calls(90, 0), canary: calls(10, 2) }));
    expect(judge(state)).toMatchObject({ outcome: 'rollback', rule: 'e-value', metric: 'errors' });
    expect(judge(state).message).toMatch(
      /^16 of 80 requests failed, of the primary 0 of 720 \(E = .*, a rollback needs 100\)$/,
    );
  });

  test('a burst in one look says less than the same errors one by one', () => {
    const burst = look(createJudge(config, undefined), { primary: calls(500), canary: calls(500, 40) });
    let single = createJudge(config, undefined);
    for (let i = 0; i < 40; i += 1) single = look(single, { primary: calls(12), canary: calls(12, 1) });
    expect(judge(burst).outcome).not.toBe('rollback');
    expect(judge(single).outcome).toBe('rollback');
  });
});
