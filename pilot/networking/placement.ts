/**
 * What the place of a client means for the endpoints of a cluster: weights of localities (`distribute`) or an order of
 * preference (`failover`, `failoverPriority`). Source: istio.io, "Locality Load Balancing"; istio/istio
 * `pilot/pkg/networking/core/loadbalancer`.
 */
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { LocalityLbSetting, ZoneAwareLbSetting } from '../../crds/traffic-policy.ts';
import type { LocatedClient } from '../model/client.ts';
import type { PolicyBlocks } from '../model/destination-rules.ts';
import { isLocalityCovered, type Locality } from '../model/locality.ts';
import type { Labels, Workload } from '../model/workload.ts';

export type Placement =
  /** Percent of the requests by the localities that take them; others get none. */
  | { readonly kind: 'distribute'; readonly to: Readonly<Record<string, number>> }
  | {
      readonly kind: 'failover';
      /** The more of these an endpoint has, counted from the first, the sooner it is used. */
      readonly labels: readonly RankedLabel[];
      /** Undefined: only the labels count. */
      readonly regions: RegionFailover | undefined;
    };

interface RankedLabel {
  readonly name: string;
  readonly value: string;
}

interface RegionFailover {
  /** The client's. */
  readonly locality: Locality;
  /** The region that is used before other regions; undefined: all others are equal. */
  readonly to: string | undefined;
  /** The zones of one region are equals: the client itself spreads its requests over them. */
  readonly isZoneAware: boolean;
}

/** Endpoints of one locality and priority, as an assignment lists them. */
export interface EndpointGroup {
  readonly locality: Locality;
  readonly priority: number;
  readonly weight: number;
  readonly workloads: readonly Workload[];
}

/**
 * Undefined where the place of the client makes no difference. Without outlier detection nobody would notice that the
 * preferred endpoints fail, so there is no failover; with it there is one even if the rule names none (D7).
 */
export function placementFor(
  policy: PolicyBlocks,
  client: LocatedClient,
  meshConfig: MeshConfig,
): Placement | undefined {
  const zoneAware = policy.loadBalancer?.zoneAwareLbSetting;
  if (zoneAware !== undefined) return zoneAwarePlacement(zoneAware, client);
  const { enabled = true, distribute = [], failover = [], failoverPriority = [] } = settingOf(policy, meshConfig);
  if (!enabled) return undefined;
  if (distribute.length > 0) {
    const found = distribute.find(({ from = '' }) => isLocalityCovered(client.locality, from));
    return found && { kind: 'distribute', to: found.to ?? {} };
  }
  if (policy.outlierDetection === undefined) return undefined;
  const countsRegions = failoverPriority.length === 0 || failover.length > 0;
  return {
    kind: 'failover',
    labels: failoverPriority.map((entry) => rankedLabel(entry, client.labels ?? {})),
    regions: countsRegions ? regionFailover(failover, client.locality) : undefined,
  };
}

/** Other regions are for failures, with or without outlier detection: zones of equal right are those of one region. */
function zoneAwarePlacement(
  { enabled = true, failover = [], failoverPriority = [] }: ZoneAwareLbSetting,
  client: LocatedClient,
): Placement | undefined {
  if (!enabled) return undefined;
  const labels = failoverPriority.map((entry) => rankedLabel(entry, client.labels ?? {}));
  return { kind: 'failover', labels, regions: { ...regionFailover(failover, client.locality), isZoneAware: true } };
}

/** Whether localities get requests by weights of their own, which an Envoy does not do by itself. */
export function weighsLocalities(policy: PolicyBlocks, meshConfig: MeshConfig): boolean {
  if (policy.loadBalancer?.zoneAwareLbSetting !== undefined) return false;
  const { enabled = true, distribute = [], failover = [], failoverPriority = [] } = settingOf(policy, meshConfig);
  const failsOver = policy.outlierDetection !== undefined && failover.length + failoverPriority.length > 0;
  return enabled && (distribute.length > 0 || failsOver);
}

/** The rule's, else the mesh's. A rule that goes by latency leaves no room for shares that the mesh gives. */
function settingOf(
  { loadBalancer, peakEwma }: PolicyBlocks,
  { localityLbSetting = {} }: MeshConfig,
): LocalityLbSetting {
  if (loadBalancer?.localityLbSetting !== undefined) return loadBalancer.localityLbSetting;
  return peakEwma === undefined ? localityLbSetting : { ...localityLbSetting, distribute: [] };
}

/** `name` stands for the client's own value, `name=value` for that value. */
function rankedLabel(entry: string, own: Labels): RankedLabel {
  const [name = '', value] = entry.split('=');
  return { name, value: value ?? own[name] ?? '' };
}

function regionFailover(failover: NonNullable<LocalityLbSetting['failover']>, locality: Locality): RegionFailover {
  const found = failover.find(({ from = '' }) => from === locality.region);
  return { locality, to: found && (found.to ?? ''), isZoneAware: false };
}

/** `groups`: one per locality, of priority 0. */
export function place(groups: readonly EndpointGroup[], placement: Placement | undefined): readonly EndpointGroup[] {
  if (placement === undefined) return groups;
  if (placement.kind === 'distribute') return distributeOver(groups, placement.to);
  const { labels, regions } = placement;
  const byLabels = labels.length === 0 ? groups : closeRanks(groups.flatMap((group) => splitByLabels(group, labels)));
  if (regions === undefined) return byLabels;
  const ranks = 5;
  return closeRanks(
    byLabels.map((group) => ({ ...group, priority: group.priority * ranks + regionRank(group.locality, regions) })),
  );
}

/** Localities that share one entry share its percentage in proportion to their endpoints' weights. */
function distributeOver(groups: readonly EndpointGroup[], to: Readonly<Record<string, number>>): EndpointGroup[] {
  const patterns = Object.keys(to);
  const patternOf = ({ locality }: EndpointGroup): string | undefined =>
    patterns.find((pattern) => isLocalityCovered(locality, pattern));
  return groups.flatMap((group) => {
    const pattern = patternOf(group);
    if (pattern === undefined) return [];
    const sharing = groups.filter((other) => patternOf(other) === pattern);
    return [{ ...group, weight: Math.ceil((group.weight * (to[pattern] ?? 0)) / totalWeight(sharing)) }];
  });
}

function totalWeight(items: readonly { readonly weight: number }[]): number {
  return items.reduce((sum, { weight }) => sum + weight, 0);
}

/** Endpoints of one locality may differ in their labels, and then in their priorities. */
function splitByLabels(group: EndpointGroup, labels: readonly RankedLabel[]): EndpointGroup[] {
  const byRank = new Map<number, Workload[]>();
  for (const workload of group.workloads) {
    const rank = labelRank(workload.labels, labels);
    byRank.set(rank, [...(byRank.get(rank) ?? []), workload]);
  }
  return [...byRank].map(([priority, workloads]) => ({
    ...group,
    priority,
    weight: totalWeight(workloads),
    workloads,
  }));
}

const networkLabel = 'topology.istio.io/network';

/** 0 when all labels agree, more the sooner one does not. A foreign network first on the list outranks all that follows. */
function labelRank(own: Labels, labels: readonly RankedLabel[]): number {
  const isForeign = labels[0]?.name === networkLabel && !agrees(own, labels[0]);
  const firstDifferent = labels.findIndex((label, i) => !(isForeign && i === 0) && !agrees(own, label));
  return (firstDifferent < 0 ? 0 : labels.length - firstDifferent) + (isForeign ? labels.length : 0);
}

function agrees(own: Labels, { name, value }: RankedLabel): boolean {
  return (own[name] ?? '') === value;
}

/** 0 in the same subzone, 1 in the zone, 2 in the region, 3 in the region to fail over to or in any other, 4 elsewhere. */
function regionRank({ region, zone, subZone }: Locality, { locality, to, isZoneAware }: RegionFailover): number {
  if (region !== locality.region) return to === undefined || region === to ? 3 : 4;
  if (isZoneAware) return 0;
  if (zone !== locality.zone) return 2;
  return subZone === locality.subZone ? 0 : 1;
}

/** Envoy's limit. */
const lastPriority = 128;

/** Priorities from 0 without a gap, which Envoy wants. */
function closeRanks(groups: readonly EndpointGroup[]): EndpointGroup[] {
  const ranks = [...new Set(groups.map(({ priority }) => priority))].sort((a, b) => a - b);
  return groups.map((group) => ({ ...group, priority: Math.min(ranks.indexOf(group.priority), lastPriority) }));
}
