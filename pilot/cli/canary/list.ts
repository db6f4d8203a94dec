/** The table of `heddle canary list`. */
import { planRelease } from '../../../mixer/canary/release-plan.ts';
import { formatTable } from '../text-table.ts';
import { statusOf, type CanaryResource } from './canary-api.ts';
import { describePlace, describeRatio, number } from './canary-text.ts';

export function listCanaries(canaries: readonly CanaryResource[], hasNamespace: boolean): string {
  if (canaries.length === 0) return 'No canaries found.\n';
  const rows = canaries.map((canary) => {
    const plan = planRelease(canary, []);
    const status = statusOf(canary);
    const { requests = 0, errors = 0 } = status.counts?.canary ?? {};
    return [
      ...(hasNamespace ? [plan.namespace] : []),
      plan.name,
      `${plan.primary.subset} → ${plan.canary.subset}`,
      describePlace(canary, plan),
      `${status.canaryWeight ?? 0} %`,
      String(requests),
      String(errors),
      describeRatio(status),
      number(status.eValue),
    ];
  });
  const heads = ['Name', 'Release', 'Phase', 'Weight', 'Requests', 'Failed', 'Error ratio', 'E-value'];
  return formatTable([...(hasNamespace ? ['Namespace'] : []), ...heads], rows);
}
