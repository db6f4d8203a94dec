/** Which DestinationRule applies to a host, seen from a client's namespace, and what policy it means for one cluster. */
import type { DestinationRuleSpec, Subset } from '../../crds/destination-rule.ts';
import { resolveShortName } from '../../crds/host.ts';
import type { Resource } from '../../crds/resource.ts';
import type { TrafficPolicy } from '../../crds/traffic-policy.ts';
import { HostTable } from './host-table.ts';
import type { Service } from './service.ts';

export type DestinationRule = Resource<DestinationRuleSpec>;

/** All rules of one namespace for one host, merged. */
export interface MergedRule {
  readonly trafficPolicy: TrafficPolicy | undefined;
  /** Names are unique. */
  readonly subsets: readonly Subset[];
}

/** Istio's root namespace: rules there apply to all clients that no other rule applies to. */
export const rootNamespace = 'istio-system';

export class DestinationRules {
  readonly #byNamespace: ReadonlyMap<string, HostTable<MergedRule>>;

  /** `resources` come oldest first. */
  constructor(resources: readonly DestinationRule[]) {
    const byNamespace = new Map<string, DestinationRule[]>();
    for (const resource of resources) {
      const { namespace } = resource.metadata;
      byNamespace.set(namespace, [...(byNamespace.get(namespace) ?? []), resource]);
    }
    this.#byNamespace = new Map([...byNamespace].map(([namespace, rules]) => [namespace, mergeByHost(rules)]));
  }

  /** Looks in the client's namespace, the service's, then the root namespace; the first that has a rule decides (D1). */
  find(service: Service, clientNamespace: string): MergedRule | undefined {
    for (const namespace of [clientNamespace, service.namespace, rootNamespace]) {
      const rule = this.#byNamespace.get(namespace)?.find(service.hostname);
      if (rule !== undefined) return rule;
    }
    return undefined;
  }
}

/** Subsets are concatenated, of duplicate names the first stays; the first top-level policy wins (D2). */
function mergeByHost(rules: readonly DestinationRule[]): HostTable<MergedRule> {
  const byHost = new Map<string, MergedRule>();
  for (const { metadata, spec } of rules) {
    const hostname = resolveShortName(spec.host, metadata.namespace).toLowerCase();
    const { trafficPolicy, subsets } = byHost.get(hostname) ?? { trafficPolicy: undefined, subsets: [] };
    const known = new Set(subsets.map(({ name }) => name));
    const added = (spec.subsets ?? []).filter(({ name }) => !known.has(name) && known.add(name));
    byHost.set(hostname, { trafficPolicy: trafficPolicy ?? spec.trafficPolicy, subsets: [...subsets, ...added] });
  }
  return new HostTable(byHost);
}

/** The blocks of a policy that clusters are built from. */
export type PolicyBlocks = Pick<TrafficPolicy, 'loadBalancer' | 'connectionPool' | 'outlierDetection' | 'retryBudget'>;

/** The policy of a cluster: the rule's, overridden per block by the subset's (D3, D4). */
export function policyOf(rule: MergedRule | undefined, subset: Subset | undefined, port: number): PolicyBlocks {
  return overridePolicy(overridePolicy({}, rule?.trafficPolicy, port), subset?.trafficPolicy, port);
}

/** Settings for the port replace all blocks; a block they omit falls back to its defaults, not to the policy's (D4). */
function overridePolicy(base: PolicyBlocks, policy: TrafficPolicy | undefined, port: number): PolicyBlocks {
  if (policy === undefined) return base;
  const forPort = policy.portLevelSettings?.find((settings) => settings.port.number === port);
  const inherited = { ...base, ...blocksOf(policy) };
  if (forPort === undefined) return inherited;
  // Not a setting of ports: it stays what it is.
  return blocksOf({ ...forPort, retryBudget: inherited.retryBudget });
}

type Blocks = { readonly [K in keyof PolicyBlocks]: PolicyBlocks[K] | undefined };

function blocksOf({ loadBalancer, connectionPool, outlierDetection, retryBudget }: Blocks): PolicyBlocks {
  return {
    ...(loadBalancer === undefined ? {} : { loadBalancer }),
    ...(connectionPool === undefined ? {} : { connectionPool }),
    ...(outlierDetection === undefined ? {} : { outlierDetection }),
    ...(retryBudget === undefined ? {} : { retryBudget }),
  };
}
