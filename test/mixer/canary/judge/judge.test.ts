import { describe, expect, it } from 'vitest';
import type { Look } from '../../../../mixer/canary/judge/counts.ts';
import { look, nextStep } from '../../../../mixer/canary/judge/judge.ts';
import { judge } from '../../../../mixer/canary/judge/verdict.ts';
import { counts, judgeAfter, lookOf, repeat } from './looks.ts';

const good = lookOf([900, 9], [100, 1]);
const quiet = lookOf([900, 0], [100, 0]);
const bad = lookOf([90, 0], [10, 1]);

describe('S4: no data decides nothing', () => {
  it.each<[string, Look[]]>([
    ['no look', []],
    ['looks without traffic', repeat(lookOf([0, 0], [0, 0]), 5000)],
    ['traffic to the primary alone', repeat(lookOf([1000, 10], [0, 0]), 5000)],
    ['traffic to the canary alone', repeat(lookOf([0, 0], [1000, 900]), 5000)],
  ])('%s', (_, looks) => {
    for (const next of ['step', 'promotion'] as const) {
      const { outcome, rule, eValue, pValue, message } = judge(judgeAfter(looks), next);
      expect({ outcome, rule, eValue, pValue }).toEqual({
        outcome: 'collect',
        rule: 'no-traffic',
        eValue: expect.closeTo(1, 9) as number,
        pValue: expect.closeTo(1, 9) as number,
      });
      expect(message).toMatch(/^no decision: no requests to (either version|the primary|the canary) in this step$/);
    }
  });

  it.each<[string, Look]>([
    ['NaN requests', lookOf([NaN, 0], [1, 1])],
    ['NaN errors', lookOf([1, 0], [1, NaN])],
    ['negative counts', lookOf([10, -1], [1, 1])],
    ['more errors than requests', lookOf([10, 0], [1, 2])],
    ['fractions', lookOf([10, 0.5], [1, 1])],
    ['infinitely many', lookOf([Infinity, 0], [1, 1])],
    ['a bucket too few', { primary: counts(1, 0, [1, 2]), canary: counts(1, 1) }],
    [
      'a NaN bucket',
      {
        primary: counts(
          1,
          0,
          Array.from({ length: 20 }, () => NaN),
        ),
        canary: counts(1, 1),
      },
    ],
    ['an impossible weight', { ...bad, expectedShare: NaN }],
  ])('looks with %s are left out as a whole, and counted', (_, came) => {
    const state = judgeAfter(repeat(came, 1000));
    expect(judge(state)).toEqual({ ...judge(judgeAfter([])), refusedLooks: 1000 });
  });
});

describe('a canary is rolled back', () => {
  it('when E >= 1/alpha, with the numbers in one sentence', () => {
    const verdict = judge(judgeAfter(repeat(bad, 10)));
    expect(verdict).toMatchObject({ outcome: 'rollback', rule: 'evidence-against-canary', metric: 'errors' });
    expect(verdict.eValue).toBeGreaterThanOrEqual(100);
    expect(verdict.pValue).toBeLessThanOrEqual(0.01);
    expect(verdict.message).toMatch(
      /^roll back for errors: E reached \S+ >= 1\/alpha = 100; canary 10 errors of 100 \(10 %\), primary 0 errors of 900 \(0 %\), error ratio unknown \([\d.]+ to unknown\)$/,
    );
  });

  it('not before', () => {
    expect(judge(judgeAfter(repeat(bad, 2)))).toMatchObject({ outcome: 'collect', rule: 'min-requests' });
  });

  it('later when alpha is smaller', () => {
    const looks = (alpha: number): number => {
      let state = judgeAfter([], { alpha });
      let n = 0;
      for (; judge(state).outcome !== 'rollback'; n++) state = look(state, bad);
      return n;
    };
    expect(looks(0.05)).toBeLessThan(looks(0.001));
  });

  it('for good: what comes later does not undo it', () => {
    const state = judgeAfter([...repeat(bad, 10), ...repeat(lookOf([900, 1], [100, 0]), 1000)]);
    expect(judge(state)).toMatchObject({ outcome: 'rollback', metric: 'errors' });
    expect(judge(state).eValue).toBeCloseTo(100, 6);
    expect(judge(nextStep(state)).outcome).toBe('rollback');
  });

  it('not for one burst of errors in one look', () => {
    const state = judgeAfter([...repeat(quiet, 5), lookOf([950, 0], [50, 40])]);
    expect(judge(state).outcome).toBe('collect');
  });
});

describe('a step', () => {
  it('is taken after minRequests canary requests, without a certificate', () => {
    expect(judge(judgeAfter([lookOf([900, 9], [99, 1])]), 'step')).toMatchObject({ rule: 'min-requests' });
    const verdict = judge(judgeAfter([good]), 'step');
    expect(verdict).toMatchObject({ outcome: 'advance', rule: 'step-evidence', isCertified: false });
    expect(verdict.message).toMatch(
      /^next step: 100 >= 100 canary requests in this step, E = \S+ < 1\/sqrt\(alpha\) = 10; canary 1 errors of 100/,
    );
  });

  it('counts anew when the one before is over, while the evidence stays', () => {
    const before = judgeAfter(repeat(good, 3));
    const after = nextStep(before);
    expect(judge(after, 'step').rule).toBe('no-traffic');
    expect(judge(look(after, lookOf([90, 0], [10, 0])), 'step')).toMatchObject({
      rule: 'min-requests',
      message: 'collecting: 10 of the 100 canary requests that a step needs',
    });
    expect(judge(after).counts).toEqual(judge(before).counts);
    expect(judge(after).eValue).toBeCloseTo(judge(before).eValue, 2);
    expect(judge(after).errorRatio).toEqual(judge(before).errorRatio);
  });

  it('is not taken under suspicion', () => {
    const state = judgeAfter([...repeat(quiet, 1), ...repeat(bad, 3)]);
    const { rule, eValue } = judge(state, 'step');
    expect(eValue).toBeGreaterThan(10);
    expect(eValue).toBeLessThan(100);
    expect(rule).toBe('suspicion');
  });

  it('is not taken while its errors are more than the allowances', () => {
    const verdict = judge(judgeAfter([lookOf([900, 9], [100, 4])]), 'step');
    expect(verdict).toMatchObject({ outcome: 'collect', rule: 'errors-of-step' });
    expect(verdict.message).toBe(
      'collecting: canary 4 errors of 100 (4 %) in this step, more than the 2 % that primary 9 errors of 900 (1 %) allow',
    );
  });
});

describe('a promotion', () => {
  it('without any errors needs some hundreds of canary requests', () => {
    const after = (looks: number) => judge(judgeAfter(repeat(quiet, looks)));
    expect(after(5)).toMatchObject({ outcome: 'collect', rule: 'not-certified', isCertified: false });
    const verdict = after(9);
    expect(verdict).toMatchObject({ outcome: 'advance', rule: 'certified-increase', certificateProgress: 1 });
    expect(verdict.errorRateIncrease.upper).toBeLessThanOrEqual(0.01);
    expect(verdict.message).toMatch(
      /^no worse, certified with confidence 99 %: error rate up by <= 0\.\d+ % \(allowed 1 %\); latency not judged: .*; canary 0 errors of 900/,
    );
  });

  it('certifies the ratio where the primary errs', () => {
    const verdict = judge(judgeAfter(repeat(lookOf([500, 15], [500, 15]), 40), { maxErrorRateIncrease: 0.001 }));
    expect(verdict).toMatchObject({ outcome: 'advance', rule: 'certified-ratio' });
    expect(verdict.errorRatio.upper).toBeLessThanOrEqual(1.5 + 1e-9);
  });

  it('comes nearer look by look', () => {
    let state = judgeAfter([]);
    let before = -1;
    for (let i = 0; i < 6; i++) {
      state = look(state, quiet);
      const { certificateProgress } = judge(state);
      expect(certificateProgress).toBeGreaterThan(before);
      before = certificateProgress;
    }
    expect(before).toBeLessThan(1);
  });

  it('is not for a canary that is twice as bad, however long it takes', () => {
    const state = judgeAfter(repeat(lookOf([50, 1], [50, 2]), 30), { maxErrorRateIncrease: 0.001 });
    expect(judge(state).outcome).not.toBe('advance');
  });
});

describe('a split that is not what the weights say', () => {
  const split = (canary: number): Look => ({ ...lookOf([1000 - canary, 0], [canary, 0]), expectedShare: 0.2 });

  it.each([20, 600])('stops every decision, by name: %d of 1000 instead of 200', (canary) => {
    const state = judgeAfter(repeat(split(canary), 200));
    for (const next of ['step', 'promotion'] as const) {
      const verdict = judge(state, next);
      expect(verdict).toMatchObject({ outcome: 'collect', rule: 'sample-ratio-mismatch', metric: 'requests' });
      expect(verdict.message).toBe(
        `no decision, sample ratio mismatch: the canary got ${canary / 10} % of 200,000 requests where the weights say 20 %`,
      );
    }
  });

  it('does not hold a rollback back: the verdict says both', () => {
    const wrong = judgeAfter(repeat(split(600), 200));
    const failing = { ...lookOf([400, 0], [600, 300]), expectedShare: 0.2 };
    const verdict = judge(repeat(failing, 20).reduce(look, wrong));
    expect(verdict).toMatchObject({ outcome: 'rollback', rule: 'evidence-against-canary', metric: 'errors' });
    expect(verdict.message).toMatch(
      /^roll back for errors: E reached \S+ >= 1\/alpha = 100; canary 6,000 errors .*; sample ratio mismatch: the canary got 60 % of 220,000 requests where the weights say 20 %$/,
    );
  });

  it('is no evidence for the canary while it lasts', () => {
    const wrong = judgeAfter(repeat(split(600), 200));
    const after = repeat(split(600), 50).reduce(look, wrong);
    expect(judge(after)).toMatchObject({ outcome: 'collect', rule: 'sample-ratio-mismatch' });
    expect(judge(after).certificateProgress).toBe(judge(wrong).certificateProgress);
    expect(judge(after).errorRateIncrease).toEqual(judge(wrong).errorRateIncrease);
    expect(judge(after).counts.canary.requests).toBe(150_000);
  });

  it('may end', () => {
    const wrong = judgeAfter(repeat(split(600), 200));
    const right = repeat(split(200), 60).reduce(look, wrong);
    expect(judge(right)).toMatchObject({ outcome: 'advance', rule: 'certified-increase' });
  });

  it('may differ a little, and is not looked at without a weight', () => {
    expect(judge(judgeAfter(repeat(split(240), 2000))).outcome).toBe('advance');
    expect(judge(judgeAfter(repeat(lookOf([100, 0], [900, 0]), 200))).outcome).toBe('advance');
  });
});
