/**
 * What a listener's metrics are without, or have otherwise than Istio's: in the listener's metadata under `istio.stats`,
 * with the field names of Istio's stats filter (`stats.PluginConfig`), which Envoy itself does not have.
 */
import type { envoy_config_core_v3_Metadata as Metadata } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { show } from './field-path.ts';

export interface LabelRules {
  /** Labels that are left out. */
  readonly removedLabels: readonly string[];
  /** Labels with one value. */
  readonly fixedLabels: Readonly<Record<string, string>>;
}

/** The label rules are for all metrics. */
export interface MetricRules extends LabelRules {
  /** Metrics that are not exported. */
  readonly droppedMetrics: readonly string[];
  /** By metric: further rules for it alone. */
  readonly ownLabels: Readonly<Record<string, LabelRules>>;
}

export const noMetricRules: MetricRules = { droppedMetrics: [], removedLabels: [], fixedLabels: {}, ownLabels: {} };

const filterName = 'istio.stats';

export function metricRulesMetadata({ droppedMetrics, ownLabels, ...general }: MetricRules): Metadata {
  const drops = droppedMetrics.map((name) => ({ name, drop: true }));
  const isAboutLabels = general.removedLabels.length + Object.keys(general.fixedLabels).length > 0;
  const own = Object.entries(ownLabels).map(([name, rules]) => ({ name, ...labelsJson(rules) }));
  const metrics = [...drops, ...(isAboutLabels ? [labelsJson(general)] : []), ...own];
  return { filter_metadata: { [filterName]: { metrics } } };
}

function labelsJson({ removedLabels, fixedLabels }: LabelRules) {
  return { tags_to_remove: [...removedLabels], dimensions: { ...fixedLabels } };
}

/** Metadata of other filters has no effect on Heddle. */
export function decodeMetricRules(metadata: Fields<Metadata> | undefined): MetricRules | undefined {
  metadata?.ignore('typed_filter_metadata');
  const config: unknown = metadata?.take('filter_metadata')?.[filterName];
  if (metadata === undefined || config === undefined) return undefined;
  const metrics = isRecord(config) && Array.isArray(config['metrics']) ? (config['metrics'] as unknown[]) : undefined;
  const rules = {
    droppedMetrics: [] as string[],
    removedLabels: [] as string[],
    fixedLabels: {} as Record<string, string>,
    ownLabels: {} as Record<string, LabelRules>,
  };
  for (const metric of metrics ?? [undefined]) {
    if (!readMetric(metric, rules)) {
      const expected = '{name, drop: true} or {[name,] tags_to_remove: [label], dimensions: {label: text}}';
      metadata.fail('filter_metadata', `must have ${expected} in ${filterName}.metrics, got ${show(metric)}`);
    }
  }
  return rules;
}

interface RulesDraft {
  readonly droppedMetrics: string[];
  readonly removedLabels: string[];
  readonly fixedLabels: Record<string, string>;
  readonly ownLabels: Record<string, LabelRules>;
}

function readMetric(metric: unknown, { droppedMetrics, removedLabels, fixedLabels, ownLabels }: RulesDraft): boolean {
  if (!isRecord(metric)) return false;
  const { name, drop, tags_to_remove: removed = [], dimensions = {}, ...rest } = metric;
  if (Object.keys(rest).length > 0) return false;
  if (typeof name === 'string' && drop === true && Object.keys(metric).length === 2)
    return droppedMetrics.push(name) > 0;
  const isAboutLabels = metric['tags_to_remove'] !== undefined || metric['dimensions'] !== undefined;
  if (!isAboutLabels || drop !== undefined || !Array.isArray(removed) || !isRecord(dimensions)) return false;
  const isText = (value: unknown): value is string => typeof value === 'string';
  if (!removed.every(isText) || !Object.values(dimensions).every(isText)) return false;
  if (name !== undefined) {
    if (!isText(name) || name === '__proto__') return false;
    ownLabels[name] = { removedLabels: removed, fixedLabels: dimensions as Record<string, string> };
    return true;
  }
  removedLabels.push(...removed);
  Object.assign(fixedLabels, dimensions);
  return true;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
