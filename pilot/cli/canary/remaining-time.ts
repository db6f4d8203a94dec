/** How long a release still takes when nothing speaks against the canary: the least time, because evidence may ask for more. */
import type { ReleasePlan } from '../../../mixer/canary/release-plan.ts';
import { statusOf, type CanaryResource } from './canary-api.ts';

/** Requests per second. */
export interface Rates {
  readonly primary: number;
  readonly canary: number;
}

/** What `status.analysis` says of the step, as far as it is there. */
interface StepProgress {
  readonly stepElapsedMs?: unknown;
  readonly step?: { readonly requests?: unknown };
}

/** `, at least 2m 10s to go`; empty where nothing can be said. */
export function describeRemaining(canary: CanaryResource, plan: ReleasePlan, rates: Rates | undefined): string {
  const { phase, step = -1, analysis } = statusOf(canary);
  if (phase !== 'Progressing' || rates === undefined) return '';
  const seconds = remainingSeconds(plan, { step, progress: analysis ?? {}, rates });
  return Number.isFinite(seconds) ? `, at least ${duration(seconds)} to go` : ', no end in sight without requests';
}

interface Progress {
  readonly step: number;
  readonly progress: StepProgress;
  readonly rates: Rates;
}

/** Infinite without traffic. */
export function remainingSeconds(plan: ReleasePlan, { step, progress, rates }: Progress): number {
  const total = rates.primary + rates.canary;
  const done = amount(progress.step?.requests);
  const elapsedMs = amount(progress.stepElapsedMs);
  return plan.steps.reduce((sum, { routing, minDurationMs }, index) => {
    if (index < step) return sum;
    const isNow = index === step;
    const timeLeft = Math.max(0, minDurationMs - (isNow ? elapsedMs : 0)) / 1000;
    const needed = Math.max(0, plan.judge.minRequests - (isNow ? done : 0));
    const perSecond = isNow || routing.weight === 0 ? rates.canary : (total * routing.weight) / 100;
    return sum + Math.max(timeLeft, needed === 0 ? 0 : needed / perSecond);
  }, 0);
}

function amount(value: unknown): number {
  return typeof value === 'number' && value > 0 ? value : 0;
}

function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole}s`;
  if (whole < 3600) return `${Math.floor(whole / 60)}m ${whole % 60}s`;
  return `${Math.floor(whole / 3600)}h ${Math.floor((whole % 3600) / 60)}m`;
}
