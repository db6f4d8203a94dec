/** A release as the three ways to decide it see one: weights, looks, an end. */
import type { Look } from '../../mixer/canary/judge/counts.ts';
import {
  createJudge,
  type JudgeConfig,
  type JudgeState,
  look as take,
  nextStep,
} from '../../mixer/canary/judge/judge.ts';
import { judge } from '../../mixer/canary/judge/verdict.ts';
import type { Traffic } from './traffic.ts';

export type End = 'rollback' | 'promote';

export interface Releaser {
  /** The canary's share of requests in force, 0..1. */
  readonly weight: number;
  /** Takes one second. */
  look(came: Look): End | undefined;
}

export interface Plan {
  /** The canary's shares, step by step. */
  readonly steps: readonly number[];
  /** Least length of a step. */
  readonly intervalSeconds: number;
}

export const defaultConfig: JudgeConfig = {
  alpha: 0.01,
  maxErrorRatio: 1.5,
  maxErrorRateIncrease: 0.01,
  maxLatencyRatio: 1.25,
  minRequests: 100,
};

/** The mixer's judge, asked each second. */
export class Heddle implements Releaser {
  readonly #plan: Plan;
  #state: JudgeState;
  #step = 0;
  #stepSeconds = 0;

  constructor(plan: Plan, baseline: readonly number[], config: JudgeConfig = defaultConfig) {
    this.#plan = plan;
    this.#state = createJudge(config, baseline);
  }

  get weight(): number {
    return this.#plan.steps[this.#step] ?? 0;
  }

  get state(): JudgeState {
    return this.#state;
  }

  look(came: Look): End | undefined {
    this.#state = take(this.#state, came);
    this.#stepSeconds++;
    const { peak, config, stepCounts } = this.#state;
    // Saves time only: before that the judge collects, or rolls back.
    const isEarly = this.#stepSeconds < this.#plan.intervalSeconds || stepCounts.canary.requests < config.minRequests;
    if (isEarly && peak.logE < Math.log(1 / config.alpha)) return undefined;
    const isLast = this.#step === this.#plan.steps.length - 1;
    const { outcome } = judge(this.#state, isLast ? 'promotion' : 'step');
    if (outcome === 'rollback') return 'rollback';
    if (outcome === 'collect') return undefined;
    if (isLast) return 'promote';
    this.#state = nextStep(this.#state);
    this.#step++;
    this.#stepSeconds = 0;
    return undefined;
  }
}

export interface Outcome {
  readonly end: End | undefined;
  readonly seconds: number;
  /** The canary's failed responses until the end. */
  readonly badResponses: number;
}

/** Runs until the releaser decides or `seconds` are over. The counts are the same for those who want no latencies. */
export function release(releaser: Releaser, traffic: Traffic, seconds: number): Outcome {
  let badResponses = 0;
  const look = releaser instanceof Heddle ? traffic.look : traffic.errors;
  for (let second = 0; second < seconds; second++) {
    const came = look(second, releaser.weight);
    badResponses += came.canary.errors;
    const end = releaser.look(came);
    if (end !== undefined) return { end, seconds: second + 1, badResponses };
  }
  return { end: undefined, seconds, badResponses };
}
