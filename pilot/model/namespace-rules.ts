/** The DestinationRules of one namespace, as each client sees them. */
import type { DestinationRuleSpec, Subset } from '../../crds/destination-rule.ts';
import { type HealthCheckSettings, healthCheckAnnotation, parseHealthCheck } from '../../crds/health-check.ts';
import { resolveShortName } from '../../crds/host.ts';
import {
  defaultOutlierRates,
  type OutlierRates,
  outlierRatesAnnotation,
  parseOutlierRates,
} from '../../crds/outlier-rates.ts';
import { loadBalancerAnnotation, parseLoadBalancer, type PeakEwmaSettings } from '../../crds/peak-ewma.ts';
import type { Resource } from '../../crds/resource.ts';
import type { TrafficPolicy } from '../../crds/traffic-policy.ts';
import type { Client } from './client.ts';
import { HostTable } from './host-table.ts';
import { isVisibleTo } from './visibility.ts';
import { isSelected, type Labels } from './workload.ts';

export type DestinationRule = Resource<DestinationRuleSpec>;

/** All rules of one namespace for one host that apply to a client, merged. */
export interface MergedRule {
  readonly trafficPolicy: TrafficPolicy | undefined;
  /** Of the rule that the policy is from: its clusters are balanced by latency unless they ask for something else. */
  readonly peakEwma: PeakEwmaSettings | undefined;
  /** From the annotations of the first rule that has them. */
  readonly healthCheck: HealthCheckSettings | undefined;
  readonly outlierRates: OutlierRates | undefined;
  /** Names are unique. */
  readonly subsets: readonly Subset[];
  /** `NAMESPACE/NAME` of each, oldest first. */
  readonly sources: readonly string[];
}

export class NamespaceRules {
  readonly #rules: readonly DestinationRule[];
  /** Of most namespaces: nothing depends on who asks. */
  readonly #common: HostTable<MergedRule> | undefined;
  readonly #byClient = new Map<string, HostTable<MergedRule>>();

  /** `rules` come oldest first. */
  constructor(rules: readonly DestinationRule[]) {
    this.#rules = rules;
    const isForAll = ({ exportTo = [] }: DestinationRuleSpec): boolean => exportTo.every((entry) => entry === '*');
    const isCommon = rules.every(({ spec }) => isForAll(spec) && selectorOf(spec) === undefined);
    this.#common = isCommon ? mergeByHost(rules) : undefined;
  }

  find(hostname: string, client: Client): MergedRule | undefined {
    return (this.#common ?? this.#tableFor(client)).find(hostname);
  }

  #tableFor(client: Client): HostTable<MergedRule> {
    const key = JSON.stringify([client.namespace, client.labels ?? {}]);
    const known = this.#byClient.get(key);
    if (known !== undefined) return known;
    const table = mergeByHost(this.#rules.filter((rule) => isForClient(rule, client)));
    this.#byClient.set(key, table);
    return table;
  }
}

/** The clients of a rule's own namespace that it is for; undefined: all of them, and those of other namespaces. */
export function selectorOf({ workloadSelector }: DestinationRuleSpec): Labels | undefined {
  return workloadSelector && (workloadSelector.matchLabels ?? {});
}

function isForClient(rule: DestinationRule, { namespace, labels = {} }: Client): boolean {
  if (!isVisibleTo(rule, namespace)) return false;
  const selector = selectorOf(rule.spec);
  return selector === undefined || (namespace === rule.metadata.namespace && isSelected(labels, selector));
}

function mergeByHost(rules: readonly DestinationRule[]): HostTable<MergedRule> {
  const byHost = new Map<string, DestinationRule[]>();
  for (const rule of rules) {
    const hostname = resolveShortName(rule.spec.host, rule.metadata.namespace).toLowerCase();
    const found = byHost.get(hostname);
    if (found === undefined) byHost.set(hostname, [rule]);
    else found.push(rule);
  }
  return new HostTable([...byHost].map(([hostname, found]) => [hostname, merge(mostSpecific(found))] as const));
}

/** What selects the client stands alone, beside what selects it in the same words: it is not mixed with what is for all. */
function mostSpecific(rules: readonly DestinationRule[]): readonly DestinationRule[] {
  const selecting = rules.find(({ spec }) => selectorOf(spec) !== undefined);
  if (selecting === undefined) return rules;
  const wanted = selectorKey(selecting);
  return rules.filter((rule) => selectorKey(rule) === wanted);
}

function selectorKey({ spec }: DestinationRule): string | undefined {
  const selector = selectorOf(spec);
  return selector && JSON.stringify(Object.entries(selector).sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** Subsets are concatenated, of duplicate names the first stays; the first top-level policy wins (D2). */
function merge(rules: readonly DestinationRule[]): MergedRule {
  const subsets = new Map<string, Subset>();
  for (const { spec } of rules) {
    for (const subset of spec.subsets ?? []) if (!subsets.has(subset.name)) subsets.set(subset.name, subset);
  }
  const first = rules.find((rule) => rule.spec.trafficPolicy !== undefined || peakEwmaOf(rule) !== undefined);
  const annotations: Annotations = Object.assign({}, ...rules.map(({ metadata }) => metadata.annotations).reverse());
  return {
    trafficPolicy: first?.spec.trafficPolicy,
    peakEwma: first && peakEwmaOf(first),
    healthCheck: healthCheckOf(annotations),
    outlierRates: outlierRatesOf(annotations),
    subsets: [...subsets.values()],
    sources: rules.map(({ metadata: { namespace, name } }) => `${namespace}/${name}`),
  };
}

function peakEwmaOf({ metadata }: DestinationRule): PeakEwmaSettings | undefined {
  const text = metadata.annotations?.[loadBalancerAnnotation];
  return text === undefined ? undefined : parseLoadBalancer(text);
}

type Annotations = Readonly<Record<string, string>>;

/** The resource's check has accepted the text. */
function healthCheckOf({ [healthCheckAnnotation]: text }: Annotations): HealthCheckSettings | undefined {
  const parsed = text === undefined ? undefined : parseHealthCheck(text);
  return parsed?.fault === undefined ? parsed?.value : undefined;
}

function outlierRatesOf({ [outlierRatesAnnotation]: text }: Annotations): OutlierRates | undefined {
  const parsed = text === undefined ? { value: defaultOutlierRates } : parseOutlierRates(text);
  return parsed.fault === undefined ? parsed.value : defaultOutlierRates;
}
