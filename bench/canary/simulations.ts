/** The simulations: the same traces before the mixer's judge, Flagger's loop and Kayenta's. */
import { Flagger } from './flagger.ts';
import { Kayenta } from './kayenta.ts';
import { Heddle, type Outcome, type Plan, release, type Releaser } from './releaser.ts';
import { createTraffic, type Scenario, steady, type Traffic } from './traffic.ts';

export interface Simulation {
  readonly name: string;
  readonly scenario: Scenario;
  readonly plan: Plan;
  readonly seconds: number;
}

export interface Tally {
  readonly who: string;
  readonly rollouts: number;
  readonly rollbacks: number;
  readonly promotions: number;
  /** Medians over the rollouts that ended so; undefined when none did. */
  readonly secondsToRollback: number | undefined;
  /** The canary's failed responses, on average. */
  readonly badResponses: number;
}

const steps = [0.01, 0.05, 0.2, 0.5];

/** S1: nothing is worse; days swell, errors come in clusters, outages hit both. */
export const noDifference: Simulation = {
  name: 'S1: no difference',
  scenario: { ...steady, rate: 20, swell: 0.6, clusterSize: 3, outagesPerSecond: 0.002 },
  plan: { steps, intervalSeconds: 60 },
  seconds: 900,
};

/** S2: ten times the errors, a tenth of the requests. */
export const tenfoldErrors: Simulation = {
  name: 'S2: 0.5 % → 5 % errors, 100 rps, 10 %',
  scenario: { ...steady, ratioAt: () => 10 },
  plan: { steps: [0.1], intervalSeconds: 600 },
  seconds: 900,
};

/** S3: worse than a promotion may be. */
export const twiceTheErrors: Simulation = {
  name: 'S3: 2 % → 4 % errors, a promotion allows 1.5 ×',
  scenario: { ...steady, errorRate: 0.02, ratioAt: () => 2 },
  plan: { steps, intervalSeconds: 60 },
  seconds: 1800,
};

/** And one that is good: it has to come through. */
export const goodCanary: Simulation = {
  name: 'a good canary, 100 rps',
  scenario: steady,
  plan: { steps, intervalSeconds: 60 },
  seconds: 1800,
};

export const allSimulations: readonly Simulation[] = [noDifference, tenfoldErrors, twiceTheErrors, goodCanary];

interface Contender {
  readonly who: string;
  readonly create: (plan: Plan, traffic: Traffic) => Releaser;
}

export const heddle: Contender = { who: 'heddle', create: (plan, { baseline }) => new Heddle(plan, baseline) };
/** Where the others begin with the canary's share of the scenario, they are compared at the same weight. */
export const contenders: readonly Contender[] = [
  heddle,
  { who: 'Flagger’s loop', create: () => new Flagger() },
  { who: 'Kayenta’s judge', create: (plan) => new Kayenta(plan.steps) },
];

export function simulate(
  { scenario, plan, seconds }: Simulation,
  { who, create }: Contender,
  { rollouts, firstSeed = 1 }: { readonly rollouts: number; readonly firstSeed?: number },
): Tally {
  const outcomes: Outcome[] = [];
  for (let i = 0; i < rollouts; i++) {
    const traffic = createTraffic(scenario, firstSeed + i);
    outcomes.push(release(create(plan, traffic), traffic, seconds));
  }
  const rolledBack = outcomes.filter(({ end }) => end === 'rollback');
  const times = rolledBack.map((outcome) => outcome.seconds).sort((a, b) => a - b);
  return {
    who,
    rollouts,
    rollbacks: rolledBack.length,
    promotions: outcomes.filter(({ end }) => end === 'promote').length,
    secondsToRollback: times[Math.floor(times.length / 2)],
    badResponses: outcomes.reduce((sum, outcome) => sum + outcome.badResponses, 0) / rollouts,
  };
}

/** The upper end of Wilson's 95 % interval of a share. */
export function upperShare(count: number, total: number): number {
  const z = 1.96;
  const share = count / total;
  const spread = z * Math.sqrt((share * (1 - share)) / total + (z * z) / (4 * total * total));
  return (share + (z * z) / (2 * total) + spread) / (1 + (z * z) / total);
}
