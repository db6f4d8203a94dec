/** The users of a simulation: what comes each second, for any share of the canary, from a seed. */
import type { Look } from '../../mixer/canary/judge/counts.ts';
import { createRandom, type Random } from './random.ts';

export interface Scenario {
  /** Mean requests per second. */
  readonly rate: number;
  /** Share of the primary's requests that fail. */
  readonly errorRate: number;
  /** The canary's error rate : the primary's, by second. */
  readonly ratioAt: (second: number) => number;
  /** Amplitude, 0..1, of the day: rates and errors swell and ebb with it, not at once. */
  readonly swell: number;
  /** Seconds of a day. */
  readonly daySeconds: number;
  /** Mean errors that come together, in one second and to one version. 1: each by itself. */
  readonly clusterSize: number;
  /** How often per second an outage of some seconds begins that hits both versions alike. */
  readonly outagesPerSecond: number;
  /** The canary's latencies are this many times the primary's. */
  readonly slowdown: number;
}

export const steady: Scenario = {
  rate: 100,
  errorRate: 0.005,
  ratioAt: () => 1,
  swell: 0,
  daySeconds: 600,
  clusterSize: 1,
  outagesPerSecond: 0,
  slowdown: 1,
};

export interface Traffic {
  /** The same second and weight yield the same counts, whoever asks. `weight` is 0..1. */
  readonly look: (second: number, weight: number) => Look;
  /** The same without latencies: faster. */
  readonly errors: (second: number, weight: number) => Look;
  /** Of the primary, before the release. */
  readonly baseline: readonly number[];
}

const outageSeconds = 5;
const outageFactor = 20;

export function createTraffic(scenario: Scenario, seed: number): Traffic {
  const outages = new Set<number>();
  const luck = createRandom(seed * 7919 + 13);
  if (scenario.outagesPerSecond > 0) {
    for (let second = 0; second < 7200; second++) {
      if (luck.uniform() >= scenario.outagesPerSecond) continue;
      for (let i = 0; i < outageSeconds; i++) outages.add(second + i);
    }
  }
  const primaryShares = bucketShares(1);
  const canaryShares = bucketShares(scenario.slowdown);
  const draw = (second: number, weight: number, hasLatencies: boolean): Look => {
    const random = createRandom(Math.imul(seed, 1_000_003) ^ Math.imul(second + 1, 0x9e3779b1));
    const { rate, errorRate } = momentOf(scenario, second, outages.has(second));
    const requests = random.poisson(rate);
    const canary = random.binomial(requests, weight);
    const primary = requests - canary;
    const canaryRate = Math.min(1, errorRate * scenario.ratioAt(second));
    const canaryErrors = countErrors(random, canary, canaryRate, scenario.clusterSize);
    const primaryErrors = countErrors(random, primary, errorRate, scenario.clusterSize);
    const buckets = (fine: number, shares: readonly number[]): number[] =>
      hasLatencies ? drawBuckets(random, fine, shares) : [];
    return {
      primary: { requests: primary, errors: primaryErrors, buckets: buckets(primary - primaryErrors, primaryShares) },
      canary: { requests: canary, errors: canaryErrors, buckets: buckets(canary - canaryErrors, canaryShares) },
      expectedShare: weight,
    };
  };
  return {
    look: (second, weight) => draw(second, weight, true),
    errors: (second, weight) => draw(second, weight, false),
    baseline: drawBuckets(luck, 20_000, primaryShares),
  };
}

function momentOf(scenario: Scenario, second: number, isOutage: boolean): { rate: number; errorRate: number } {
  const phase = (2 * Math.PI * second) / scenario.daySeconds;
  return {
    rate: scenario.rate * (1 + scenario.swell * Math.sin(phase)),
    errorRate: Math.min(
      1,
      scenario.errorRate * (1 + scenario.swell * Math.sin(phase + 1)) * (isOutage ? outageFactor : 1),
    ),
  };
}

function countErrors(random: Random, requests: number, errorRate: number, clusterSize: number): number {
  if (clusterSize <= 1) return random.binomial(requests, errorRate);
  let errors = 0;
  for (let left = random.binomial(requests, errorRate / clusterSize); left > 0; left--) {
    errors += random.geometric(clusterSize);
  }
  return Math.min(requests, errors);
}

function drawBuckets(random: Random, requests: number, shares: readonly number[]): number[] {
  const buckets = shares.map(() => 0);
  let left = requests;
  let leftShare = 1;
  for (let i = shares.length - 1; i >= 0 && left > 0; i--) {
    const share = shares[i] ?? 0;
    if (share === 0) continue;
    const drawn = random.binomial(left, Math.min(1, share / leftShare));
    buckets[i] = drawn;
    left -= drawn;
    leftShare -= share;
  }
  return buckets;
}

const upperBounds = [0.5, 1, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000];
/** Bounds of the proxies' histograms beyond those. */
const emptyBuckets = 7;

/** A lognormal law, median 20 ms: two of a hundred requests take longer than 250 ms. */
function bucketShares(slowdown: number): readonly number[] {
  const below = upperBounds.map((bound) => normalBelow(Math.log(bound / (20 * slowdown)) / 1.2));
  const shares = below.map((share, i) => share - (below[i - 1] ?? 0));
  return [...shares, 1 - (below.at(-1) ?? 0), ...Array.from({ length: emptyBuckets }, () => 0)];
}

/** The normal law's distribution function: a logistic curve comes near enough for a shape. */
function normalBelow(z: number): number {
  return 1 / (1 + Math.exp(-1.702 * z));
}
