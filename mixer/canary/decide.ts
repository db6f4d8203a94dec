/**
 * What a release does next. Pure: the same situation gives the same decision, whoever asks and after whatever crash. A
 * decision moves by one phase or one step at most; without a decision everything stays as it is.
 */
import type { ReleaseStep } from './release-plan.ts';
import type { Routing } from './release-status.ts';
import { describeStep } from './release-text.ts';
import { isFinal, isJudged, noCanary, type Decision, type Situation } from './situation.ts';

/** Requests of test users that must be answered, all of them well, before anyone else is sent to the canary. */
export const smokeRequests = 10;

/** `stay`: nothing changes, and no later rule is asked. */
type Ruling = Decision | 'stay' | undefined;

/** The first rule that has something to say decides: safety before wishes, wishes before progress. */
const rules: readonly ((situation: Situation) => Ruling)[] = [
  beginRevision,
  staysFinal,
  obeyAbort,
  rollBack,
  obeyRequest,
  followPausedSpec,
  timeOut,
  makeProgress,
];

export function decide(situation: Situation): Decision | undefined {
  for (const rule of rules) {
    const ruling = rule(situation);
    if (ruling !== undefined) return ruling === 'stay' ? undefined : ruling;
  }
  return undefined;
}

const onlyCanary: Routing = { weight: 100, toMatched: false, mirrorPercent: 0 };

interface Reason {
  readonly rule: string;
  readonly message: string;
  readonly metric?: string;
}

type Move = Partial<Pick<Decision, 'phase' | 'step' | 'routing' | 'pause' | 'restartsTime'>>;

function change(
  situation: Situation,
  decision: Decision['decision'],
  { rule, message, metric = '' }: Reason,
  move: Move = {},
): Decision {
  const { phase, step, routing, pause } = situation;
  return { phase, step, routing, pause, restartsTime: false, ...move, decision, rule, metric, message };
}

function beginRevision(situation: Situation): Decision | undefined {
  const { plan, revision } = situation;
  if (plan.revision === revision) return undefined;
  const message = `a new release begins: all requests go to ${plan.primary.subset}`;
  const move: Move = { phase: 'Initializing', step: -1, routing: noCanary, pause: undefined, restartsTime: true };
  return change(situation, 'initialize', { rule: 'revision', message }, move);
}

/** A decision holds until the revision changes. */
function staysFinal(situation: Situation): Ruling {
  const { phase, request } = situation;
  if (!isFinal(phase)) return undefined;
  if (request === undefined) return 'stay';
  return change(situation, 'hold', {
    rule: 'final',
    message: `${request} comes too late: the release has ${phase.toLowerCase()}`,
  });
}

function obeyAbort(situation: Situation): Decision | undefined {
  if (situation.request !== 'abort') return undefined;
  return fail(situation, { rule: 'request', message: 'aborted on request: all requests go back to the primary' });
}

function rollBack(situation: Situation): Decision | undefined {
  const { phase, verdict, gates } = situation;
  if (!isJudged(phase)) return undefined;
  if (verdict?.outcome === 'rollback') return fail(situation, verdict);
  return gates.rollback.isOpen ? fail(situation, { rule: 'check', message: gates.rollback.message }) : undefined;
}

function fail(situation: Situation, reason: Reason): Decision {
  return change(situation, 'rollback', reason, { phase: 'Failed', routing: noCanary, pause: undefined });
}

function obeyRequest(situation: Situation): Ruling {
  const { request, pause } = situation;
  if (request === 'pause') {
    const message = 'paused on request; evidence against the canary still rolls it back';
    return change(situation, 'pause', { rule: 'request', message }, { pause: 'Requested' });
  }
  if (request === 'resume') {
    const restartsTime = pause === 'Timeout';
    return change(
      situation,
      'resume',
      { rule: 'request', message: 'resumed on request' },
      { pause: undefined, restartsTime },
    );
  }
  return request === 'promote' ? obeyPromote(situation) : undefined;
}

/** Opens the gate that the release stands at; it is no way around the analysis. */
function obeyPromote(situation: Situation): Ruling {
  const { phase, pause, gates } = situation;
  const reason = { rule: 'request', message: 'promoted on request' };
  // The request is kept until there is somebody to send requests to.
  if (phase === 'Waiting' && !gates.endpoints.isOpen) return 'stay';
  if (phase === 'Waiting') return enterStep(situation, 0, { rule: 'request', message: 'let go on request' });
  if (phase === 'WaitingPromotion' || (phase === 'Progressing' && pause === 'Timeout'))
    return promote(situation, reason);
  const message = `promote opens a gate, and the release stands at none: it is ${phase}`;
  return change(situation, 'hold', { rule: 'request', message });
}

function followPausedSpec(situation: Situation): Ruling {
  const { plan, pause } = situation;
  if (plan.isPaused && pause === undefined) {
    return change(situation, 'pause', { rule: 'spec', message: 'paused by spec.paused' }, { pause: 'Spec' });
  }
  if (!plan.isPaused && pause === 'Spec') {
    return change(situation, 'resume', { rule: 'spec', message: 'spec.paused is gone' }, { pause: undefined });
  }
  return pause === undefined ? undefined : 'stay';
}

function timeOut(situation: Situation): Decision | undefined {
  const { plan, phase, elapsedMs } = situation;
  if (phase !== 'Progressing' || elapsedMs < plan.maxDurationMs) return undefined;
  const reason = {
    rule: 'timeout',
    message: `not decided within ${plan.maxDurationMs / 1000} s of progress; onTimeout is ${plan.onTimeout}`,
  };
  if (plan.onTimeout === 'rollback') return fail(situation, reason);
  if (plan.onTimeout === 'promote') return promote(situation, reason);
  return change(situation, 'pause', reason, { pause: 'Timeout' });
}

function makeProgress(situation: Situation): Decision | undefined {
  const { plan, phase, gates } = situation;
  switch (phase) {
    case 'Initializing':
      if (plan.fault !== undefined) return undefined;
      return change(
        situation,
        'initialize',
        { rule: 'subsets', message: 'both subsets are known' },
        { phase: 'Initialized' },
      );
    case 'Initialized':
      return gates.preRollout.isOpen ? leaveInitialized(situation) : undefined;
    case 'Waiting':
      return !plan.manualGates.rollout && gates.confirmRollout.isOpen && gates.endpoints.isOpen
        ? enterStep(situation, 0, { rule: 'confirm-rollout', message: gates.confirmRollout.message })
        : undefined;
    case 'Progressing':
      return leaveStep(situation);
    case 'WaitingPromotion':
      return !plan.manualGates.promotion && gates.confirmPromotion.isOpen
        ? promote(situation, { rule: 'confirm-promotion', message: gates.confirmPromotion.message })
        : undefined;
    case 'Promoting': {
      const message = `all requests go to ${plan.canary.subset}`;
      return change(situation, 'promote', { rule: 'promotion', message }, { phase: 'Finalising' });
    }
    case 'Finalising':
      return gates.postRollout.isOpen
        ? change(
            situation,
            'succeed',
            { rule: 'promotion', message: `${plan.canary.subset} is released` },
            { phase: 'Succeeded' },
          )
        : undefined;
    default:
      return undefined;
  }
}

/** Nobody is sent to a version that nobody answers for. */
function leaveInitialized(situation: Situation): Decision | undefined {
  const { plan, gates } = situation;
  if (!plan.hasRolloutGate) {
    const reason = { rule: 'start', message: 'the release starts' };
    return gates.endpoints.isOpen ? enterStep(situation, 0, reason) : undefined;
  }
  const message = 'waits to be let go before the first request';
  return change(situation, 'wait', { rule: 'gate', message }, { phase: 'Waiting' });
}

function enterStep(situation: Situation, index: number, { rule, message, metric }: Reason): Decision {
  const step = situation.plan.steps[index];
  if (step === undefined) return promote(situation, { rule, message });
  const reason = { rule, metric: metric ?? '', message: `${message}; step ${index + 1}: ${describeStep(step)}` };
  return change(situation, 'advance', reason, { phase: 'Progressing', step: index, routing: step.routing });
}

function leaveStep(situation: Situation): Decision | undefined {
  const { plan, step: index, gates, stepElapsedMs } = situation;
  const step = plan.steps[Math.min(index, plan.steps.length - 1)];
  if (step === undefined || stepElapsedMs < step.minDurationMs) return undefined;
  if (!gates.rollout.isOpen || !gates.metrics.isOpen) return undefined;
  const reason = reasonToLeave(situation, step);
  if (reason === undefined) return undefined;
  if (index + 1 < plan.steps.length) return enterStep(situation, index + 1, reason);
  if (!plan.hasPromotionGate) return promote(situation, reason);
  const message = `${reason.message}; waits to be promoted`;
  return change(situation, 'wait', { ...reason, message }, { phase: 'WaitingPromotion' });
}

function reasonToLeave({ verdict, stepCounts, plan }: Situation, step: ReleaseStep): Reason | undefined {
  if (verdict?.outcome === 'advance') return verdict;
  const needed = Math.min(smokeRequests, plan.judge.minRequests);
  if (step.kind !== 'smoke' || stepCounts.requests < needed || stepCounts.errors > 0) return undefined;
  return { rule: 'smoke', metric: 'requests', message: `${stepCounts.requests} requests of test users went well` };
}

function promote(situation: Situation, reason: Reason): Decision {
  return change(situation, 'promote', reason, { phase: 'Promoting', routing: onlyCanary, pause: undefined });
}
