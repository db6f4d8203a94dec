/**
 * Zone aware routing: requests stay in the proxy's locality as long as no host gets more of them than the others. It is
 * known how many instances of the proxy's own service call from where, from the local cluster of the bootstrap.
 */
import type { Place } from '../api/cluster.ts';
import type { ZoneAware } from '../api/load-balancing.ts';
import type { Host } from './host.ts';
import type { Picker, Random } from './picker.ts';
import { createWeightedSampler } from './random.ts';
import { planZoneRoutes } from './zone-routing.ts';
import type { ZoneStats } from './zone-stats.ts';

/** The proxy's own service, as Envoy's `cluster_manager.local_cluster_name` tells it. */
export interface LocalCluster {
  /** Where the proxy is. */
  readonly place: Place;
  /** All instances that are known now. */
  readonly hosts: () => readonly Host[];
}

export interface ZoneOptions {
  readonly zoneAware: ZoneAware;
  readonly local: LocalCluster;
  readonly panicThresholdPercent: number;
  readonly random: Random;
  readonly stats: ZoneStats;
  /** A picker over these hosts of one locality, or of all. */
  readonly createPicker: (hosts: readonly Host[]) => Picker;
}

/** `members`: all hosts of priority 0, the only one that Envoy does this for. Undefined: localities make no difference. */
export function createZonePicker(members: readonly Host[], options: ZoneOptions): Picker | undefined {
  const { zoneAware, local, stats, random, createPicker } = options;
  stats.recalculated.value += 1;
  const plan = planFor(members, options);
  if (plan === undefined) return undefined;
  const plain = createPicker(members.filter(isAvailable));
  const zones = plan.zones.map((hosts) => createPicker(hosts.filter(isAvailable)));
  const chosen = plan.routes.kind === 'direct' ? always(zones[plan.own], stats) : createResidual(zones, plan, options);
  const routed = isInPanic(local.hosts(), options.panicThresholdPercent) ? distrust(plain, options) : chosen;
  const percent = zoneAware.routingEnabledPercent;
  return percent >= 100
    ? routed
    : {
        pick: (hash, attempt, destination) =>
          (random() * 100 < percent ? routed : plain).pick(hash, attempt, destination),
      };
}

interface ZonePlan {
  readonly zones: readonly (readonly Host[])[];
  readonly own: number;
  readonly routes: ReturnType<typeof planZoneRoutes>;
}

function planFor(members: readonly Host[], { zoneAware, local, stats }: ZoneOptions): ZonePlan | undefined {
  const zones = groupByPlace(members);
  const callers = groupByPlace(local.hosts());
  if (zones.size < 2 || callers.size < 2) return undefined;
  const place = keyOf(local.place);
  if (!callers.has(place)) {
    stats.localClusterNotOk.value += 1;
    return undefined;
  }
  if (members.filter(isAvailable).length < zoneAware.minClusterSize) {
    stats.clusterTooSmall.value += 1;
    return undefined;
  }
  const available = (hosts: readonly Host[] = []): number => hosts.filter(isAvailable).length;
  const keys = [...zones.keys()];
  const counts = keys.map((key) => ({ upstream: available(zones.get(key)), local: available(callers.get(key)) }));
  const own = keys.indexOf(place);
  return { zones: [...zones.values()], own, routes: planZoneRoutes(counts, available(local.hosts()), own) };
}

function always(picker: Picker | undefined, stats: ZoneStats): Picker {
  return {
    pick(hash, attempt, destination) {
      stats.allDirectly.value += 1;
      return picker?.pick(hash, attempt, destination);
    },
  };
}

function createResidual(zones: readonly Picker[], { own, routes }: ZonePlan, { random, stats }: ZoneOptions): Picker {
  const { localShare, capacities } = routes.kind === 'residual' ? routes : { localShare: 0, capacities: [] };
  const weighted = zones.map((picker, i) => ({ picker, weight: capacities[i] ?? 0 }));
  const sample = createWeightedSampler(
    weighted.filter(({ weight }) => weight > 0),
    random,
  );
  const { length } = zones;
  return {
    pick(hash, attempt, destination) {
      if (localShare > 0 && random() * 10_000 < localShare) {
        stats.sampled.value += 1;
        return zones[own]?.pick(hash, attempt, destination);
      }
      stats.crossZone.value += 1;
      const choice = sample();
      if (choice !== undefined) return choice.picker.pick(hash, attempt, destination);
      stats.noCapacityLeft.value += 1;
      return zones[Math.floor(random() * length)]?.pick(hash, attempt, destination);
    },
  };
}

/** So few callers are healthy that their health is not to be believed, and their shares not either. */
function distrust(plain: Picker, { zoneAware, stats }: ZoneOptions): Picker {
  return {
    pick(hash, attempt, destination) {
      stats.localClusterNotOk.value += 1;
      return zoneAware.failsTrafficOnPanic ? undefined : plain.pick(hash, attempt, destination);
    },
  };
}

function isInPanic(hosts: readonly Host[], thresholdPercent: number): boolean {
  return (100 * hosts.filter(isAvailable).length) / hosts.length < thresholdPercent;
}

function groupByPlace(hosts: readonly Host[]): ReadonlyMap<string, readonly Host[]> {
  const groups = new Map<string, Host[]>();
  for (const host of hosts) {
    const key = keyOf(host.endpoint.locality);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [host]);
    else group.push(host);
  }
  return groups;
}

function keyOf({ region, zone, subZone }: Place): string {
  return JSON.stringify([region, zone, subZone]);
}

function isAvailable(host: Host): boolean {
  return host.isAvailable;
}
