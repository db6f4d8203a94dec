/** DestinationRule as a whole. Source of the rules: istio/istio pkg/config/validation. */
import type { DestinationRuleSpec } from '../destination-rule.ts';
import { show } from '../findings.ts';
import { checkLoadBalancerAnnotation, loadBalancerAnnotation } from '../peak-ewma.ts';
import { dnsLabelFault, wildcardDomainFault } from '../names.ts';
import type { Check } from './check.ts';
import { checkExportTo } from './export-to.ts';
import { checkLabels, checkSelector } from './labels.ts';
import { checkTrafficPolicy } from './traffic-policy.ts';

export const checkDestinationRule: Check<DestinationRuleSpec> = (spec, metadata, findings) => {
  findings.expect('spec.host', wildcardDomainFault(spec.host));
  if (spec.trafficPolicy !== undefined) checkTrafficPolicy(spec.trafficPolicy, 'spec.trafficPolicy', findings);
  const names = new Map<string, string>();
  for (const [index, { name, labels, trafficPolicy }] of (spec.subsets ?? []).entries()) {
    const path = `spec.subsets[${index}]`;
    const earlier = names.get(name);
    if (earlier !== undefined) findings.error(`${path}.name`, `repeats ${show(name)} of ${earlier}`);
    else names.set(name, path);
    findings.expect(`${path}.name`, name === '' ? 'must not be empty' : dnsLabelFault(name));
    checkLabels(labels ?? {}, `${path}.labels`, findings);
    if (trafficPolicy !== undefined) checkTrafficPolicy(trafficPolicy, `${path}.trafficPolicy`, findings);
  }
  const { workloadSelector: selector } = spec;
  if (selector !== undefined) checkSelector(selector.matchLabels, 'spec.workloadSelector.matchLabels', findings);
  const balancing = metadata.annotations[loadBalancerAnnotation];
  if (balancing !== undefined) checkLoadBalancerAnnotation(balancing, spec, findings);
  checkExportTo(spec.exportTo ?? [], metadata, findings, { onlyOwnNamespace: selector !== undefined });
};
