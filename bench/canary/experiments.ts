/** What is simulated: S1 to S3 of the judge, and how fast it decides. */
import { createJudge, look, nextStep } from '../../mixer/canary/judge/judge.ts';
import { judge } from '../../mixer/canary/judge/verdict.ts';
import { Flagger, flaggerDefaults } from './flagger.ts';
import { Kayenta } from './kayenta.ts';
import { createRandom } from './random.ts';
import { defaultConfig, Heddle, type Outcome, release, type Releaser } from './releaser.ts';
import { createTraffic, type Scenario, steady, type Traffic } from './traffic.ts';

export interface Contender {
  readonly name: string;
  readonly create: (traffic: Traffic) => Releaser;
}

const steps = [0.01, 0.05, 0.2, 0.5];
const neverEnding = Number.MAX_SAFE_INTEGER;

/** Whole releases, each raising the weight in its own way. */
export const releasing: readonly Contender[] = [
  { name: 'Heddle', create: ({ baseline }) => new Heddle({ steps, intervalSeconds: 10 }, baseline) },
  { name: 'Flagger', create: () => new Flagger() },
  { name: 'Kayenta', create: () => new Kayenta(steps) },
];

/** All at 10 %, until they roll back. */
export const holding: readonly Contender[] = [
  { name: 'Heddle', create: ({ baseline }) => new Heddle({ steps: [0.1], intervalSeconds: neverEnding }, baseline) },
  { name: 'Flagger', create: () => new Flagger({ ...flaggerDefaults, stepWeight: 0.1 }) },
  { name: 'Kayenta', create: () => new Kayenta([0.1]) },
];

/** Rates of 1 to 200 requests/s, error rates of 0.01 % to 3 %, days, clusters of errors, outages: by seed. */
export function anyScenario(seed: number): Scenario {
  const { uniform } = createRandom(seed ^ 0x5ca1ab1e);
  return {
    ...steady,
    rate: 200 ** uniform(),
    errorRate: 0.0001 * 300 ** uniform(),
    swell: 0.7 * uniform(),
    daySeconds: 300 + 1500 * uniform(),
    clusterSize: uniform() < 0.5 ? 1 : 1 + 9 * uniform(),
    outagesPerSecond: uniform() < 0.5 ? 0 : 0.002,
  };
}

export interface Run {
  readonly name: string;
  readonly outcomes: readonly Outcome[];
}

/** Every contender on the same traces, seeds 1 and up. Stakes and shares of the judge were chosen on seeds from 1,000,001. */
export function runReleases(
  contenders: readonly Contender[],
  scenarioOf: (seed: number) => Scenario,
  { releases, seconds }: { readonly releases: number; readonly seconds: number },
): Run[] {
  const runs = contenders.map(({ name, create }) => ({ name, create, outcomes: [] as Outcome[] }));
  for (let seed = 1; seed <= releases; seed++) {
    const traffic = createTraffic(scenarioOf(seed), seed);
    for (const { create, outcomes } of runs) outcomes.push(release(create(traffic), traffic, seconds));
  }
  return runs.map(({ name, outcomes }) => ({ name, outcomes }));
}

const restlessWeights = [0.01, 0.3, 0.05, 0.5, 0.1];

/** S1 without an end: an hour of looks at a canary that is no worse, the weight changing every 100 s; how many fall. */
export function countEndlessRollbacks(releases: number): number {
  let rollbacks = 0;
  for (let seed = 1; seed <= releases; seed++) {
    const traffic = createTraffic(anyScenario(seed), seed);
    let state = createJudge(defaultConfig, traffic.baseline);
    for (let second = 0; second < 3600; second++) {
      if (second > 0 && second % 100 === 0) state = nextStep(state);
      state = look(state, traffic.look(second, restlessWeights[Math.floor(second / 100) % 5] ?? 0));
    }
    if (judge(state).outcome === 'rollback') rollbacks++;
  }
  return rollbacks;
}

export interface Coverage {
  readonly ratio: number;
  readonly releases: number;
  /** Releases in which the true ratio was outside the confidence sequence at any look. */
  readonly misses: number;
}

/** S3: is the true ratio inside at every look? Asked every fifth second. */
export function measureCoverage(ratio: number, releases: number): Coverage {
  let misses = 0;
  for (let seed = 1; seed <= releases; seed++) {
    const traffic = createTraffic({ ...steady, errorRate: 0.01, swell: 0.5, ratioAt: () => ratio }, seed);
    let state = createJudge(defaultConfig, undefined);
    for (let second = 0; second < 600; second++) {
      state = look(state, traffic.errors(second, restlessWeights[Math.floor(second / 100) % 5] ?? 0));
      if (second % 5 !== 0) continue;
      const { lower = 0, upper = Infinity } = judge(state).errorRatio;
      if (lower <= ratio && ratio <= upper) continue;
      misses++;
      break;
    }
  }
  return { ratio, releases, misses };
}

/** Looks taken and judged per second of CPU, over releases that are all under way. */
export function measureDecisions(releases: number, rounds: number): number {
  const traffic = createTraffic(steady, 1);
  const looks = Array.from({ length: rounds }, (_, second) => traffic.look(second, 0.1));
  let states = Array.from({ length: releases }, () => createJudge(defaultConfig, traffic.baseline));
  const before = process.cpuUsage();
  let rollbacks = 0;
  for (const came of looks) {
    states = states.map((state) => look(state, came));
    for (const state of states) if (judge(state).outcome === 'rollback') rollbacks++;
  }
  const { user, system } = process.cpuUsage(before);
  return rollbacks > 0 ? NaN : (releases * rounds * 1e6) / (user + system);
}
