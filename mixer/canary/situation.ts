/** What a decision is made from, and what it is. */
import type { CanaryDecision } from '../../crds/canary.ts';
import type { Verdict } from './judge/verdict.ts';
import type { ReleasePlan } from './release-plan.ts';
import type { Phase, Routing } from './release-status.ts';

/** Something outside that says yes or not yet. */
export interface Gate {
  readonly isOpen: boolean;
  readonly message: string;
}

/** Answers of webhooks and queries that were asked in this phase and step; what has not answered is not open. */
export interface Gates {
  /** Both versions have somebody to answer. */
  readonly endpoints: Gate;
  readonly preRollout: Gate;
  readonly confirmRollout: Gate;
  readonly rollout: Gate;
  readonly confirmPromotion: Gate;
  readonly postRollout: Gate;
  /** Every query gave a number within its range. */
  readonly metrics: Gate;
  /** Open: a webhook asks for the rollback, or a query was out of its range again and again. */
  readonly rollback: Gate;
}

export type PauseReason = 'Spec' | 'Requested' | 'Timeout';
export type RequestedAction = 'promote' | 'abort' | 'pause' | 'resume';

export interface Situation {
  readonly plan: ReleasePlan;
  /** Of the status; undefined when there is none yet. */
  readonly revision: string | undefined;
  readonly phase: Phase;
  /** Index of the step in force; -1 before the first. */
  readonly step: number;
  readonly routing: Routing;
  readonly pause: PauseReason | undefined;
  readonly request: RequestedAction | undefined;
  /** Undefined where nothing is judged. */
  readonly verdict: Verdict | undefined;
  /** To the canary in this step. */
  readonly stepCounts: { readonly requests: number; readonly errors: number };
  /** Time in progress, pauses left out. */
  readonly elapsedMs: number;
  readonly stepElapsedMs: number;
  readonly gates: Gates;
}

export interface Decision {
  readonly decision: CanaryDecision['decision'];
  readonly phase: Phase;
  readonly step: number;
  readonly routing: Routing;
  /** What of the design made it: a word for filters. */
  readonly rule: string;
  readonly metric: string;
  readonly message: string;
  readonly pause: PauseReason | undefined;
  /** The time for the whole release starts anew. */
  readonly restartsTime: boolean;
}

export function isFinal(phase: Phase): boolean {
  return phase === 'Succeeded' || phase === 'Failed';
}

/** Phases in which requests reach the canary and are judged. */
export function isJudged(phase: Phase): boolean {
  return phase === 'Progressing' || phase === 'WaitingPromotion';
}

export const noCanary: Routing = { weight: 0, toMatched: false, mirrorPercent: 0 };
