/** The picker of a whole cluster: priority first, then locality where localities have weights, then the policy's host. */
import type { Locality } from '../api/cluster.ts';
import { type LbPolicy, zoneAwarePolicies } from '../api/load-balancing.ts';
import type { Stat } from '../common/stats.ts';
import type { Host } from './host.ts';
import { hashPolicies, type Picker, type PickerOptions, pickers, type Random, type WeightedHost } from './picker.ts';
import { healthOf, type LoadRules, type PriorityLoad, spreadLoad } from './priority-load.ts';
import { createWeightedSampler } from './random.ts';
import { createZonePicker, type LocalCluster } from './zone-aware.ts';
import type { ZoneStats } from './zone-stats.ts';

export interface ClusterPickerOptions extends PickerOptions {
  readonly lbPolicy: LbPolicy;
  readonly overprovisioningFactor: number;
  /** Weight of a host now: its own, or less while it starts. */
  readonly weightOf: (host: Host) => number;
  /** Counts requests that are balanced in panic. */
  readonly healthyPanic: Stat;
  /** Undefined: localities without weights only group hosts. */
  readonly zones: ZoneRouting | undefined;
}

/** What zone aware routing needs besides the cluster's own hosts. */
export interface ZoneRouting {
  readonly local: LocalCluster;
  readonly stats: ZoneStats;
}

export interface ClusterPicker {
  /** Of every first attempt. */
  readonly picker: Picker;
  /**
   * For a retry that wants to go elsewhere: the load of the priorities in `passedOver` is spread over the others. Undefined
   * when these have no healthy host.
   */
  pickerWithout(passedOver: ReadonlySet<number>): Picker | undefined;
}

export function createClusterPicker(hosts: readonly Host[], options: ClusterPickerOptions): ClusterPicker {
  const groups = groupBy(hosts, ({ endpoint }) => endpoint.priority).sort(([a], [b]) => a - b);
  const counts = groups.map(([, members]) => countHealth(members));
  const rules: LoadRules = {
    overprovisioningFactor: options.overprovisioningFactor,
    panicThresholdPercent: options.loadBalancing.panicThresholdPercent,
  };
  const loads = spreadLoad(counts, rules);
  const priorities = groups.map(([priority, members], i): Priority => {
    const isPanic = loads[i]?.isPanic === true;
    return { picker: once(() => createPriorityPicker({ priority, members, isPanic }, options)) };
  });
  const without = new Map<string, Picker | undefined>();
  return {
    picker: joinPriorities(priorities, loads, options.random),
    pickerWithout(passedOver) {
      const key = [...passedOver].sort((a, b) => a - b).join();
      if (!without.has(key)) {
        const left = counts.map((count, i) =>
          passedOver.has(groups[i]?.[0] ?? 0) ? { ...count, available: 0 } : count,
        );
        const isAny = left.some(({ available }) => available > 0);
        without.set(key, isAny ? joinPriorities(priorities, spreadLoad(left, rules), options.random) : undefined);
      }
      return without.get(key);
    },
  };
}

interface Priority {
  /** Rings and tables cost time to build: only those in use are. */
  readonly picker: () => Picker;
}

function joinPriorities(priorities: readonly Priority[], loads: readonly PriorityLoad[], random: Random): Picker {
  const choices = priorities.flatMap(({ picker }, i) => {
    const share = loads[i]?.share ?? 0;
    return share === 0 ? [] : [{ weight: share, picker: picker() }];
  });
  const [only] = choices;
  if (choices.length <= 1) return only?.picker ?? nobody;
  const sample = createWeightedSampler(choices, random);
  return {
    pick(hash, attempt) {
      const choice = hash === undefined ? sample() : chooseByHash(choices, hash);
      return choice?.picker.pick(hash, attempt);
    },
  };
}

function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
}

const nobody: Picker = { pick: () => undefined };

/** Requests with one hash stay in one priority. The prime keeps this choice apart from the one of a host. */
function chooseByHash<T extends { readonly weight: number }>(choices: readonly T[], hash: number): T | undefined {
  let point = (hash % 9_973) / 9_973;
  for (const choice of choices) {
    if (point < choice.weight) return choice;
    point -= choice.weight;
  }
  return choices.at(-1);
}

interface PriorityHosts {
  readonly priority: number;
  readonly members: readonly Host[];
  readonly isPanic: boolean;
}

function createPriorityPicker({ priority, members, isPanic }: PriorityHosts, options: ClusterPickerOptions): Picker {
  const { lbPolicy, loadBalancing } = options;
  if (isPanic) {
    const isRefused = loadBalancing.zoneAware.failsTrafficOnPanic && zoneAwarePolicies.has(lbPolicy);
    return countPicks(isRefused ? nobody : createHostPicker(members, options), options.healthyPanic);
  }
  const plain = (): Picker =>
    (priority === 0 ? zonePickerOf(members, options) : undefined) ??
    createHostPicker(members.filter(isAvailable), options);
  if (!loadBalancing.isLocalityWeighted) return plain();
  const localities = groupBy(members, ({ endpoint }) => endpoint.locality).flatMap(([locality, hosts]) => {
    const weight = effectiveWeight(locality, hosts, options);
    return weight === 0 ? [] : [{ weight, hosts: hosts.filter(isAvailable) }];
  });
  // Nobody gave weights: as if localities had none to give.
  if (localities.length === 0) return plain();
  return hashPolicies.has(lbPolicy)
    ? createHashedLocalityPicker(localities, options)
    : createLocalityPicker(localities, options);
}

function zonePickerOf(members: readonly Host[], options: ClusterPickerOptions): Picker | undefined {
  const { zones, random, loadBalancing } = options;
  if (zones === undefined) return undefined;
  const { zoneAware, panicThresholdPercent } = loadBalancing;
  const createPicker = (hosts: readonly Host[]): Picker => createHostPicker(hosts, options);
  return createZonePicker(members, { ...zones, zoneAware, panicThresholdPercent, random, createPicker });
}

function countPicks(picker: Picker, counter: Stat): Picker {
  return {
    pick(hash, attempt) {
      counter.value += 1;
      return picker.pick(hash, attempt);
    },
  };
}

interface WeightedLocality {
  readonly weight: number;
  readonly hosts: readonly Host[];
}

/** A locality that loses hosts hands load to the others, after what overprovisioning covers. */
function effectiveWeight(locality: Locality, hosts: readonly Host[], options: ClusterPickerOptions): number {
  return locality.weight * healthOf(countHealth(hosts), options.overprovisioningFactor);
}

function createLocalityPicker(localities: readonly WeightedLocality[], options: ClusterPickerOptions): Picker {
  const choices = localities.map(({ weight, hosts }) => ({ weight, picker: createHostPicker(hosts, options) }));
  const sample = createWeightedSampler(choices, options.random);
  return { pick: (hash, attempt) => sample()?.picker.pick(hash, attempt) };
}

/** One ring or table for all localities, because the hash has to decide: hosts weigh their part of their locality's weight. */
function createHashedLocalityPicker(localities: readonly WeightedLocality[], options: ClusterPickerOptions): Picker {
  const weighted = localities.flatMap(({ weight, hosts }) => {
    const own = hosts.map((host): WeightedHost => ({ host, weight: options.weightOf(host) }));
    const total = own.reduce((sum, { weight }) => sum + weight, 0);
    return own.map((host): WeightedHost => ({ ...host, weight: (weight * host.weight) / total }));
  });
  return pickers[options.lbPolicy](weighted, options);
}

function createHostPicker(hosts: readonly Host[], options: ClusterPickerOptions): Picker {
  const weighted = hosts.map((host): WeightedHost => ({ host, weight: options.weightOf(host) }));
  return pickers[options.lbPolicy](weighted, options);
}

function countHealth(hosts: readonly Host[]): { available: number; total: number } {
  return { available: hosts.filter(isAvailable).length, total: hosts.length };
}

function isAvailable(host: Host): boolean {
  return host.isAvailable;
}

function groupBy<K>(hosts: readonly Host[], keyOf: (host: Host) => K): [K, Host[]][] {
  const groups = new Map<K, Host[]>();
  for (const host of hosts) {
    const key = keyOf(host);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [host]);
    else group.push(host);
  }
  return [...groups];
}
