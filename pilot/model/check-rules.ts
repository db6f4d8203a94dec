/**
 * CheckRules with what stands outside of them put in: addresses of the workloads that sources name, values of lists. Where
 * nobody shows a certificate, the address of a connection is the only thing about its workload that cannot be made up.
 */
import { isIP } from 'node:net';
import type { CheckList, CheckMatch, CheckRuleSpec, CheckSource } from '../../crds/check-rule.ts';
import { resolveShortName } from '../../crds/host.ts';
import type { Resource } from '../../crds/resource.ts';
import { rootNamespace } from './destination-rules.ts';
import { isSelected, type Labels, type Workload } from './workload.ts';

export type CheckRule = Resource<CheckRuleSpec>;

/** Values of lists that are kept in files and at URLs. */
export interface ListValues {
  /** Undefined for one that could never be read. */
  valuesOf(list: CheckList): readonly string[] | undefined;
}

export const noListValues: ListValues = { valuesOf: () => undefined };

export interface ResolvedMatch {
  readonly match: CheckMatch;
  /** Of the workloads that `source` names; undefined where it names none. */
  readonly workloadAddresses: readonly string[] | undefined;
  /** For each of `lists`. */
  readonly listValues: readonly (readonly string[])[];
}

export interface ResolvedRule {
  /** `NAMESPACE/NAME`. */
  readonly name: string;
  readonly namespace: string;
  /** Full name; undefined where `selector` says for whom the rule is. */
  readonly hostname: string | undefined;
  readonly selector: Labels;
  readonly action: CheckRuleSpec['action'];
  /** What is answered to whom it denies; undefined: a plain 403. */
  readonly denyWith: CheckRuleSpec['denyWith'];
  /** Of CUSTOM, and known. */
  readonly provider: string | undefined;
  readonly isShadow: boolean;
  /** None: every request. */
  readonly matches: readonly ResolvedMatch[];
}

/** Who enforces rules: a workload, or a gateway. */
export interface Enforcer {
  readonly namespace: string;
  readonly labels: Labels;
  /** Of the services that it is an instance of, as far as rules name them. */
  readonly hostnames: readonly string[];
}

export class CheckRules {
  /** Oldest first. */
  readonly all: readonly ResolvedRule[];
  /** Labels that selectors ask for. */
  readonly selectorLabels: ReadonlySet<string>;
  /** Of services that rules are for. */
  readonly hostnames: ReadonlySet<string>;
  /** What it is made of. */
  readonly #text: string;

  constructor(rules: readonly ResolvedRule[]) {
    this.all = rules;
    this.selectorLabels = new Set(rules.flatMap(({ selector }) => Object.keys(selector)));
    this.hostnames = new Set(rules.flatMap(({ hostname }) => hostname ?? []));
    this.#text = JSON.stringify(rules);
  }

  equals(other: CheckRules): boolean {
    return this.#text === other.#text;
  }

  /** Those that `enforcer` is to enforce. */
  for({ namespace, labels, hostnames }: Enforcer): readonly ResolvedRule[] {
    return this.all.filter((rule) => {
      if (rule.hostname !== undefined) return hostnames.includes(rule.hostname);
      const isInScope = rule.namespace === namespace || rule.namespace === rootNamespace;
      return isInScope && isSelected(labels, rule.selector);
    });
  }
}

export const noCheckRules = new CheckRules([]);

export interface CheckRuleInput {
  /** Oldest first. */
  readonly resources: readonly CheckRule[];
  readonly workloads: readonly Workload[];
  /** By the hostname of the service. */
  readonly instances: ReadonlyMap<string, readonly Workload[]>;
  readonly lists: ListValues;
  /** Names of those that can be asked. */
  readonly providers: readonly string[];
}

/** `previous` where nothing in it has changed. */
export function resolveCheckRules(input: CheckRuleInput, previous: CheckRules = noCheckRules): CheckRules {
  const rules = new CheckRules(input.resources.map((resource) => resolveRule(resource, input)));
  return rules.equals(previous) ? previous : rules;
}

function resolveRule({ spec, metadata: { namespace, name } }: CheckRule, input: CheckRuleInput): ResolvedRule {
  const { host, selector, match = [], mode, provider, denyWith } = spec;
  const isLost = spec.action === 'CUSTOM' && !input.providers.includes(provider ?? '');
  // Its provider was there when it was applied: what nobody can be asked for is not let in.
  const action = isLost ? 'DENY' : spec.action;
  return {
    name: `${namespace}/${name}`,
    namespace,
    hostname: host && fullName(host, namespace),
    selector: selector?.matchLabels ?? {},
    action,
    denyWith,
    provider,
    isShadow: mode === 'SHADOW',
    matches: match.map((one) => ({
      match: one,
      workloadAddresses: addressesOf(one.source ?? {}, { namespace, action }, input),
      // What could not be read yet is empty: it allows nobody, and pilot says so.
      listValues: (one.lists ?? []).map((list) => list.values ?? input.lists.valuesOf(list) ?? []),
    })),
  };
}

/**
 * An address that others have too, as all on one machine have loopback's, tells nothing about who is there: it never lets
 * anybody in, and keeps everybody out.
 */
function addressesOf(
  source: CheckSource,
  { namespace, action }: Pick<ResolvedRule, 'namespace' | 'action'>,
  { workloads, instances }: CheckRuleInput,
): readonly string[] | undefined {
  const { namespaces, services, labels } = source;
  if (namespaces === undefined && services === undefined && labels === undefined) return undefined;
  const serving = services && new Set(services.flatMap((name) => instances.get(fullName(name, namespace)) ?? []));
  const isMeant = (workload: Workload): boolean =>
    (namespaces === undefined || namespaces.includes(workload.namespace)) &&
    (serving === undefined || serving.has(workload)) &&
    isSelected(workload.labels, labels ?? {});
  const everyone = new Set([...workloads, ...(serving ?? [])]);
  const meant = new Set<string>();
  const others = new Set<string>();
  for (const workload of everyone) (isMeant(workload) ? meant : others).add(workload.address);
  return [...meant].filter((address) => isIP(address) !== 0 && (action !== 'ALLOW' || !others.has(address))).sort();
}

function fullName(host: string, namespace: string): string {
  return resolveShortName(host, namespace).toLowerCase();
}
