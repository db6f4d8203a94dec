/** The labels of a series in metrics that have labels of their own. */
import type { MetricRules } from '../api/metric-rules.ts';
import type { Label } from '../common/exposition.ts';

export type OwnLabels = ReadonlyMap<string, readonly Label[]>;

/** Undefined where no metric has. */
export function ownLabelsOf({ ownLabels }: MetricRules, labels: readonly Label[]): OwnLabels | undefined {
  const metrics = Object.entries(ownLabels);
  if (metrics.length === 0) return undefined;
  return new Map(
    metrics.map(([metric, { removedLabels, fixedLabels }]) => {
      const kept = labels
        .filter(({ name }) => !removedLabels.includes(name))
        .map((label) => ({ ...label, value: fixedLabels[label.name] ?? label.value }));
      const added = Object.entries(fixedLabels).flatMap(([name, value]) =>
        labels.some((label) => label.name === name) ? [] : [{ name, value }],
      );
      return [metric, [...kept, ...added]];
    }),
  );
}
