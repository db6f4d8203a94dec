/**
 * Latency-aware balancing: the annotation of a DestinationRule that asks for a policy which Istio's API has no word for.
 * `peak-ewma` · `peak-ewma;decay=10s`, the time in which what was measured loses its weight.
 */
import type { DestinationRuleSpec } from './destination-rule.ts';
import { durationFault, parseDurationMs } from './duration.ts';
import { childPath, type Findings, show } from './findings.ts';
import type { LoadBalancerSettings, TrafficPolicy } from './traffic-policy.ts';

export const loadBalancerAnnotation = 'heddle.dev/load-balancer';

export interface PeakEwmaSettings {
  /** Undefined: Envoy's default, 10 s. */
  readonly decayMs: number | undefined;
}

/** Undefined when `text` is none of the forms. */
export function parseLoadBalancer(text: string): PeakEwmaSettings | undefined {
  const [, isPeakEwma, decay] = /^(peak-ewma)(?:;decay=(.*))?$/.exec(text) ?? [];
  if (isPeakEwma === undefined) return undefined;
  if (decay === undefined) return { decayMs: undefined };
  return durationFault(decay) === undefined ? { decayMs: parseDurationMs(decay) } : undefined;
}

/** `text`: the annotation's value. What the rule says about balancing itself must leave room for it. */
export function checkLoadBalancerAnnotation(text: string, spec: DestinationRuleSpec, findings: Findings): void {
  if (parseLoadBalancer(text) === undefined) {
    const message = `must be peak-ewma or peak-ewma;decay=DURATION, at least 1ms, got ${show(text)}`;
    findings.error(childPath('metadata.annotations', loadBalancerAnnotation), message);
    return;
  }
  const { trafficPolicy, subsets = [] } = spec;
  checkPolicy(trafficPolicy, 'spec.trafficPolicy', findings);
  for (const [i, subset] of subsets.entries()) {
    checkPolicy(subset.trafficPolicy, `spec.subsets[${i}].trafficPolicy`, findings);
  }
}

function checkPolicy(policy: TrafficPolicy | undefined, path: string, findings: Findings): void {
  const { loadBalancer, portLevelSettings = [] } = policy ?? {};
  checkSettings(loadBalancer, `${path}.loadBalancer`, findings);
  for (const [i, port] of portLevelSettings.entries()) {
    checkSettings(port.loadBalancer, `${path}.portLevelSettings[${i}].loadBalancer`, findings);
  }
}

function checkSettings(settings: LoadBalancerSettings | undefined, path: string, findings: Findings): void {
  if (settings === undefined) return;
  const { simple, consistentHash, warmup, warmupDurationSecs, localityLbSetting, zoneAwareLbSetting } = settings;
  const given = {
    simple: simple === 'UNSPECIFIED' ? undefined : simple,
    consistentHash,
    warmup,
    warmupDurationSecs,
    zoneAwareLbSetting,
    'localityLbSetting.distribute': localityLbSetting?.distribute?.length ? localityLbSetting.distribute : undefined,
  };
  for (const [field, value] of Object.entries(given)) {
    if (value === undefined) continue;
    findings.error(`${path}.${field}`, `must not stand beside the annotation ${loadBalancerAnnotation}`);
  }
}
