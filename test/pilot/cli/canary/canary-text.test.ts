import { describe, expect, test } from 'vitest';
import { revisionOf, type CanaryStatus } from '../../../../crds/canary.ts';
import { planRelease } from '../../../../mixer/canary/release-plan.ts';
import { describeLine, describeLive } from '../../../../pilot/cli/canary/canary-text.ts';
import { outcomeOf } from '../../../../pilot/cli/canary/follow.ts';
import { listCanaries } from '../../../../pilot/cli/canary/list.ts';
import { remainingSeconds } from '../../../../pilot/cli/canary/remaining-time.ts';
import { canary } from '../../../mixer/canary/canaries.ts';

const spec = { analysis: { interval: '10s', stepWeights: [5, 20, 50], minRequests: 100 } };

function release(status: CanaryStatus, more: object = {}) {
  const resource = canary({ ...spec, ...more });
  return { ...resource, status: { revision: revisionOf(resource.spec), ...status } };
}

const progressing: CanaryStatus = {
  phase: 'Progressing',
  step: 1,
  canaryWeight: 20,
  counts: { primary: { requests: 8000, errors: 8 }, canary: { requests: 2000, errors: 4 } },
  errorRatio: { estimate: 2, lower: 0.5123, upper: 7.25 },
  eValue: 1.8,
  analysis: { stepElapsedMs: 4000, step: { requests: 40 } },
  decisions: [
    {
      at: '2026-01-31T12:00:03Z',
      step: 1,
      weight: 20,
      decision: 'advance',
      rule: 'evidence',
      message: 'enough requests',
    },
  ] as NonNullable<CanaryStatus['decisions']>,
  conditions: [
    { type: 'Promoted', status: 'Unknown', reason: 'Progressing', message: 'step 2 of 3: 40 of 100 requests' },
  ] as NonNullable<CanaryStatus['conditions']>,
};

const paused = (reason: string) =>
  [{ type: 'Paused', status: 'True', reason }] as NonNullable<CanaryStatus['conditions']>;

describe('the live view', () => {
  test('shows weights, requests, the error ratio with its interval, the evidence and the time to go', () => {
    const text = describeLive(release(progressing), { primary: 80, canary: 20 }).join('\n');
    expect(text).toContain('v1 → v2   Progressing step 2 of 3 (20 % of the requests)');
    expect(text).toContain('v1 80 %, v2 20 %');
    expect(text).toContain('v1 8,000 (80/s), 0.1 % failed   v2 2,000 (20/s), 0.2 % failed');
    expect(text).toContain('2 [0.512, 7.25], allowed 1.5');
    expect(text).toContain('E 1.8; rolls back at 100');
    expect(text).toContain('step 2 of 3: 40 of 100 requests, at least 16s to go');
    expect(text).toContain('12:00:03 advance: enough requests');
  });

  test('says that nothing moves without requests', () => {
    expect(describeLive(release(progressing), { primary: 0, canary: 0 }).join('\n')).toContain('no end in sight');
  });

  test('knows nothing of a release that has not begun, whatever the last one said', () => {
    const old = {
      ...release({ phase: 'Succeeded' }, { revision: '2' }),
      status: { phase: 'Succeeded', revision: 'old' },
    };
    expect(describeLine(old)).toContain('not begun');
  });

  test('an interval without an end, which is left out, is shown as one', () => {
    expect(describeLine(release({ ...progressing, errorRatio: { estimate: 1 } }))).toContain('1 [0, ∞]');
    expect(describeLine(release({ ...progressing, errorRatio: {} }))).toContain('error ratio unknown');
  });

  test('a list is a line each', () => {
    const [head, line] = listCanaries([release(progressing)], true).split('\n');
    expect(head).toMatch(/^NAMESPACE +NAME +RELEASE +PHASE/);
    expect(line).toMatch(/^default +reviews +v1 → v2 +Progressing step 2 of 3/);
  });
});

describe('the time to go', () => {
  const plan = planRelease(canary(spec), []);

  test('is what the intervals leave, when requests come fast', () => {
    const seconds = remainingSeconds(plan, {
      step: 0,
      progress: { stepElapsedMs: 4000 },
      rates: { primary: 9500, canary: 500 },
    });
    expect(seconds).toBe(6 + 10 + 10);
  });

  test('is what the requests leave, when they come slowly', () => {
    const progress = { stepElapsedMs: 60_000, step: { requests: 50 } };
    expect(remainingSeconds(plan, { step: 0, progress, rates: { primary: 0.95, canary: 0.05 } })).toBeCloseTo(
      1000 + 500 + 200,
    );
  });
});

describe('the exit code', () => {
  const cases: readonly [
    what: string,
    status: CanaryStatus,
    spec: object,
    watch: number | undefined,
    wait: number | undefined,
  ][] = [
    ['Succeeded', { phase: 'Succeeded' }, {}, 0, 0],
    ['Failed', { phase: 'Failed' }, {}, 1, 1],
    ['Progressing', { phase: 'Progressing' }, {}, undefined, undefined],
    ['paused', { phase: 'Progressing', conditions: paused('Requested') }, {}, undefined, 4],
    ['out of time', { phase: 'Progressing', conditions: paused('Timeout') }, {}, undefined, 4],
    ['at a gate for people', { phase: 'WaitingPromotion' }, { analysis: { manualGate: ['promotion'] } }, undefined, 4],
    ['at a gate for a webhook', { phase: 'WaitingPromotion' }, {}, undefined, undefined],
    ['Failed in an earlier release', { phase: 'Failed', revision: 'old' }, {}, undefined, undefined],
    [
      'an abort that the mixer has not seen',
      { phase: 'Progressing', conditions: paused('Timeout'), request: { action: 'abort', at: '' } },
      {},
      undefined,
      undefined,
    ],
  ];
  for (const [what, status, more, watch, wait] of cases) {
    test(`${what}: ${watch ?? 'goes on'}, with --wait ${wait ?? 'goes on'}`, () => {
      const resource = release(status, more);
      expect(outcomeOf(resource, {})).toBe(watch);
      expect(outcomeOf(resource, { wait: true })).toBe(wait);
    });
  }
});
