/** A release as a person reads it. Pure. */
import type { CanaryStatus } from '../../../crds/canary.ts';
import { planRelease, type ReleasePlan } from '../../../mixer/canary/release-plan.ts';
import { describeStep } from '../../../mixer/canary/release-text.ts';
import { isCurrent, pauseOf, statusOf, type CanaryResource } from './canary-api.ts';
import { describeRemaining, type Rates } from './remaining-time.ts';

const barWidth = 40;

/** The live view, line by line. */
export function describeLive(canary: CanaryResource, rates: Rates | undefined): string[] {
  const status = statusOf(canary);
  const plan = planRelease(canary, []);
  const { primary, canary: next } = plan;
  const weight = status.canaryWeight ?? 0;
  const last = status.decisions?.at(-1);
  return [
    `canary ${plan.namespace}/${plan.name}   ${primary.subset} → ${next.subset}   ${describePlace(canary, plan)}`,
    `  weight    ${bar(weight)}  ${primary.subset} ${100 - weight} %, ${next.subset} ${weight} %`,
    `  requests  ${describeCounts(primary.subset, status.counts?.primary, rates?.primary)}   ${describeCounts(next.subset, status.counts?.canary, rates?.canary)}`,
    `  errors    ${describeRatio(status)}, allowed ${plan.judge.maxErrorRatio}`,
    `  evidence  E ${number(status.eValue)}; rolls back at ${number(1 / plan.judge.alpha)}`,
    `  waits     ${waitMessage(status)}${describeRemaining(canary, plan, rates)}`,
    ...(last === undefined ? [] : [`  last      ${last.at.slice(11, 19)} ${last.decision}: ${last.message}`]),
  ];
}

/** One line with the same, for logs. */
export function describeLine(canary: CanaryResource): string {
  const status = statusOf(canary);
  const plan = planRelease(canary, []);
  const { requests = 0, errors = 0 } = status.counts?.canary ?? {};
  const parts = [
    describePlace(canary, plan),
    `${plan.canary.subset} ${status.canaryWeight ?? 0} %`,
    `${requests} requests, ${errors} failed`,
    `error ratio ${describeRatio(status)}`,
    `E ${number(status.eValue)}`,
    waitMessage(status),
  ];
  return parts.filter((part) => part !== '').join('; ');
}

/** Phase, step, and whether it is paused. */
export function describePlace(canary: CanaryResource, plan: ReleasePlan): string {
  const { phase = 'not begun', step = -1, ...status } = statusOf(canary);
  if (!isCurrent(canary)) return 'not begun';
  const current = plan.steps[step];
  const isOnWay = phase === 'Progressing' || phase === 'WaitingPromotion';
  const where =
    isOnWay && current !== undefined ? ` step ${step + 1} of ${plan.steps.length} (${describeStep(current)})` : '';
  const pause = pauseOf(status);
  return `${phase}${where}${pause === undefined ? '' : `, paused (${pause})`}`;
}

export function describeRatio({ errorRatio, counts }: CanaryStatus): string {
  const { estimate, lower = 0, upper = Number.POSITIVE_INFINITY } = errorRatio ?? {};
  if (estimate === undefined || (counts?.canary.requests ?? 0) === 0) return 'unknown';
  return `${number(estimate)} [${number(lower)}, ${number(upper)}]`;
}

/** Three digits. */
export function number(value: number | undefined): string {
  if (value === undefined) return '-';
  if (!Number.isFinite(value)) return '∞';
  return Number(value.toPrecision(3)).toLocaleString('en-US', { maximumFractionDigits: 3 });
}

export function waitMessage({ conditions = [] }: CanaryStatus): string {
  return conditions.find(({ type }) => type === 'Promoted')?.message ?? '';
}

function describeCounts(
  subset: string,
  counts: { readonly requests: number; readonly errors: number } | undefined,
  perSecond: number | undefined,
): string {
  const { requests = 0, errors = 0 } = counts ?? {};
  const share = requests === 0 ? '' : `, ${number((errors / requests) * 100)} % failed`;
  const rate = perSecond === undefined ? '' : ` (${number(perSecond)}/s)`;
  return `${subset} ${requests.toLocaleString('en-US')}${rate}${share}`;
}

function bar(weight: number): string {
  const filled = Math.round((weight / 100) * barWidth);
  return `${'░'.repeat(barWidth - filled)}${'█'.repeat(filled)}`;
}
