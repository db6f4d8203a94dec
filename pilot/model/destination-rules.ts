/** Which DestinationRule applies to a host, seen from a client, and what policy it means for one cluster. */
import type { DestinationRuleSpec, Subset } from '../../crds/destination-rule.ts';
import type { PeakEwmaSettings } from '../../crds/peak-ewma.ts';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { LoadBalancerSettings, LocalityLbSetting, TrafficPolicy } from '../../crds/traffic-policy.ts';
import type { Client } from './client.ts';
import { type DestinationRule, type MergedRule, NamespaceRules, selectorOf } from './namespace-rules.ts';
import type { Service } from './service.ts';

/** Istio's root namespace: rules there apply to all clients that no other rule applies to. */
export const rootNamespace = 'istio-system';

export class DestinationRules {
  /** Labels of clients that a `workloadSelector` asks for. */
  readonly selectorLabels: ReadonlySet<string>;
  /** Labels of clients that a `failoverPriority` compares with those of endpoints. */
  readonly failoverLabels: ReadonlySet<string>;
  /** Some clients want to know where others of their own service are. */
  readonly hasZoneAware: boolean;
  readonly #byNamespace: ReadonlyMap<string, NamespaceRules>;

  /** `resources` come oldest first. */
  constructor(resources: readonly DestinationRule[], { localityLbSetting }: MeshConfig = {}) {
    const byNamespace = new Map<string, DestinationRule[]>();
    for (const resource of resources) {
      const { namespace } = resource.metadata;
      byNamespace.set(namespace, [...(byNamespace.get(namespace) ?? []), resource]);
    }
    this.#byNamespace = new Map([...byNamespace].map(([namespace, rules]) => [namespace, new NamespaceRules(rules)]));
    this.selectorLabels = new Set(resources.flatMap(({ spec }) => Object.keys(selectorOf(spec) ?? {})));
    const balancers = resources.flatMap(({ spec }) => policiesOf(spec).flatMap(loadBalancersOf));
    const settings = balancers.flatMap((each) => [each.localityLbSetting, each.zoneAwareLbSetting]);
    this.failoverLabels = new Set([localityLbSetting, ...settings].flatMap(failoverLabelsOf));
    this.hasZoneAware = balancers.some(isZoneAware);
  }

  /**
   * Looks in the client's namespace, the service's, then the root namespace; the first that has a rule for this client
   * decides (D1).
   */
  find(service: Service, client: Client): MergedRule | undefined {
    for (const namespace of [client.namespace, service.namespace, rootNamespace]) {
      const rule = this.#byNamespace.get(namespace)?.find(service.hostname, client);
      if (rule !== undefined) return rule;
    }
    return undefined;
  }
}

function policiesOf({ trafficPolicy, subsets = [] }: DestinationRuleSpec): readonly TrafficPolicy[] {
  return [trafficPolicy, ...subsets.map((subset) => subset.trafficPolicy)].filter((policy) => policy !== undefined);
}

function loadBalancersOf({ loadBalancer, portLevelSettings = [] }: TrafficPolicy): LoadBalancerSettings[] {
  return [loadBalancer, ...portLevelSettings.map((port) => port.loadBalancer)].filter((each) => each !== undefined);
}

function isZoneAware({ zoneAwareLbSetting }: LoadBalancerSettings): boolean {
  return zoneAwareLbSetting !== undefined && zoneAwareLbSetting.enabled !== false;
}

/** `label` is compared with the client's, `label=value` with that value. */
function failoverLabelsOf(setting: Pick<LocalityLbSetting, 'failoverPriority'> | undefined): string[] {
  return (setting?.failoverPriority ?? []).filter((entry) => !entry.includes('='));
}

/** The blocks of a policy that clusters are built from. */
export interface PolicyBlocks extends TrafficBlocks {
  readonly peakEwma?: PeakEwmaSettings;
  readonly tunnel?: NonNullable<TrafficPolicy['tunnel']>;
}

type TrafficBlocks = Pick<
  TrafficPolicy,
  'loadBalancer' | 'connectionPool' | 'outlierDetection' | 'tls' | 'retryBudget' | 'proxyProtocol'
>;

/**
 * The policy of a cluster: the rule's, overridden per block by the subset's (D3, D4). Only of a tunnel a subset has its own
 * or none, as in Istio.
 */
export function policyOf(rule: MergedRule | undefined, subset: Subset | undefined, port: number): PolicyBlocks {
  const blocks = overridePolicy(overridePolicy({}, rule?.trafficPolicy, port), subset?.trafficPolicy, port);
  const tunnel = (subset ?? rule)?.trafficPolicy?.tunnel;
  return {
    ...blocks,
    ...(rule?.peakEwma === undefined ? {} : { peakEwma: rule.peakEwma }),
    ...(tunnel === undefined ? {} : { tunnel }),
  };
}

/** Settings for the port replace all blocks; a block they omit falls back to its defaults, not to the policy's (D4). */
function overridePolicy(base: TrafficBlocks, policy: TrafficPolicy | undefined, port: number): TrafficBlocks {
  if (policy === undefined) return base;
  const forPort = policy.portLevelSettings?.find((settings) => settings.port.number === port);
  const inherited = { ...base, ...blocksOf(policy) };
  if (forPort === undefined) return inherited;
  // Not settings of ports: they stay what they are.
  const { retryBudget, proxyProtocol } = inherited;
  return blocksOf({ ...forPort, retryBudget, proxyProtocol });
}

type Blocks = { readonly [K in keyof TrafficBlocks]: TrafficBlocks[K] | undefined };

function blocksOf(blocks: Blocks): TrafficBlocks {
  const { loadBalancer, connectionPool, outlierDetection, tls, retryBudget, proxyProtocol } = blocks;
  return {
    ...(loadBalancer === undefined ? {} : { loadBalancer }),
    ...(connectionPool === undefined ? {} : { connectionPool }),
    ...(outlierDetection === undefined ? {} : { outlierDetection }),
    ...(tls === undefined ? {} : { tls }),
    ...(retryBudget === undefined ? {} : { retryBudget }),
    ...(proxyProtocol === undefined ? {} : { proxyProtocol }),
  };
}
