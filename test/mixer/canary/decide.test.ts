/** The decisions as a table: a situation in, what happens out. */
import { describe, expect, test } from 'vitest';
import { decide } from '../../../mixer/canary/decide.ts';
import { noCanary, type Decision, type Gate, type Gates, type Situation } from '../../../mixer/canary/situation.ts';
import { planRelease, type ReleasePlan } from '../../../mixer/canary/release-plan.ts';
import { createJudge } from '../../../mixer/canary/judge/judge.ts';
import { judge, type Verdict } from '../../../mixer/canary/judge/verdict.ts';
import { canary, destinationRule } from './canaries.ts';

const plan = (analysis: object = {}, spec: object = {}): ReleasePlan =>
  planRelease(canary({ ...spec, analysis: { interval: '10s', stepWeights: [5, 50], ...analysis } }), [destinationRule]);

const open: Gate = { isOpen: true, message: '' };
const shut: Gate = { isOpen: false, message: 'not yet' };
const openGates: Gates = {
  endpoints: open,
  preRollout: open,
  confirmRollout: open,
  rollout: open,
  confirmPromotion: open,
  postRollout: open,
  metrics: open,
  rollback: shut,
};

const verdict = (outcome: Verdict['outcome']): Verdict => {
  const config = { alpha: 0.01, maxErrorRatio: 1.5, maxErrorRateIncrease: 0.01, maxLatencyRatio: 1.25, minRequests: 1 };
  return { ...judge(createJudge(config, undefined)), outcome, message: `the judge says ${outcome}` };
};

/** In step 0 of two, long enough, without a reason to do anything. */
const situation = (given: Partial<Situation> = {}): Situation => {
  const { plan: given_ = plan() } = given;
  return {
    plan: given_,
    revision: given_.revision,
    phase: 'Progressing',
    step: 0,
    routing: given_.steps[given.step ?? 0]?.routing ?? noCanary,
    pause: undefined,
    request: undefined,
    verdict: verdict('collect'),
    stepCounts: { requests: 50, errors: 0 },
    elapsedMs: 10_000,
    stepElapsedMs: 10_000,
    gates: openGates,
    ...given,
  };
};

const shown = (decision: Decision | undefined) =>
  decision && {
    decision: decision.decision,
    phase: decision.phase,
    step: decision.step,
    weight: decision.routing.weight,
  };

type Row = readonly [what: string, given: Partial<Situation>, decided: ReturnType<typeof shown> | undefined];

const withPromotionGate = plan({ manualGate: ['promotion'] });
const withRolloutGate = plan({ manualGate: ['rollout'] });
const hook = (type: string): object => ({ webhooks: [{ name: 'hook', type, url: 'http://127.0.0.1/' }] });
const fresh = { step: -1, routing: noCanary, stepCounts: { requests: 0, errors: 0 }, verdict: undefined };
const failed = { decision: 'rollback', phase: 'Failed', step: 0, weight: 0 } as const;

const rows: Readonly<Record<string, readonly Row[]>> = {
  'the way to the first step': [
    [
      'a Canary without a status begins',
      { ...fresh, revision: undefined, phase: 'Initializing' },
      { decision: 'initialize', phase: 'Initializing', step: -1, weight: 0 },
    ],
    ['without the subsets it waits', { ...fresh, phase: 'Initializing', plan: planRelease(canary({}), []) }, undefined],
    [
      'with them it is initialized',
      { ...fresh, phase: 'Initializing' },
      { decision: 'initialize', phase: 'Initialized', step: -1, weight: 0 },
    ],
    [
      'it starts by itself',
      { ...fresh, phase: 'Initialized' },
      { decision: 'advance', phase: 'Progressing', step: 0, weight: 5 },
    ],
    [
      'not before the pre-rollout checks pass',
      { ...fresh, phase: 'Initialized', gates: { ...openGates, preRollout: shut } },
      undefined,
    ],
    [
      'not before both versions have endpoints',
      { ...fresh, phase: 'Initialized', gates: { ...openGates, endpoints: shut } },
      undefined,
    ],
    [
      'nor when somebody lets it go: that is kept in mind',
      {
        ...fresh,
        phase: 'Waiting',
        plan: withRolloutGate,
        request: 'promote',
        gates: { ...openGates, endpoints: shut },
      },
      undefined,
    ],
    [
      'nor when a webhook lets it go',
      {
        ...fresh,
        phase: 'Waiting',
        plan: plan(hook('confirm-rollout')),
        gates: { ...openGates, endpoints: shut },
      },
      undefined,
    ],
    [
      'a manual gate holds it',
      { ...fresh, phase: 'Initialized', plan: withRolloutGate },
      { decision: 'wait', phase: 'Waiting', step: -1, weight: 0 },
    ],
    ['for as long as nobody opens it', { ...fresh, phase: 'Waiting', plan: withRolloutGate }, undefined],
    [
      'promote opens it',
      { ...fresh, phase: 'Waiting', plan: withRolloutGate, request: 'promote' },
      { decision: 'advance', phase: 'Progressing', step: 0, weight: 5 },
    ],
    [
      'a webhook can be the gate',
      { ...fresh, phase: 'Initialized', plan: plan(hook('confirm-rollout')) },
      { decision: 'wait', phase: 'Waiting', step: -1, weight: 0 },
    ],
    [
      'and holds',
      {
        ...fresh,
        phase: 'Waiting',
        plan: plan(hook('confirm-rollout')),
        gates: { ...openGates, confirmRollout: shut },
      },
      undefined,
    ],
    [
      'and opens',
      { ...fresh, phase: 'Waiting', plan: plan(hook('confirm-rollout')) },
      { decision: 'advance', phase: 'Progressing', step: 0, weight: 5 },
    ],
  ],
  steps: [
    ['nothing certain: nothing happens', {}, undefined],
    [
      'no traffic decides nothing, however long it lasts',
      { verdict: undefined, stepCounts: { requests: 0, errors: 0 }, stepElapsedMs: 1e6, elapsedMs: 1e6 },
      undefined,
    ],
    [
      'enough evidence: one step',
      { verdict: verdict('advance') },
      { decision: 'advance', phase: 'Progressing', step: 1, weight: 50 },
    ],
    ['a step lasts its interval', { verdict: verdict('advance'), stepElapsedMs: 9999 }, undefined],
    ['a rollout check holds it', { verdict: verdict('advance'), gates: { ...openGates, rollout: shut } }, undefined],
    [
      'a query without a number holds it',
      { verdict: verdict('advance'), gates: { ...openGates, metrics: shut } },
      undefined,
    ],
    [
      'the last step leads to promotion',
      { step: 1, verdict: verdict('advance') },
      { decision: 'promote', phase: 'Promoting', step: 1, weight: 100 },
    ],
    [
      'or to its gate, at the same weight',
      { step: 1, verdict: verdict('advance'), plan: withPromotionGate },
      { decision: 'wait', phase: 'WaitingPromotion', step: 1, weight: 50 },
    ],
    [
      'a step that the spec does not have any more is the last',
      { step: 7, routing: { ...noCanary, weight: 50 }, verdict: verdict('advance') },
      { decision: 'promote', phase: 'Promoting', step: 7, weight: 100 },
    ],
  ],
  promotion: [
    [
      'the gate waits',
      { phase: 'WaitingPromotion', step: 1, plan: withPromotionGate, verdict: verdict('advance') },
      undefined,
    ],
    [
      'promote opens it',
      { phase: 'WaitingPromotion', step: 1, plan: withPromotionGate, request: 'promote' },
      { decision: 'promote', phase: 'Promoting', step: 1, weight: 100 },
    ],
    [
      'a webhook opens it',
      { phase: 'WaitingPromotion', step: 1, plan: plan(hook('confirm-promotion')) },
      { decision: 'promote', phase: 'Promoting', step: 1, weight: 100 },
    ],
    [
      'a webhook keeps it shut',
      {
        phase: 'WaitingPromotion',
        step: 1,
        plan: plan(hook('confirm-promotion')),
        gates: { ...openGates, confirmPromotion: shut },
      },
      undefined,
    ],
    [
      'promoted is finalised',
      { phase: 'Promoting', step: 1, routing: { ...noCanary, weight: 100 } },
      { decision: 'promote', phase: 'Finalising', step: 1, weight: 100 },
    ],
    [
      'finalised is done',
      { phase: 'Finalising', step: 1, routing: { ...noCanary, weight: 100 } },
      { decision: 'succeed', phase: 'Succeeded', step: 1, weight: 100 },
    ],
    [
      'not before the post-rollout checks were asked',
      { phase: 'Finalising', step: 1, gates: { ...openGates, postRollout: shut } },
      undefined,
    ],
  ],
  rollback: [
    ['evidence', { verdict: verdict('rollback') }, failed],
    ['evidence within the interval of the step', { verdict: verdict('rollback'), stepElapsedMs: 0 }, failed],
    ['evidence while it is paused', { verdict: verdict('rollback'), pause: 'Requested' }, failed],
    [
      'evidence at the gate of promotion',
      { phase: 'WaitingPromotion', step: 1, plan: withPromotionGate, verdict: verdict('rollback') },
      { ...failed, step: 1 },
    ],
    [
      'evidence against somebody who promotes',
      { phase: 'WaitingPromotion', step: 1, plan: withPromotionGate, verdict: verdict('rollback'), request: 'promote' },
      { ...failed, step: 1 },
    ],
    [
      'evidence while every webhook hangs',
      { verdict: verdict('rollback'), gates: { ...openGates, rollout: shut, metrics: shut } },
      failed,
    ],
    [
      'a webhook or a query that asks for it',
      { verdict: verdict('advance'), gates: { ...openGates, rollback: open } },
      failed,
    ],
    ['somebody who aborts', { request: 'abort' }, failed],
    [
      'somebody who aborts before the first step',
      { ...fresh, phase: 'Waiting', plan: withRolloutGate, request: 'abort' },
      { ...failed, step: -1 },
    ],
    [
      'somebody who aborts while it is finalised',
      { phase: 'Finalising', step: 1, request: 'abort' },
      { ...failed, step: 1 },
    ],
  ],
  pauses: [
    ['on request', { request: 'pause' }, { decision: 'pause', phase: 'Progressing', step: 0, weight: 5 }],
    ['hold the step', { pause: 'Requested', verdict: verdict('advance') }, undefined],
    ['stop the clock of the release', { pause: 'Requested', elapsedMs: 1e9 }, undefined],
    [
      'end on request',
      { pause: 'Requested', request: 'resume' },
      { decision: 'resume', phase: 'Progressing', step: 0, weight: 5 },
    ],
    [
      'come from the spec',
      { plan: plan({}, { paused: true }), verdict: verdict('advance') },
      { decision: 'pause', phase: 'Progressing', step: 0, weight: 5 },
    ],
    ['and go with it', { pause: 'Spec' }, { decision: 'resume', phase: 'Progressing', step: 0, weight: 5 }],
    ['of a person outlive the spec', { pause: 'Requested', plan: plan({}, { paused: false }) }, undefined],
  ],
  time: [
    ['is up: it pauses', { elapsedMs: 3_600_000 }, { decision: 'pause', phase: 'Progressing', step: 0, weight: 5 }],
    ['is up: it rolls back', { elapsedMs: 60_000, plan: plan({ maxDuration: '60s', onTimeout: 'rollback' }) }, failed],
    [
      'is up: it promotes',
      { elapsedMs: 60_000, plan: plan({ maxDuration: '60s', onTimeout: 'promote' }) },
      { decision: 'promote', phase: 'Promoting', step: 0, weight: 100 },
    ],
    [
      'is up, and evidence speaks against promotion',
      { elapsedMs: 60_000, verdict: verdict('rollback'), plan: plan({ maxDuration: '60s', onTimeout: 'promote' }) },
      failed,
    ],
    ['is not up at a gate', { phase: 'WaitingPromotion', step: 1, plan: withPromotionGate, elapsedMs: 1e9 }, undefined],
    [
      'was up: promote goes on from there',
      { pause: 'Timeout', request: 'promote' },
      { decision: 'promote', phase: 'Promoting', step: 0, weight: 100 },
    ],
  ],
  'what is decided': [
    ['stays decided after success', { phase: 'Succeeded', step: 1, verdict: verdict('rollback') }, undefined],
    ['stays decided after failure', { phase: 'Failed', verdict: verdict('advance') }, undefined],
    [
      'is not changed by a late abort',
      { phase: 'Succeeded', step: 1, routing: { ...noCanary, weight: 100 }, request: 'abort' },
      { decision: 'hold', phase: 'Succeeded', step: 1, weight: 100 },
    ],
    [
      'ends with a new revision',
      { phase: 'Failed', revision: 'another' },
      { decision: 'initialize', phase: 'Initializing', step: -1, weight: 0 },
    ],
    [
      'a new revision begins anew in the middle of a release',
      { revision: 'another', verdict: verdict('advance') },
      { decision: 'initialize', phase: 'Initializing', step: -1, weight: 0 },
    ],
  ],
  'requests that mean nothing here': [
    [
      'promote in a step is no way around the analysis',
      { request: 'promote' },
      { decision: 'hold', phase: 'Progressing', step: 0, weight: 5 },
    ],
  ],
};

for (const [name, cases] of Object.entries(rows)) {
  describe(name, () => {
    test.each(cases)('%s', (_, given, decided) => expect(shown(decide(situation(given)))).toEqual(decided));
  });
}

describe('test users come first', () => {
  const users = { match: [{ headers: { testuser: { regex: '.+' } } }] };
  const smoke = { plan: plan(users), step: 0 };

  test('alone, then with each share, until it is decided', () => {
    expect(plan(users).steps.map(({ kind, routing }) => [kind, routing.weight, routing.toMatched])).toEqual([
      ['smoke', 0, true],
      ['weight', 5, true],
      ['weight', 50, true],
    ]);
  });

  test.each([
    ['ten answers without a failure let the others in', { requests: 10, errors: 0 }, 1],
    ['nine do not', { requests: 9, errors: 0 }, undefined],
    ['a failure among them waits for the judge', { requests: 40, errors: 1 }, undefined],
  ])('%s', (_, stepCounts, step) => {
    expect(decide(situation({ ...smoke, stepCounts }))?.step).toBe(step);
  });

  test('with iterations they are the whole release', () => {
    const ab = plan({ ...users, stepWeights: undefined, iterations: 6 });
    expect(ab.steps).toMatchObject([{ kind: 'match', minDurationMs: 60_000, routing: { weight: 0, toMatched: true } }]);
    const done = { plan: ab, verdict: verdict('advance') };
    expect(decide(situation({ ...done, stepElapsedMs: 59_999 }))).toBeUndefined();
    expect(decide(situation({ ...done, stepElapsedMs: 60_000 }))?.phase).toBe('Promoting');
  });
});

test('a mirror is judged by what the servers saw, before any share', () => {
  const { steps } = plan({ mirror: true, mirrorWeight: 20, iterations: 2 });
  expect(steps.map(({ kind, vantage, routing }) => [kind, vantage, routing.mirrorPercent])).toEqual([
    ['mirror', 'server', 20],
    ['weight', 'client', 0],
    ['weight', 'client', 0],
  ]);
});

test('steps in the form of Flagger: a step weight and a maximum', () => {
  const weights = plan({ stepWeights: undefined, stepWeight: 20, maxWeight: 60 }).steps.map(
    ({ routing }) => routing.weight,
  );
  expect(weights).toEqual([20, 40, 60]);
});

test('no decision moves by more than one step', () => {
  for (const step of [0, 1]) {
    for (const outcome of ['advance', 'collect', 'rollback'] as const) {
      const decision = decide(situation({ step, verdict: verdict(outcome), stepElapsedMs: 1e9 }));
      expect(Math.abs((decision?.step ?? step) - step)).toBeLessThanOrEqual(1);
    }
  }
});
