/**
 * What the evidence allows, and why, in one sentence. In this order:
 *
 * 1. roll back, for good, once E has been >= 1/alpha, whatever the split is;
 * 2. collect while the split is not what the weights say (sample ratio mismatch);
 * 3. collect while a version has had no requests in this step, or the canary fewer than `minRequests`: no data never decides;
 *    nor does half of a look, where several are gathered because traffic is thin;
 * 4. collect while E >= 1/sqrt(alpha): nothing grows while it is under suspicion;
 * 5. collect while the canary's errors in this step are more than both allowances (`maxErrorRatio`,
 *    `maxErrorRateIncrease`) let it have;
 * 6. the next step is taken then; a promotion also needs a certificate with confidence 1 - alpha, valid at every look: the
 *    upper end of the error ratio is <= maxErrorRatio, or that of the increase of the error rate <= maxErrorRateIncrease
 *    (each with alpha/2). Without errors the second comes after about ln(4/alpha)/maxErrorRateIncrease canary requests.
 *
 * A promotion does not wait for a certificate of latency; it says at which edges there is one (latency-certificate.ts).
 */
import type { BothTotals } from './counts.ts';
import { logEAgainstIncrease, upperIncrease } from './error-increase.ts';
import { estimateIncrease, estimateRatio, logEAgainstRatio, type RatioEstimate } from './error-ratio.ts';
import { isLatencyCertified, type LatencyEdge, logLatencyEValue } from './latency.ts';
import type { AboveEdge } from './latency-certificate.ts';
import { finiteExp } from './logarithms.ts';
import { type JudgeState, latencyMetric, logEvidence } from './judge.ts';
import { isMismatch } from './sample-ratio.ts';
import {
  count,
  describeErrors,
  describeLatency,
  describeLatencyCertificates,
  describeSplit,
  describeTotals,
  errorRate,
  orUnknown,
  percent,
  short,
} from './verdict-text.ts';

export type Rule =
  | 'evidence-against-canary'
  | 'sample-ratio-mismatch'
  | 'no-traffic'
  | 'min-requests'
  | 'look-under-way'
  | 'suspicion'
  | 'errors-of-step'
  | 'not-certified'
  | 'step-evidence'
  | 'certified-ratio'
  | 'certified-increase';

export interface LatencyEstimate {
  readonly quantile: number;
  readonly edgeMs: number;
  /** Shares of requests above the edge: of the primary before the release, and of both since. */
  readonly baselineShare: number;
  readonly primaryShare: number | undefined;
  readonly canaryShare: number | undefined;
  readonly ratio: number | undefined;
  readonly eValue: number;
  /** No slower, as `maxLatencyRatio` says: all edges that are certified together with confidence 1 - alpha. */
  readonly isCertified: boolean;
}

export interface Verdict {
  readonly outcome: 'rollback' | 'advance' | 'collect';
  readonly rule: Rule;
  /** `errors`, `latency p95`, `requests`. */
  readonly metric: string;
  /** One sentence with the numbers. */
  readonly message: string;
  /** E now, and the one at which the canary is rolled back. */
  readonly eValue: number;
  readonly threshold: number;
  /** 1 / the greatest E so far: an anytime-valid p-value of "no worse". */
  readonly pValue: number;
  /** With its confidence sequence of level 1 - alpha; undefined where nothing is known. */
  readonly errorRatio: RatioEstimate;
  /** Canary's error rate - primary's; `upper` with confidence 1 - alpha/2. */
  readonly errorRateIncrease: { readonly estimate: number | undefined; readonly upper: number | undefined };
  readonly isCertified: boolean;
  /** 0..1: how far the evidence for a certificate has come, on the scale of logarithms, which grows evenly. */
  readonly certificateProgress: number;
  readonly latency: readonly LatencyEstimate[];
  readonly counts: BothTotals;
  readonly stepCounts: BothTotals;
  readonly refusedLooks: number;
}

/** What the canary would be let through to: 'step' is more traffic, 'promotion' all of it. */
export type NextMove = 'step' | 'promotion';

type Reason = Pick<Verdict, 'outcome' | 'rule' | 'metric' | 'message'>;
type Numbers = Omit<Verdict, keyof Reason>;

export function judge(state: JudgeState, next: NextMove = 'promotion'): Verdict {
  const numbers = measure(state);
  return { ...decide(state, numbers, next), ...numbers };
}

function measure(state: JudgeState): Numbers {
  const { alpha, maxErrorRatio, maxErrorRateIncrease } = state.config;
  const errorRatio = estimateRatio(state.ratio, maxErrorRatio, alpha);
  const certificate = Math.log(2 / alpha);
  const increaseLogE = logEAgainstIncrease(state.increase, maxErrorRateIncrease);
  const isCertified = isRatioCertified(errorRatio, maxErrorRatio) || increaseLogE >= certificate;
  const logE = Math.max(increaseLogE, logEAgainstRatio(state.ratio, maxErrorRatio));
  return {
    eValue: finiteExp(logEvidence(state)),
    threshold: 1 / alpha,
    pValue: Math.exp(-state.peak.logE),
    errorRatio,
    errorRateIncrease: { estimate: estimateIncrease(state.ratio), upper: upperIncrease(state.increase, alpha) },
    isCertified,
    certificateProgress: isCertified ? 1 : clamp(logE / certificate),
    latency: state.latency.map((edge) => estimateLatency(edge, isLatencyCertified(edge, state.latency.length, alpha))),
    counts: state.counts,
    stepCounts: state.stepCounts,
    refusedLooks: state.refusedLooks,
  };
}

function decide(state: JudgeState, numbers: Numbers, next: NextMove): Reason {
  const { alpha } = state.config;
  if (state.peak.logE >= Math.log(1 / alpha)) return rollBack(state, numbers);
  if (isMismatch(state.sampleRatio)) return mismatch(state);
  const lack = findLack(state, numbers);
  if (lack !== undefined) return lack;
  return next === 'step' ? step(state, numbers) : promote(state, numbers);
}

function rollBack({ peak, sampleRatio }: JudgeState, numbers: Numbers): Reason {
  const { logE, metric } = peak;
  const evidence = `E reached ${short(finiteExp(logE))} >= 1/alpha = ${short(numbers.threshold)}`;
  const slow = numbers.latency.find((edge) => metric === latencyMetric(edge));
  const what = slow === undefined ? describeErrors(numbers) : describeLatency(slow);
  return {
    outcome: 'rollback',
    rule: 'evidence-against-canary',
    metric,
    message: `roll back for ${metric}: ${evidence}; ${what}${isMismatch(sampleRatio) ? `; ${describeSplit(sampleRatio)}` : ''}`,
  };
}

function mismatch({ sampleRatio }: JudgeState): Reason {
  return collect('sample-ratio-mismatch', 'requests', `no decision, ${describeSplit(sampleRatio)}`);
}

function findLack({ config, stepCounts, gathering }: JudgeState, numbers: Numbers): Reason | undefined {
  const { primary, canary } = stepCounts;
  if (canary.requests === 0 || primary.requests === 0) {
    const silent = canary.requests > 0 ? 'the primary' : primary.requests > 0 ? 'the canary' : 'either version';
    return collect('no-traffic', 'requests', `no decision: no requests to ${silent} in this step`);
  }
  if (canary.requests < config.minRequests) {
    const message = `collecting: ${count(canary.requests)} of the ${count(config.minRequests)} canary requests that a step needs`;
    return collect('min-requests', 'requests', message);
  }
  if (gathering.looks > 0) {
    const message = `collecting: traffic is thin, ${gathering.looks} of ${gathering.wanted} looks that count as one`;
    return collect('look-under-way', 'requests', message);
  }
  const suspicion = 1 / Math.sqrt(config.alpha);
  if (numbers.eValue >= suspicion) {
    const e = `E = ${short(numbers.eValue)} >= 1/sqrt(alpha) = ${short(suspicion)}`;
    const message = `collecting under suspicion: ${e}, rollback at ${short(numbers.threshold)}; ${describeErrors(numbers)}`;
    return collect('suspicion', suspectOf(numbers), message);
  }
  const limit = Math.max(config.maxErrorRatio * errorRate(primary), errorRate(primary) + config.maxErrorRateIncrease);
  if (errorRate(canary) > limit) {
    const message = `collecting: ${describeTotals('canary', canary)} in this step, more than the ${percent(limit)} that ${describeTotals('primary', primary)} allow`;
    return collect('errors-of-step', 'errors', message);
  }
  return undefined;
}

function step({ config }: JudgeState, numbers: Numbers): Reason {
  const { canary } = numbers.stepCounts;
  const enough = `${count(canary.requests)} >= ${count(config.minRequests)} canary requests in this step`;
  const calm = `E = ${short(numbers.eValue)} < 1/sqrt(alpha) = ${short(1 / Math.sqrt(config.alpha))}`;
  const message = `next step: ${enough}, ${calm}; ${describeErrors(numbers)}`;
  return { outcome: 'advance', rule: 'step-evidence', metric: 'errors', message };
}

function promote({ config }: JudgeState, numbers: Numbers): Reason {
  const { errorRatio, errorRateIncrease, isCertified } = numbers;
  const confidence = `with confidence ${percent(1 - config.alpha)}`;
  const ratio = `error ratio <= ${orUnknown(errorRatio.upper)} (allowed ${config.maxErrorRatio})`;
  const upper = errorRateIncrease.upper;
  const increase = `error rate up by <= ${upper === undefined ? 'unknown' : percent(upper)} (allowed ${percent(config.maxErrorRateIncrease)})`;
  if (!isCertified) {
    const message = `collecting: not yet certified, ${ratio}, ${increase} ${confidence}; ${describeErrors(numbers)}`;
    return collect('not-certified', 'errors', message);
  }
  const byRatio = isRatioCertified(errorRatio, config.maxErrorRatio);
  const latencyPart = describeLatencyCertificates(numbers.latency, config.maxLatencyRatio);
  return {
    outcome: 'advance',
    rule: byRatio ? 'certified-ratio' : 'certified-increase',
    metric: 'errors',
    message: `no worse, certified ${confidence}: ${byRatio ? ratio : increase}; ${latencyPart}; ${describeErrors(numbers)}`,
  };
}

function collect(rule: Rule, metric: string, message: string): Reason {
  return { outcome: 'collect', rule, metric, message };
}

function suspectOf({ latency, errorRatio }: Numbers): string {
  const slowest = latency.toSorted((a, b) => b.eValue - a.eValue)[0];
  return slowest !== undefined && (errorRatio.estimate ?? 1) <= 1 ? latencyMetric(slowest) : 'errors';
}

/** The point itself is on the grid, but e^ln of it may be a rounding away. */
function isRatioCertified({ upper }: RatioEstimate, maxErrorRatio: number): boolean {
  return upper !== undefined && upper <= maxErrorRatio * (1 + 1e-9);
}

function estimateLatency(edge: LatencyEdge, isCertified: boolean): LatencyEstimate {
  const { quantile, edgeMs, baselineShare, primary, canary } = edge;
  const primaryShare = shareAbove(primary);
  const canaryShare = shareAbove(canary);
  const ratio = primaryShare && canaryShare !== undefined ? canaryShare / primaryShare : undefined;
  const eValue = finiteExp(logLatencyEValue(edge));
  return { quantile, edgeMs, baselineShare, primaryShare, canaryShare, ratio, eValue, isCertified };
}

function shareAbove({ requests, above }: AboveEdge): number | undefined {
  return requests > 0 ? above / requests : undefined;
}

function clamp(share: number): number {
  return Math.min(1, Math.max(0, share));
}
