/** What came since the last look, put before the judge; and what of it a decision leaves behind. */
import type { Clock } from '../../proxy/common/clock.ts';
import { isJudged, type Decision, type Situation } from './situation.ts';
import type { VersionCounts } from './judge/counts.ts';
import { createJudge, look, nextStep } from './judge/judge.ts';
import type { ReleasePlan, ReleaseVersion } from './release-plan.ts';
import { noCounts, noEvidence, type Evidence, type Position } from './release-status.ts';
import type { ObservedVersion, TrafficObserver, Vantage } from './traffic-observer.ts';

export interface CollectorParts {
  readonly observer: TrafficObserver;
  readonly clock: Clock;
}

interface Watching {
  readonly version: ReleaseVersion;
  readonly unwatch: () => void;
  readonly last: Record<Vantage, VersionCounts>;
}

const vantages = ['client', 'server'] as const;

/** Counts of both versions since this driver began; what was counted before belongs to another's looks. */
export class EvidenceCollector {
  readonly #parts: CollectorParts;
  readonly #watching = new Map<string, Watching>();
  #lastMs: number;

  constructor(parts: CollectorParts) {
    this.#parts = parts;
    this.#lastMs = parts.clock.monotonicMs();
  }

  /** The evidence with what came since the last call. */
  collect(evidence: Evidence, plan: ReleasePlan, position: Position): Evidence {
    const nowMs = this.#parts.clock.monotonicMs();
    const passedMs = Math.max(0, nowMs - this.#lastMs);
    this.#lastMs = nowMs;
    const vantage = plan.steps[position.step]?.vantage ?? 'client';
    const primary = this.#take(plan.primary, vantage);
    const canary = this.#take(plan.canary, vantage);
    if (!isJudged(position.phase) || position.revision !== plan.revision) return evidence;
    const isRunning = position.phase === 'Progressing' && position.pause === undefined;
    const timed = isRunning ? addTime(evidence, passedMs) : evidence;
    if (primary === undefined || canary === undefined || primary.requests + canary.requests === 0) return timed;
    const state = timed.judge ?? createJudge(plan.judge, undefined);
    return {
      ...timed,
      judge: look(state, { primary, canary, ...expectedShare(timed, plan, position) }),
      step: add(timed.step, canary),
      primary: add(timed.primary, primary),
      canary: add(timed.canary, canary),
    };
  }

  close(): void {
    for (const { unwatch } of this.#watching.values()) unwatch();
    this.#watching.clear();
  }

  /** Undefined while the version is not known, and at the first sight of it. */
  #take(version: ReleaseVersion, vantage: Vantage): VersionCounts | undefined {
    if (version.version === '') return undefined;
    const watching = this.#watching.get(version.subset);
    if (watching?.version.version !== version.version || watching.version.host !== version.host) {
      return this.#begin(version, watching);
    }
    const { last } = watching;
    let taken: VersionCounts | undefined;
    for (const name of vantages) {
      const counts = this.#parts.observer.read(version, name);
      if (name === vantage) taken = subtract(counts, last[name]);
      last[name] = counts;
    }
    return taken;
  }

  #begin(version: ReleaseVersion, previous: Watching | undefined): undefined {
    const { observer } = this.#parts;
    previous?.unwatch();
    const unwatch = observer.watch(version);
    if (unwatch === undefined) return void this.#watching.delete(version.subset);
    const last = { client: observer.read(version, 'client'), server: observer.read(version, 'server') };
    this.#watching.set(version.subset, { version, unwatch, last });
  }
}

/** Requests of the weights of before come in for some seconds after a step. */
const settleMs = 5000;

/**
 * The canary's share of the requests that the weights promise. Unknown while test users are sent to it whatever the
 * weights say, where users stay with their version, where the weights are for some of the clients only, and until a new
 * weight is in force everywhere.
 */
function expectedShare(
  { stepElapsedMs }: Evidence,
  { isSticky, isEverywhere }: ReleasePlan,
  { phase, routing }: Position,
): { readonly expectedShare?: number } {
  const { weight, toMatched } = routing;
  const isPromised = weight > 0 && !toMatched && !isSticky && isEverywhere;
  const isKnown = phase === 'Progressing' && isPromised && stepElapsedMs >= settleMs;
  return isKnown ? { expectedShare: weight / 100 } : {};
}

export interface AdvanceParts {
  readonly situation: Situation;
  readonly decision: Decision;
  readonly history: (version: ObservedVersion) => readonly number[];
}

/** Fewer requests than this say too little about a 99th percentile. */
const minBaselineRequests = 500;

/** Evidence for a rollback is kept over the whole release; what a step needs begins anew with the step. */
export function advanceEvidence(evidence: Evidence, { situation, decision, history }: AdvanceParts): Evidence {
  const { plan, phase, step } = situation;
  if (decision.rule === 'revision') return noEvidence;
  const timed = decision.restartsTime ? { ...evidence, elapsedMs: 0 } : evidence;
  if (decision.phase !== 'Progressing') return timed;
  if (phase !== 'Progressing') return { ...noEvidence, judge: createJudge(plan.judge, baselineOf(plan, history)) };
  if (decision.step === step) return timed;
  const judge = timed.judge === undefined ? undefined : nextStep(timed.judge);
  return { ...timed, judge, stepElapsedMs: 0, step: noCounts };
}

function baselineOf({ primary }: ReleasePlan, history: AdvanceParts['history']): number[] | undefined {
  const buckets = history(primary);
  const total = buckets.reduce((sum, count) => sum + count, 0);
  return total >= minBaselineRequests ? [...buckets] : undefined;
}

function addTime(evidence: Evidence, passedMs: number): Evidence {
  const { elapsedMs, stepElapsedMs } = evidence;
  return { ...evidence, elapsedMs: elapsedMs + passedMs, stepElapsedMs: stepElapsedMs + passedMs };
}

function add(a: Evidence['step'], b: Evidence['step']): Evidence['step'] {
  return { requests: a.requests + b.requests, errors: a.errors + b.errors };
}

function subtract(now: VersionCounts, before: VersionCounts): VersionCounts {
  const difference = (a: number, b = 0): number => Math.max(0, a - b);
  return {
    requests: difference(now.requests, before.requests),
    errors: difference(now.errors, before.errors),
    buckets: now.buckets.map((count, i) => difference(count, before.buckets[i])),
  };
}
