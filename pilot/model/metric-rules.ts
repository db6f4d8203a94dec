/** How the metrics of a workload's listeners differ from Istio's: the overrides of Telemetry resources, wide before narrow. */
import { exportedMetrics, literalOf } from '../../crds/metrics-overrides.ts';
import type { MetricsOverride } from '../../crds/telemetry.ts';
import type { MetricRules } from '../../proxy/api/metric-rules.ts';
import type { Client } from './client.ts';
import type { Telemetries, WorkloadMode } from './telemetries.ts';

/** Undefined: not at all. */
export function metricRulesOf(telemetries: Telemetries, client: Client, mode: WorkloadMode): MetricRules | undefined {
  const dropped = new Set<string>();
  const removed = new Set<string>();
  const fixed = new Map<string, string>();
  const overrides = telemetries
    .levelsOf(client)
    .flatMap(({ spec: { metrics = [] } }) => metrics)
    .flatMap((entry) => entry.overrides ?? [])
    .filter((override) => isOfMode(override, mode));
  for (const { match = {}, disabled, tagOverrides = {} } of overrides) {
    const { metric = 'ALL_METRICS' } = match;
    const names = metric === 'ALL_METRICS' ? Object.values(exportedMetrics) : [exportedMetrics[metric] ?? ''];
    for (const name of names) {
      if (disabled === true) dropped.add(name);
      else if (disabled === false) dropped.delete(name);
    }
    for (const [label, { operation = 'UPSERT', value = '' }] of Object.entries(tagOverrides)) {
      fixed.delete(label);
      removed.delete(label);
      if (operation === 'REMOVE') removed.add(label);
      else fixed.set(label, literalOf(value) ?? '');
    }
  }
  if (dropped.size + removed.size + fixed.size === 0) return undefined;
  return { droppedMetrics: [...dropped], removedLabels: [...removed], fixedLabels: Object.fromEntries(fixed) };
}

function isOfMode({ match = {} }: MetricsOverride, mode: WorkloadMode): boolean {
  const { mode: wanted = 'CLIENT_AND_SERVER' } = match;
  return wanted === 'CLIENT_AND_SERVER' || wanted === mode;
}
