/** How the metrics of a workload's listeners differ from Istio's: the overrides of Telemetry resources, wide before narrow. */
import { exportedMetrics, literalOf } from '../../crds/metrics-overrides.ts';
import type { MetricsOverride } from '../../crds/telemetry.ts';
import type { LabelRules, MetricRules } from '../../proxy/api/metric-rules.ts';
import type { Client } from './client.ts';
import type { Telemetries, WorkloadMode } from './telemetries.ts';

/** What becomes of a label: another value, or undefined where it is left out. */
type LabelChanges = ReadonlyMap<string, string | undefined>;

/** Undefined: not at all. */
export function metricRulesOf(telemetries: Telemetries, client: Client, mode: WorkloadMode): MetricRules | undefined {
  const dropped = new Set<string>();
  const changes = new Map(allMetrics.map((name) => [name, new Map<string, string | undefined>()]));
  const overrides = telemetries
    .levelsOf(client)
    .flatMap(({ spec: { metrics = [] } }) => metrics)
    .flatMap((entry) => entry.overrides ?? [])
    .filter((override) => isOfMode(override, mode));
  for (const { match = {}, disabled, tagOverrides = {} } of overrides) {
    const { metric = 'ALL_METRICS' } = match;
    const names = metric === 'ALL_METRICS' ? allMetrics : [exportedMetrics[metric] ?? ''];
    for (const name of names) {
      if (disabled === true) dropped.add(name);
      else if (disabled === false) dropped.delete(name);
      for (const [label, { operation = 'UPSERT', value = '' }] of Object.entries(tagOverrides)) {
        changes.get(name)?.set(label, operation === 'REMOVE' ? undefined : (literalOf(value) ?? ''));
      }
    }
  }
  const { general, own } = divide(changes);
  if (dropped.size + general.size + Object.keys(own).length === 0) return undefined;
  return { droppedMetrics: [...dropped], ...labelRulesOf(general), ownLabels: own };
}

const allMetrics: readonly string[] = Object.values(exportedMetrics);

/** What is the same for all metrics costs nothing: the others have labels of their own. */
function divide(changes: ReadonlyMap<string, LabelChanges>): {
  readonly general: LabelChanges;
  readonly own: MetricRules['ownLabels'];
} {
  const [first = new Map<string, string | undefined>(), ...others] = changes.values();
  const isGeneral = (label: string, value: string | undefined): boolean =>
    others.every((each) => each.has(label) && each.get(label) === value);
  const general = new Map([...first].filter(([label, value]) => isGeneral(label, value)));
  const own = [...changes].flatMap(([name, labels]) => {
    const rest = new Map([...labels].filter(([label]) => !general.has(label)));
    return rest.size === 0 ? [] : [[name, labelRulesOf(rest)] as const];
  });
  return { general, own: Object.fromEntries(own) };
}

function labelRulesOf(changes: LabelChanges): LabelRules {
  const removedLabels = [...changes].flatMap(([label, value]) => (value === undefined ? [label] : []));
  const fixed = [...changes].flatMap(([label, value]) => (value === undefined ? [] : [[label, value] as const]));
  return { removedLabels, fixedLabels: Object.fromEntries(fixed) };
}

function isOfMode({ match = {} }: MetricsOverride, mode: WorkloadMode): boolean {
  const { mode: wanted = 'CLIENT_AND_SERVER' } = match;
  return wanted === 'CLIENT_AND_SERVER' || wanted === mode;
}
