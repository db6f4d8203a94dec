/** What a Canary asks for, with every default filled in and every name resolved. Pure. */
import { parseDurationMs } from '../../crds/duration.ts';
import type { DestinationRuleSpec } from '../../crds/destination-rule.ts';
import { resolveShortName } from '../../crds/host.ts';
import { hostOfCanary, revisionOf, type CanarySpec } from '../../crds/canary.ts';
import type { Resource } from '../../crds/resource.ts';
import type { JudgeConfig } from './judge/judge.ts';
import type { Routing } from './release-status.ts';
import type { ObservedVersion, Vantage } from './traffic-observer.ts';

export type WebhookType = NonNullable<NonNullable<CanarySpec['analysis']>['webhooks']>[number]['type'];

export interface Webhook {
  readonly name: string;
  readonly type: WebhookType;
  readonly url: string;
  readonly timeoutMs: number;
  /** Further attempts after the first. */
  readonly retries: number;
  readonly metadata: Readonly<Record<string, string>>;
  readonly secretFile: string | undefined;
}

/** A Prometheus query whose number must stay within a range. */
export interface ExtraMetric {
  readonly name: string;
  readonly address: string;
  readonly query: string;
  readonly min: number | undefined;
  readonly max: number | undefined;
  readonly intervalMs: number;
}

export interface ReleaseStep {
  /** `smoke`: test users before all others; `match`: test users and nobody else; `mirror`: copies of requests. */
  readonly kind: 'smoke' | 'mirror' | 'match' | 'weight';
  readonly routing: Routing;
  readonly minDurationMs: number;
  readonly vantage: Vantage;
}

export interface ReleaseVersion extends ObservedVersion {
  readonly subset: string;
}

export interface ReleasePlan {
  readonly name: string;
  readonly namespace: string;
  /** A new one is a new release. */
  readonly revision: string;
  /** Why the release cannot begin: the subsets have no version that could be observed. */
  readonly fault: string | undefined;
  readonly primary: ReleaseVersion;
  readonly canary: ReleaseVersion;
  readonly steps: readonly ReleaseStep[];
  readonly intervalMs: number;
  readonly maxDurationMs: number;
  readonly onTimeout: 'pause' | 'promote' | 'rollback';
  readonly isPaused: boolean;
  /** Users stay with the version that they had. */
  readonly isSticky: boolean;
  /** The weights are those of all requests to the host. */
  readonly isEverywhere: boolean;
  /** Opened by a person. */
  readonly manualGates: { readonly rollout: boolean; readonly promotion: boolean };
  /** By a person or by a webhook. */
  readonly hasRolloutGate: boolean;
  readonly hasPromotionGate: boolean;
  readonly judge: JudgeConfig;
  readonly metrics: readonly ExtraMetric[];
  readonly webhooks: readonly Webhook[];
}

type Analysis = NonNullable<CanarySpec['analysis']>;
export type CanaryResource = Resource<CanarySpec>;

const defaultWeights = [1, 5, 20, 50];
const defaultWebhookTimeoutMs = 10_000;

export function planRelease({ metadata, spec }: CanaryResource, rules: Iterable<Resource>): ReleasePlan {
  const { namespace, name } = metadata;
  const host = resolveShortName(hostOfCanary(spec), namespace);
  const analysis: Analysis = spec.analysis ?? {};
  const labels = versionLabels(rules, host);
  const version = (subset: string): ReleaseVersion => ({ host, subset, version: labels.get(subset) ?? '' });
  const { primary, canary } = spec.subsets;
  const missing = [primary, canary].find((subset) => (labels.get(subset) ?? '') === '');
  const intervalMs = ms(analysis.interval, 10_000);
  const gates = analysis.manualGate ?? [];
  const webhooks = (analysis.webhooks ?? []).map(planWebhook);
  const hasHook = (type: WebhookType): boolean => webhooks.some((hook) => hook.type === type);
  const manualGates = { rollout: gates.includes('rollout'), promotion: gates.includes('promotion') };
  return {
    name,
    namespace,
    revision: revisionOf(spec),
    fault:
      missing === undefined ? undefined : `no DestinationRule of ${host} has a subset ${missing} with a label version`,
    primary: version(primary),
    canary: version(canary),
    steps: planSteps(analysis, intervalMs),
    intervalMs,
    maxDurationMs: ms(analysis.maxDuration, 3_600_000),
    onTimeout: analysis.onTimeout ?? 'pause',
    isPaused: spec.paused ?? false,
    isSticky: spec.sticky !== undefined,
    isEverywhere: spec.gateways === undefined,
    manualGates,
    hasRolloutGate: manualGates.rollout || hasHook('confirm-rollout'),
    hasPromotionGate: manualGates.promotion || hasHook('confirm-promotion'),
    judge: {
      alpha: analysis.alpha ?? 0.01,
      maxErrorRatio: analysis.maxErrorRatio ?? 1.5,
      maxErrorRateIncrease: analysis.maxErrorRateIncrease ?? 0.01,
      maxLatencyRatio: analysis.maxLatencyRatio ?? 1.25,
      minRequests: analysis.minRequests ?? 100,
    },
    metrics: (analysis.metrics ?? []).map((metric) => planMetric(metric, intervalMs)),
    webhooks,
  };
}

function planSteps(analysis: Analysis, intervalMs: number): ReleaseStep[] {
  const { match = [], mirror = false, mirrorWeight = 100, iterations } = analysis;
  const hasUsers = match.length > 0;
  const weights = planWeights(analysis);
  const longMs = intervalMs * (iterations ?? 1);
  const routing = (weight: number, mirrorPercent = 0): Routing => ({ weight, toMatched: hasUsers, mirrorPercent });
  const steps: ReleaseStep[] = [];
  if (hasUsers && (mirror || weights.length > 0)) {
    steps.push({ kind: 'smoke', routing: routing(0), minDurationMs: intervalMs, vantage: 'client' });
  }
  if (mirror)
    steps.push({ kind: 'mirror', routing: routing(0, mirrorWeight), minDurationMs: longMs, vantage: 'server' });
  else if (hasUsers && weights.length === 0) {
    steps.push({ kind: 'match', routing: routing(0), minDurationMs: longMs, vantage: 'client' });
  }
  for (const weight of weights) {
    steps.push({ kind: 'weight', routing: routing(weight), minDurationMs: intervalMs, vantage: 'client' });
  }
  return steps;
}

/** Flagger's two forms; none with `iterations`, Flagger's sign of a test of matched users or of a mirror. */
function planWeights({
  stepWeights,
  stepWeight,
  maxWeight = 50,
  iterations,
  match = [],
  mirror = false,
}: Analysis): readonly number[] {
  if (stepWeights !== undefined) return stepWeights;
  if (stepWeight !== undefined) {
    return Array.from({ length: Math.max(1, Math.floor(maxWeight / stepWeight)) }, (_, i) =>
      Math.min(maxWeight, stepWeight * (i + 1)),
    );
  }
  return iterations !== undefined && (match.length > 0 || mirror) ? [] : defaultWeights;
}

function planWebhook(hook: NonNullable<Analysis['webhooks']>[number]): Webhook {
  const { name, type, url, timeout, retries = 0, metadata = {}, secretFile } = hook;
  return { name, type, url, timeoutMs: ms(timeout, defaultWebhookTimeoutMs), retries, metadata, secretFile };
}

function planMetric(metric: NonNullable<Analysis['metrics']>[number], intervalMs: number): ExtraMetric {
  const { name, query, provider, thresholdRange, interval } = metric;
  const { min, max } = thresholdRange ?? {};
  return { name, query, address: provider?.address ?? '', min, max, intervalMs: ms(interval, intervalMs) };
}

/** Label `version` of each subset of the host; subsets that also select by other labels cannot be observed as a version. */
function versionLabels(rules: Iterable<Resource>, host: string): Map<string, string> {
  const versions = new Map<string, string>();
  for (const { metadata, spec } of rules) {
    const rule = spec as DestinationRuleSpec;
    if (resolveShortName(rule.host ?? '', metadata.namespace) !== host) continue;
    for (const { name = '', labels = {} } of rule.subsets ?? []) {
      if (Object.keys(labels).length === 1) versions.set(name, labels['version'] ?? '');
    }
  }
  return versions;
}

function ms(text: string | undefined, defaultMs: number): number {
  return (text === undefined ? undefined : parseDurationMs(text)) ?? defaultMs;
}
