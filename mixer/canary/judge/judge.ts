/**
 * Is the canary worse? Pure: counts go in, evidence comes out, as often as anybody looks.
 *
 * - Roll back when the e-value against "no worse" reaches 1/alpha: over a whole release, with any number of looks and
 *   any weights, a canary that is no worse is rolled back with probability alpha at most. Errors and latencies share
 *   that alpha: their e-values are averaged.
 * - A step has enough evidence when it saw `minRequests` of the canary's, nothing is suspicious, and what was observed is
 *   within the limits. The promotion wants more: bounds that hold with 1 − alpha. Either the ratio of the error rates is at
 *   most `maxErrorRatio`, or the canary's rate is at most `maxErrorRateIncrease` above the primary's.
 * - Otherwise collect. No requests never decide anything.
 */
import { edgeMs, latencyEdges, slowRequests, sum } from './latency-edges.ts';
import { rateBounds } from './rate-bounds.ts';
import {
  alarmEValue,
  createRatioProcess,
  differenceEValue,
  observeEvents,
  ratioGrid,
  type RatioInterval,
  ratioInterval,
  type RatioProcess,
} from './ratio-process.ts';
import type { JudgeRule, LatencyEvidence, Verdict } from './verdict.ts';

export interface JudgeConfig {
  /** Chance of ever rolling back a canary that is no worse. */
  readonly alpha: number;
  readonly maxErrorRatio: number;
  /** Share of requests, 0 to 1. */
  readonly maxErrorRateIncrease: number;
  /** Of the shares of requests above each frozen quantile; up to it no latency is a reason for an alarm. */
  readonly maxLatencyRatio: number;
  /** Of the canary, in each step. */
  readonly minRequests: number;
}

/** What came since the last look. */
export interface VersionCounts {
  readonly requests: number;
  readonly errors: number;
  /** Requests that did not fail, by latency: one number per bound of `standardUpperBounds`, and one for what is above. */
  readonly buckets: readonly number[];
}

export interface Look {
  readonly primary: VersionCounts;
  readonly canary: VersionCounts;
  /** What the weights make the canary's share of requests, 0 to 1; undefined where they do not say. */
  readonly expectedShare?: number | undefined;
}

interface Counted {
  readonly requests: number;
  readonly errors: number;
}

/** JSON. */
export interface JudgeState {
  readonly config: JudgeConfig;
  readonly primary: Counted;
  readonly canary: Counted;
  /** Of the canary. */
  readonly stepRequests: number;
  readonly errors: RatioProcess;
  readonly latency: readonly { readonly edge: number; readonly slow: RatioProcess; readonly events: number }[];
  /** Whether requests are split as the weights say; of the step. */
  readonly split: RatioProcess;
}

/** Chance of ever calling a right split wrong. */
const splitAlpha = 1e-4;
/** Share of the evidence for a rollback at which a step does not advance any more. */
const suspicion = 0.1;
/** An estimate stands on a grid. */
const gridSpacing = (ratioGrid[1] ?? 1) / (ratioGrid[0] ?? 1);
/** Slow requests that an observed ratio must rest on. */
const minSlowRequests = 20;

/** `baseline`: the primary's latencies before the release, as `buckets`; without, latencies are not judged. */
export function createJudge(config: JudgeConfig, baseline: readonly number[] | undefined): JudgeState {
  return {
    config,
    primary: { requests: 0, errors: 0 },
    canary: { requests: 0, errors: 0 },
    stepRequests: 0,
    errors: createRatioProcess(1),
    latency: latencyEdges(baseline).map((edge) => ({
      edge,
      slow: createRatioProcess(config.maxLatencyRatio),
      events: 0,
    })),
    split: createRatioProcess(1),
  };
}

/** Counts that are no counts are no evidence. */
export function look(state: JudgeState, { primary, canary, expectedShare }: Look): JudgeState {
  if (!isCount(primary) || !isCount(canary)) return state;
  const requests = primary.requests + canary.requests;
  const ok = { primary: sum(primary.buckets), canary: sum(canary.buckets) };
  return {
    config: state.config,
    primary: add(state.primary, primary),
    canary: add(state.canary, canary),
    stepRequests: state.stepRequests + canary.requests,
    errors: observeEvents(state.errors, {
      canaryEvents: canary.errors,
      primaryEvents: primary.errors,
      canaryShare: canary.requests / requests,
    }),
    latency: state.latency.map(({ edge, slow, events }) => {
      const look = {
        canaryEvents: slowRequests(canary.buckets, edge),
        primaryEvents: slowRequests(primary.buckets, edge),
        canaryShare: ok.canary / (ok.canary + ok.primary),
      };
      return { edge, slow: observeEvents(slow, look), events: events + look.canaryEvents + look.primaryEvents };
    }),
    split:
      expectedShare === undefined
        ? state.split
        : observeEvents(state.split, {
            canaryEvents: canary.requests,
            primaryEvents: primary.requests,
            canaryShare: expectedShare,
          }),
  };
}

/** A new step: what speaks against the canary is kept, what the step must show begins anew. */
export function nextStep(state: JudgeState): JudgeState {
  return { ...state, stepRequests: 0, split: createRatioProcess(1) };
}

export function judge(state: JudgeState): Verdict {
  const { config, primary, canary } = state;
  const { alpha } = config;
  const errorRatio = ratioInterval(state.errors, alpha);
  const latency = state.latency.map(({ edge, slow }): LatencyEvidence => {
    return { edgeMs: edgeMs(edge), eValue: alarmEValue(slow), ...ratioInterval(slow, alpha) };
  });
  const errorEValue = alarmEValue(state.errors);
  const latencyEValue = latency.length === 0 ? errorEValue : sum(latency.map((edge) => edge.eValue)) / latency.length;
  const eValue = (errorEValue + latencyEValue) / 2;
  const upper = rateBounds({ events: canary.errors, requests: canary.requests }, alpha / 2).upper;
  const lower = rateBounds({ events: primary.errors, requests: primary.requests }, alpha / 2).lower;
  const numbers = { eValue, errorRatio, maxIncrease: upper - lower, latency };
  const metric = latencyEValue > errorEValue ? 'latency' : 'errors';
  const rule = ruleOf(state, numbers);
  const outcome = rule === 'e-value' ? 'rollback' : isEnough(rule) ? 'advance' : 'collect';
  const isCertified = rule === 'non-inferiority';
  return { ...numbers, outcome, isCertified, rule, ...explain(rule, { state, metric, ...numbers }) };
}

type Numbers = Pick<Verdict, 'eValue' | 'errorRatio' | 'maxIncrease' | 'latency'>;

/** The first that holds. */
function ruleOf(state: JudgeState, { eValue, errorRatio, maxIncrease }: Numbers): JudgeRule {
  const { alpha, maxErrorRatio, maxErrorRateIncrease, minRequests } = state.config;
  if (eValue >= 1 / alpha) return 'e-value';
  if (state.primary.requests === 0 || state.canary.requests === 0) return 'no-requests';
  if (differenceEValue(state.split) >= 1 / splitAlpha) return 'sample-ratio-mismatch';
  if (state.stepRequests < minRequests) return 'min-requests';
  if (eValue >= suspicion / alpha) return 'suspicion';
  if (!isObservedWithinLimits(state)) return 'observed-limits';
  const isCertified = errorRatio.upper <= maxErrorRatio || maxIncrease <= maxErrorRateIncrease;
  return isCertified ? 'non-inferiority' : 'step-evidence';
}

function isEnough(rule: JudgeRule): boolean {
  return rule === 'step-evidence' || rule === 'non-inferiority';
}

function isObservedWithinLimits({ config, primary, canary, latency, errors }: JudgeState): boolean {
  const increase = canary.errors / canary.requests - primary.errors / primary.requests;
  const areErrorsFew =
    increase <= config.maxErrorRateIncrease || ratioInterval(errors, 0.5).estimate <= config.maxErrorRatio;
  const slow = latency.filter(({ events }) => events >= minSlowRequests);
  return (
    areErrorsFew && slow.every((edge) => ratioInterval(edge.slow, 0.5).estimate <= config.maxLatencyRatio * gridSpacing)
  );
}

interface Explained extends Numbers {
  readonly state: JudgeState;
  readonly metric: 'errors' | 'latency';
}

function explain(rule: JudgeRule, explained: Explained): Pick<Verdict, 'metric' | 'message'> {
  const { state, metric, eValue, errorRatio, maxIncrease } = explained;
  const { config, canary, primary, stepRequests } = state;
  const counts = `${canary.errors} of ${canary.requests} requests failed, of the primary ${primary.errors} of ${primary.requests}`;
  const strength = `E = ${format(eValue)}, a rollback needs ${format(1 / config.alpha)}`;
  switch (rule) {
    case 'e-value':
      return {
        metric,
        message: metric === 'errors' ? `${counts} (${strength})` : `${slowest(explained)} (${strength})`,
      };
    case 'no-requests':
      return {
        metric: 'requests',
        message: `${canary.requests === 0 ? 'the canary' : 'the primary'} got no request yet`,
      };
    case 'sample-ratio-mismatch':
      return {
        metric: 'requests',
        message: `requests are not split as the weights say: the canary has ${format(ratioInterval(state.split, splitAlpha).estimate)} times its share`,
      };
    case 'min-requests':
      return { metric: 'requests', message: `${stepRequests} of ${config.minRequests} requests of the step` };
    case 'suspicion':
      return {
        metric,
        message: `too suspicious to go on: ${metric === 'errors' ? counts : slowest(explained)} (${strength})`,
      };
    case 'observed-limits':
      return { metric, message: `beyond the limits so far: ${metric === 'errors' ? counts : slowest(explained)}` };
    case 'step-evidence':
      return {
        metric: 'errors',
        message: `${counts}; enough for the step, a promotion needs a bound: the ratio is ${interval(errorRatio)}, the increase at most ${percent(maxIncrease)}`,
      };
    case 'non-inferiority':
      return {
        metric: 'errors',
        message: `${counts}; no worse than allowed: the ratio is ${interval(errorRatio)}, the increase at most ${percent(maxIncrease)}`,
      };
  }
}

function slowest({ latency }: Numbers): string {
  const [worst] = [...latency].sort((a, b) => b.eValue - a.eValue);
  return worst === undefined
    ? ''
    : `${format(worst.estimate)} times the share of the primary takes longer than ${worst.edgeMs} ms`;
}

function interval({ estimate, lower, upper }: RatioInterval): string {
  return `${format(estimate)} (${format(lower)} to ${format(upper)})`;
}

function percent(share: number): string {
  return `${format(100 * share)} %`;
}

function format(value: number): string {
  return Number.isFinite(value) ? String(Number(value.toPrecision(3))) : String(value);
}

function add(total: Counted, { requests, errors }: VersionCounts): Counted {
  return { requests: total.requests + requests, errors: total.errors + errors };
}

function isCount({ requests, errors, buckets }: VersionCounts): boolean {
  return [requests, errors, ...buckets].every((count) => Number.isFinite(count) && count >= 0) && errors <= requests;
}
