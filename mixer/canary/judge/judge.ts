/**
 * The judge of a release: counts in, evidence out. Pure: no clock and no I/O; the state is a small immutable JSON value
 * that survives any restart byte for byte.
 *
 * ONE alpha for the whole release. The evidence for a rollback is one wealth E, of which 95 % bet on errors and 5 % on
 * latency, in equal parts over the edges (all on errors where there is no baseline): errors are few, slow requests many. A
 * weighted mean of e-values is an e-value: a canary that is no worse in any of them ever sees E >= 1/alpha with probability
 * <= alpha, over all looks, steps and weights. A single metric decides when its own E reaches 1/alpha divided by its part.
 */
import { addTotals, type BothTotals, isSound, type Look, noTotals } from './counts.ts';
import { addErrorBets, type ErrorBets, logErrorEValue, startErrorBets, startErrorStep } from './error-bets.ts';
import { gather, type Gathering, startGathering } from './gathering.ts';
import { addIncreaseEvidence, type IncreaseEvidence, startIncreaseEvidence } from './error-increase.ts';
import { addRatioEvidence, type RatioEvidence, startRatioEvidence } from './error-ratio.ts';
import {
  addLatencyCertainty,
  addLatencyEvidence,
  freezeEdges,
  type LatencyEdge,
  logLatencyEValue,
  startLatencyStep,
} from './latency.ts';
import { logSumExp } from './logarithms.ts';
import { addSampleRatio, isMismatch, type SampleRatio, startSampleRatio } from './sample-ratio.ts';
import { nameOfQuantile } from './verdict-text.ts';

/** `spec.analysis` of a Canary, with its defaults filled in. */
export interface JudgeConfig {
  /** 0 < alpha < 1: how likely a canary that is no worse may ever be rolled back. Default 0.01. */
  readonly alpha: number;
  /** >= 1. A promotion certifies that the canary's error rate is at most this times the primary's … Default 1.5. */
  readonly maxErrorRatio: number;
  /** … or at most this much higher, 0..1: what certifies where nobody errs. Default 0.01. */
  readonly maxErrorRateIncrease: number;
  /** >= 1. Share of requests above an edge of latency, canary : primary, that is still no worse. Default 1.25. */
  readonly maxLatencyRatio: number;
  /** Canary requests that each step needs. Default 100. */
  readonly minRequests: number;
}

/** Evidence for a rollback at its height: it is not forgotten. */
export interface Peak {
  readonly logE: number;
  /** What it was mostly about: `errors` or `latency p95`. */
  readonly metric: string;
}

export interface JudgeState {
  readonly format: typeof stateFormat;
  readonly config: JudgeConfig;
  /** Looks taken, and looks with impossible counts, which are left out. */
  readonly looks: number;
  readonly refusedLooks: number;
  /** Of the whole release, and since the last `nextStep`. */
  readonly counts: BothTotals;
  readonly stepCounts: BothTotals;
  readonly stepLooks: number;
  /** Looks that are weighed as one, once there are enough of them. */
  readonly gathering: Gathering;
  readonly errorBets: ErrorBets;
  readonly latency: readonly LatencyEdge[];
  readonly ratio: RatioEvidence;
  readonly increase: IncreaseEvidence;
  readonly sampleRatio: SampleRatio;
  readonly peak: Peak;
}

/** Changes when a state of before can no longer be read. */
export const stateFormat = 2;

const errorsPart = 0.95;

/**
 * `baseline` is the primary's latencies before the canary had requests: counts per bucket like `VersionCounts.buckets`.
 * Without one, latency is not judged.
 */
export function createJudge(config: JudgeConfig, baseline: readonly number[] | undefined): JudgeState {
  return {
    format: stateFormat,
    config,
    looks: 0,
    refusedLooks: 0,
    counts: noTotals,
    stepCounts: noTotals,
    stepLooks: 0,
    gathering: startGathering(0, noTotals.primary, noTotals.canary),
    errorBets: startErrorBets(),
    latency: freezeEdges(baseline ?? []),
    ratio: startRatioEvidence(config.maxErrorRatio),
    increase: startIncreaseEvidence(),
    sampleRatio: startSampleRatio(),
    peak: { logE: 0, metric: 'errors' },
  };
}

/**
 * Takes in what came since the last look. Impossible counts (NaN, negative, more errors than requests) are left out as a
 * whole, and counted. Looks are gathered where traffic is thin; where even then only one version had requests there is
 * nothing to compare. While the split is wrong, what comes may be evidence against the canary, but none for it: the versions
 * then serve different users, and a fault is one for whoever meets it.
 */
export function look(state: JudgeState, came: Look): JudgeState {
  if (!isSound(came)) return { ...state, refusedLooks: state.refusedLooks + 1 };
  const counted = {
    ...state,
    looks: state.looks + 1,
    counts: addTotals(state.counts, came),
    stepCounts: addTotals(state.stepCounts, came),
    stepLooks: state.stepLooks + 1,
    sampleRatio: addSampleRatio(state.sampleRatio, came),
    gathering: gather(state.gathering, came),
  };
  const { gathering, stepLooks, stepCounts } = counted;
  if (gathering.looks < gathering.wanted) return counted;
  const next = { ...counted, gathering: startGathering(stepLooks, stepCounts.primary, stepCounts.canary) };
  return weigh(next, gathering);
}

function weigh(state: JudgeState, gathered: Look): JudgeState {
  if (gathered.primary.requests === 0 || gathered.canary.requests === 0) return state;
  const suspected = addSuspicion(state, gathered);
  return isMismatch(state.sampleRatio) ? suspected : addCertainty(suspected, gathered);
}

/** Against the canary. */
function addSuspicion(state: JudgeState, came: Look): JudgeState {
  const suspected = {
    ...state,
    errorBets: addErrorBets(state.errorBets, came, logGoalOfErrors(state)),
    latency: state.latency.map((edge) => addLatencyEvidence(edge, state.config.maxLatencyRatio, came)),
  };
  const logE = logEvidence(suspected);
  return logE > state.peak.logE ? { ...suspected, peak: { logE, metric: mainMetric(suspected) } } : suspected;
}

/** About both, and for the canary. */
function addCertainty(state: JudgeState, came: Look): JudgeState {
  return {
    ...state,
    ratio: addRatioEvidence(state.ratio, state.config.maxErrorRatio, came),
    increase: addIncreaseEvidence(state.increase, came),
    latency: state.latency.map((edge) => addLatencyCertainty(edge, state.config.maxLatencyRatio, came)),
  };
}

/** Evidence of errors that decides by itself, a rounding beyond it. */
function logGoalOfErrors({ config, latency }: JudgeState): number {
  return -Math.log(config.alpha * (latency.length > 0 ? errorsPart : 1)) + 1e-9;
}

/** A new step: what a step needs is counted anew, the evidence stays. New weights may bring new faults: new bets begin. */
export function nextStep(state: JudgeState): JudgeState {
  return {
    ...state,
    stepCounts: noTotals,
    stepLooks: 0,
    gathering: startGathering(0, noTotals.primary, noTotals.canary),
    errorBets: startErrorStep(state.errorBets),
    latency: state.latency.map(startLatencyStep),
  };
}

/** ln E of the whole release. */
export function logEvidence(state: JudgeState): number {
  return logSumExp(weightedEvidence(state).map(({ logE }) => logE));
}

function mainMetric(state: JudgeState): string {
  return weightedEvidence(state).reduce((a, b) => (b.logE > a.logE ? b : a)).metric;
}

/** Per metric ln of its part of E. */
function weightedEvidence({ errorBets, latency }: JudgeState): readonly Peak[] {
  const part = Math.log((1 - errorsPart) / Math.max(1, latency.length));
  const errors = logErrorEValue(errorBets) + (latency.length > 0 ? Math.log(errorsPart) : 0);
  return [
    { metric: 'errors', logE: errors },
    ...latency.map((edge) => ({ metric: latencyMetric(edge), logE: part + logLatencyEValue(edge) })),
  ];
}

export function latencyMetric({ quantile }: { readonly quantile: number }): string {
  return `latency ${nameOfQuantile(quantile)}`;
}
