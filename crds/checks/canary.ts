/** Canary as a whole. */
import type { CanarySpec } from '../canary.ts';
import { durationFault, parseDurationMs } from '../duration.ts';
import { type Findings, show } from '../findings.ts';
import { domainFault } from '../names.ts';
import { stickyFault } from '../sticky.ts';
import type { Check } from './check.ts';
import { checkGatewayNames } from './gateway-names.ts';
import { checkHttpMatch } from './http-match.ts';

type Analysis = NonNullable<CanarySpec['analysis']>;

const minIntervalMs = 1_000;

export const checkCanary: Check<CanarySpec> = (spec, _metadata, findings) => {
  checkHost(spec, findings);
  const { primary, canary } = spec.subsets;
  for (const name of ['primary', 'canary'] as const) {
    if (spec.subsets[name] === '') findings.error(`spec.subsets.${name}`, 'must be the name of a subset, got ""');
  }
  if (primary === canary)
    findings.error('spec.subsets.canary', `must be another subset than primary, ${show(primary)}`);
  checkGatewayNames(spec.gateways ?? [], 'spec.gateways', findings);
  if (spec.gateways?.length === 0) findings.error('spec.gateways', 'must have an element: without, it is for all');
  if (spec.sticky !== undefined) findings.expect('spec.sticky', stickyFault(spec.sticky));
  if (spec.analysis !== undefined) checkAnalysis(spec.analysis, findings);
};

function checkHost({ host, targetRef }: CanarySpec, findings: Findings): void {
  if (host !== undefined && targetRef !== undefined) findings.error('spec.targetRef', 'must not stand beside host');
  if (host === undefined && targetRef === undefined) findings.error('spec.host', 'is required: or targetRef');
  if (host !== undefined) findings.expect('spec.host', domainFault(host));
  if (targetRef !== undefined) findings.expect('spec.targetRef.name', domainFault(targetRef.name));
}

function checkAnalysis(analysis: Analysis, findings: Findings): void {
  const path = 'spec.analysis';
  checkDuration(analysis.interval, `${path}.interval`, findings);
  checkDuration(analysis.maxDuration, `${path}.maxDuration`, findings);
  checkWeights(analysis, findings);
  for (const [index, match] of (analysis.match ?? []).entries()) {
    checkHttpMatch(match, `${path}.match[${index}]`, findings);
  }
  if (analysis.mirrorWeight !== undefined && analysis.mirror !== true) {
    findings.error(`${path}.mirrorWeight`, 'has no effect without mirror');
  }
  checkMetrics(analysis.metrics ?? [], findings);
  checkWebhooks(analysis.webhooks ?? [], findings);
}

function checkWeights(analysis: Analysis, findings: Findings): void {
  const path = 'spec.analysis';
  const { stepWeights, stepWeight, maxWeight, iterations, match = [], mirror = false } = analysis;
  if (stepWeights !== undefined && stepWeight !== undefined) {
    findings.error(`${path}.stepWeight`, 'must not stand beside stepWeights');
  }
  if (stepWeights?.length === 0) findings.error(`${path}.stepWeights`, 'must have an element');
  for (const [index, weight] of (stepWeights ?? []).entries()) {
    const before = stepWeights?.[index - 1];
    if (before === undefined || weight > before) continue;
    findings.error(`${path}.stepWeights[${index}]`, `must be more than the one before, ${before}, got ${weight}`);
  }
  if (maxWeight !== undefined && stepWeight === undefined) {
    findings.error(`${path}.maxWeight`, 'has no effect without stepWeight');
  }
  if (stepWeight !== undefined && maxWeight !== undefined && maxWeight < stepWeight) {
    findings.error(`${path}.maxWeight`, `must be at least stepWeight, ${stepWeight}, got ${maxWeight}`);
  }
  if (iterations === undefined) return;
  if (stepWeights !== undefined || stepWeight !== undefined) {
    findings.error(`${path}.iterations`, 'must not stand beside weights: it is for tests of matched users and mirrors');
  } else if (match.length === 0 && !mirror) {
    findings.error(`${path}.iterations`, 'has no effect without match or mirror');
  }
}

function checkMetrics(metrics: NonNullable<Analysis['metrics']>, findings: Findings): void {
  for (const [index, { name, query, provider, thresholdRange, interval }] of metrics.entries()) {
    const path = `spec.analysis.metrics[${index}]`;
    if (name === '') findings.error(`${path}.name`, 'must not be empty');
    if (query === '') findings.error(`${path}.query`, 'must not be empty');
    findings.expect(`${path}.provider.address`, urlFault(provider.address));
    const { min, max } = thresholdRange;
    if (min === undefined && max === undefined) findings.error(`${path}.thresholdRange`, 'must have min or max');
    if (min !== undefined && max !== undefined && min > max) {
      findings.error(`${path}.thresholdRange.max`, `must be at least min, ${min}, got ${max}`);
    }
    checkDuration(interval, `${path}.interval`, findings);
  }
}

function checkWebhooks(webhooks: NonNullable<Analysis['webhooks']>, findings: Findings): void {
  const names = new Set<string>();
  for (const [index, { name, url, timeout }] of webhooks.entries()) {
    const path = `spec.analysis.webhooks[${index}]`;
    if (name === '') findings.error(`${path}.name`, 'must not be empty');
    if (names.has(name)) findings.error(`${path}.name`, `repeats ${show(name)}`);
    names.add(name);
    findings.expect(`${path}.url`, urlFault(url));
    if (timeout !== undefined) findings.expect(`${path}.timeout`, durationFault(timeout));
  }
}

function checkDuration(text: string | undefined, path: string, findings: Findings): void {
  if (text === undefined) return;
  const isLong = (parseDurationMs(text) ?? 0) >= minIntervalMs;
  findings.expect(path, durationFault(text) ?? (isLong ? undefined : `must be at least 1s, got ${show(text)}`));
}

function urlFault(text: string): string | undefined {
  const protocol = URL.canParse(text) ? new URL(text).protocol : '';
  return protocol === 'http:' || protocol === 'https:' ? undefined : `must be an http or https URL, got ${show(text)}`;
}
