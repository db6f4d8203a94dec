/** Status of a Canary: what the driver reads when it takes a release over, and what it writes. */
import type { CanaryStatus } from '../../crds/canary.ts';
import type { Decision, PauseReason, RequestedAction, Situation } from './situation.ts';
import { isFinal, noCanary } from './situation.ts';
import { describeWait } from './release-text.ts';
import type { JudgeState } from './judge/judge.ts';
import { restoreJudge } from './judge/restore.ts';
import type { Verdict } from './judge/verdict.ts';

export type Phase = NonNullable<CanaryStatus['phase']>;
export type Routing = NonNullable<CanaryStatus['routing']>;
export type Lease = NonNullable<CanaryStatus['lease']>;
type Condition = NonNullable<CanaryStatus['conditions']>[number];
type RecordedDecision = NonNullable<CanaryStatus['decisions']>[number];

/** What a release knows beyond its position; kept in `status.analysis`. */
export interface Evidence {
  readonly judge: JudgeState | undefined;
  /** Time in progress: of the release and of its step. Time in which nobody drove is not counted. */
  readonly elapsedMs: number;
  readonly stepElapsedMs: number;
  /** In this step. */
  readonly step: { readonly requests: number; readonly errors: number };
  /** Over the whole release. */
  readonly primary: { readonly requests: number; readonly errors: number };
  readonly canary: { readonly requests: number; readonly errors: number };
}

export const noCounts = { requests: 0, errors: 0 } as const;
export const noEvidence: Evidence = {
  judge: undefined,
  elapsedMs: 0,
  stepElapsedMs: 0,
  step: noCounts,
  primary: noCounts,
  canary: noCounts,
};

/** Where a release stands. */
export interface Position {
  readonly revision: string | undefined;
  readonly phase: Phase;
  readonly step: number;
  readonly routing: Routing;
  readonly pause: PauseReason | undefined;
  readonly request: RequestedAction | undefined;
}

export function readPosition(status: CanaryStatus): Position {
  const { phase = 'Initializing', routing = noCanary, revision, step = -1, request } = status;
  const paused = status.conditions?.find(({ type }) => type === 'Paused');
  const pause = paused?.status === 'True' ? (paused.reason as PauseReason) : undefined;
  return { revision, phase, step, routing, pause, request: request?.action };
}

/** The evidence of a status; what is missing, or was not written by this program, is none. */
export function readEvidence({ analysis }: CanaryStatus): Evidence {
  const written: Partial<Record<keyof Evidence, unknown>> =
    typeof analysis === 'object' && analysis !== null ? analysis : {};
  return {
    judge: readJudge(written.judge),
    elapsedMs: readAmount(written.elapsedMs),
    stepElapsedMs: readAmount(written.stepElapsedMs),
    step: readCounts(written.step),
    primary: readCounts(written.primary),
    canary: readCounts(written.canary),
  };
}

/** A state that the judge does not know as its own is of no use: it collects anew. */
function readJudge(written: unknown): JudgeState | undefined {
  return written === undefined ? undefined : restoreJudge(written).value;
}

function readCounts(written: unknown): Evidence['step'] {
  const { requests, errors } = (written ?? {}) as { readonly requests?: unknown; readonly errors?: unknown };
  return { requests: readAmount(requests), errors: readAmount(errors) };
}

function readAmount(written: unknown): number {
  return typeof written === 'number' && written >= 0 && Number.isFinite(written) ? written : 0;
}

export interface StatusParts {
  readonly situation: Situation;
  /** What the decision was made from. */
  readonly evidence: Evidence;
  /** What the next look starts from. */
  readonly kept: Evidence;
  readonly decision: Decision | undefined;
  /** Undefined gives the lease up. */
  readonly lease: Lease | undefined;
  readonly nowMs: number;
}

const maxDecisions = 20;

/** The next status. Evidence and lease are renewed; position and history change by a decision only. */
export function nextStatus(
  previous: CanaryStatus,
  { situation, evidence, kept, decision, lease, nowMs }: StatusParts,
): CanaryStatus {
  const at = new Date(nowMs).toISOString();
  const { request, lease: _ended, stepStartedAt, startedAt, ...rest } = previous;
  const position = decision ?? situation;
  const isNewStep = decision !== undefined && (decision.step !== situation.step || decision.phase !== situation.phase);
  const begins = decision?.phase === 'Progressing' && situation.phase !== 'Progressing' && situation.step < 0;
  const isNewRevision = decision?.rule === 'revision';
  const started = begins ? at : isNewRevision ? undefined : startedAt;
  const stepStarted = isNewStep ? at : stepStartedAt;
  return {
    ...rest,
    phase: position.phase,
    revision: situation.plan.revision,
    step: position.step,
    routing: position.routing,
    canaryWeight: position.routing.weight,
    iterations: Math.floor(kept.stepElapsedMs / situation.plan.intervalMs),
    analysis: isFinal(position.phase) ? {} : kept,
    ...numbersOf(situation.verdict, evidence),
    decisions: decision === undefined ? (rest.decisions ?? []) : record(rest, { situation, evidence, decision }, at),
    conditions: conditionsOf(rest.conditions ?? [], { situation, decision, at }),
    ...(started === undefined ? {} : { startedAt: started }),
    ...(stepStarted === undefined ? {} : { stepStartedAt: stepStarted }),
    ...(lease === undefined ? {} : { lease }),
    // What was asked for is answered by the decision; a request of which no rule speaks stays.
    ...(decision === undefined && request !== undefined ? { request } : {}),
  };
}

function numbersOf(verdict: Verdict | undefined, { primary, canary }: Evidence): Partial<CanaryStatus> {
  const counts = { primary, canary };
  if (verdict === undefined) return { counts };
  const { eValue, latency } = verdict;
  return { counts, eValue, errorRatio: knownRatio(verdict), latency: [...latency] };
}

/** What is not known is left out: there is no number for it in JSON. */
function knownRatio({ errorRatio: { estimate, lower, upper } }: Verdict): NonNullable<CanaryStatus['errorRatio']> {
  return {
    ...(estimate === undefined ? {} : { estimate }),
    ...(lower === undefined ? {} : { lower }),
    ...(upper === undefined ? {} : { upper }),
  };
}

interface RecordParts {
  readonly situation: Situation;
  readonly evidence: Evidence;
  readonly decision: Decision;
}

function record({ decisions = [] }: CanaryStatus, parts: RecordParts, at: string): RecordedDecision[] {
  const { situation, evidence, decision } = parts;
  const { step, routing, rule, metric, message } = decision;
  const entry: RecordedDecision = {
    at,
    step,
    weight: routing.weight,
    decision: decision.decision,
    rule,
    ...(metric === '' ? {} : { metric }),
    message,
    counts: { primary: evidence.primary, canary: evidence.canary },
    ...evidenceOf(situation.verdict),
  };
  return [...decisions, entry].slice(-maxDecisions);
}

function evidenceOf(verdict: Verdict | undefined): Partial<RecordedDecision> {
  if (verdict === undefined) return {};
  const { estimate, lower, upper } = verdict.errorRatio;
  return {
    eValue: verdict.eValue,
    ...(estimate === undefined ? {} : { estimate }),
    ...(lower === undefined || upper === undefined ? {} : { interval: [lower, upper] }),
  };
}

interface ConditionParts {
  readonly situation: Situation;
  readonly decision: Decision | undefined;
  readonly at: string;
}

function conditionsOf(previous: readonly Condition[], { situation, decision, at }: ConditionParts): Condition[] {
  const { phase, pause } = decision ?? situation;
  const promoted = { Succeeded: 'True', Failed: 'False' }[phase as string] ?? 'Unknown';
  const message = decision?.message ?? (isFinal(phase) ? undefined : describeWait(situation));
  return [
    { type: 'Promoted', status: promoted, reason: phase, ...(message === undefined ? {} : { message }) },
    { type: 'Paused', status: pause === undefined ? 'False' : 'True', reason: pause ?? 'Running', message: '' },
  ].map((condition) => {
    const before = previous.find(({ type }) => type === condition.type);
    const isSame = before?.status === condition.status;
    return { ...before, ...condition, lastTransitionTime: isSame ? before.lastTransitionTime : at } as Condition;
  });
}
