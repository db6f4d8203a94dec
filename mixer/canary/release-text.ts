/** Where a release stands and what it waits for, as sentences. */
import { isFinal, type Situation } from './situation.ts';
import type { ReleaseStep } from './release-plan.ts';

export function describeStep({ kind, routing }: ReleaseStep): string {
  if (kind === 'smoke') return 'test users only';
  if (kind === 'match') return 'the matched users';
  return kind === 'mirror' ? `${routing.mirrorPercent} % mirrored` : `${routing.weight} % of the requests`;
}

/** What the release waits for, in one sentence. */
export function describeWait({ plan, phase, step, pause, request, verdict, gates }: Situation): string {
  if (pause !== undefined) return `paused (${pause})`;
  if (plan.fault !== undefined && !isFinal(phase)) return plan.fault;
  const gate = { Initialized: gates.preRollout, Waiting: gates.confirmRollout, Finalising: gates.postRollout }[
    phase as string
  ];
  const needsEndpoints = (phase === 'Initialized' && !plan.hasRolloutGate) || phase === 'Waiting';
  if (phase === 'Waiting' && plan.manualGates.rollout && request !== 'promote')
    return 'waits for "heddle canary promote" before the first request';
  if (phase === 'WaitingPromotion' && plan.manualGates.promotion) return 'waits for "heddle canary promote"';
  if (gate?.isOpen === false) return gate.message;
  if (needsEndpoints && !gates.endpoints.isOpen) return gates.endpoints.message;
  if (phase !== 'Progressing') return phase;
  const shut = [gates.rollout, gates.metrics].find(({ isOpen }) => !isOpen);
  const collected = shut?.message ?? verdict?.message ?? 'no requests yet';
  return `step ${step + 1} of ${plan.steps.length}: ${collected}`;
}
