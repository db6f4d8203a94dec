/** DestinationRule as a whole. Source of the rules: istio/istio pkg/config/validation. */
import type { DestinationRuleSpec } from '../destination-rule.ts';
import { checkLoadBalancerAnnotation, loadBalancerAnnotation } from '../peak-ewma.ts';
import { childPath, type Findings, show } from '../findings.ts';
import { healthCheckAnnotation, parseHealthCheck } from '../health-check.ts';
import { dnsLabelFault, wildcardDomainFault } from '../names.ts';
import { outlierRatesAnnotation, parseOutlierRates } from '../outlier-rates.ts';
import type { Check, CheckedMetadata } from './check.ts';
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
  checkAnnotations(spec, metadata, findings);
  checkExportTo(spec.exportTo ?? [], metadata, findings, { onlyOwnNamespace: selector !== undefined });
};

/** What says how without a policy to say that it should would be ignored. */
function checkAnnotations(spec: DestinationRuleSpec, { annotations }: CheckedMetadata, findings: Findings): void {
  const check = annotations[healthCheckAnnotation];
  if (check !== undefined) {
    findings.expect(childPath('metadata.annotations', healthCheckAnnotation), parseHealthCheck(check).fault);
  }
  const rates = annotations[outlierRatesAnnotation];
  if (rates === undefined) return;
  const path = childPath('metadata.annotations', outlierRatesAnnotation);
  findings.expect(path, parseOutlierRates(rates).fault);
  if (!hasOutlierDetection(spec)) findings.error(path, 'needs a trafficPolicy with outlierDetection');
}

function hasOutlierDetection({ trafficPolicy, subsets = [] }: DestinationRuleSpec): boolean {
  const policies = [trafficPolicy, ...subsets.map((subset) => subset.trafficPolicy)];
  return policies.some((policy) =>
    [policy, ...(policy?.portLevelSettings ?? [])].some((blocks) => blocks?.outlierDetection !== undefined),
  );
}
