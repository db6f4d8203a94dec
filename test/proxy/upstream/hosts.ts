/** A cluster of hosts on addresses that nobody connects to, for what can be decided without sockets. */
import { decodeClusterLoadAssignment } from '../../../proxy/api/endpoint-decoder.ts';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import type { LbPolicy } from '../../../proxy/api/load-balancing.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { TimerWheel } from '../../../proxy/common/timer-wheel.ts';
import { UpstreamCluster } from '../../../proxy/upstream/cluster.ts';
import { ClusterManager } from '../../../proxy/upstream/cluster-manager.ts';
import type { Cluster, ClusterLoadAssignment, LocalityLbEndpoints } from '../../../proxy/api/envoy.gen.ts';
import { edsCluster, type EndpointJson, loadAssignment, peakEwmaPolicy } from '../../support/envoy-json.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { seededRandom } from '../../support/seeded-random.ts';

export interface HostedClusterOptions extends Cluster {
  readonly seed?: number;
}

export class HostedCluster {
  readonly clock = new ManualClock();
  readonly cluster: UpstreamCluster;

  constructor(
    lbPolicy: LbPolicy,
    endpoints: readonly EndpointJson[] = [],
    { seed = 1, ...rest }: HostedClusterOptions = {},
  ) {
    const { clock } = this;
    const context = { clock, timers: new TimerWheel(clock), random: seededRandom(seed), stats: new StatsStore() };
    const policy = lbPolicy === 'PEAK_EWMA' ? peakEwmaPolicy() : { lb_policy: lbPolicy };
    const config = requireValue(decodeCluster(edsCluster('cluster', { ...policy, ...rest })), 'cluster');
    this.cluster = new UpstreamCluster(config, context);
    this.setEndpoints(endpoints);
  }

  setEndpoints(endpoints: readonly EndpointJson[]): void {
    this.setAssignment(loadAssignment('cluster', endpoints));
  }

  setAssignment(assignment: ClusterLoadAssignment): void {
    this.cluster.updateAssignment(requireValue(decodeClusterLoadAssignment(assignment), 'eds'));
  }

  /** The port of the host that one request goes to. */
  pick(hash?: number): number | undefined {
    return this.cluster.pick(hash)?.endpoint.port;
  }

  /** How often each port is picked in `times` picks. */
  count(times: number): Record<number, number> {
    const counts: Record<number, number> = {};
    for (let i = 0; i < times; i++) {
      const port = this.pick() ?? 0;
      counts[port] = (counts[port] ?? 0) + 1;
    }
    return counts;
  }
}

export interface ZonedOptions extends Cluster {
  /** Default: the bootstrap names the local cluster. */
  readonly isLocalKnown?: boolean;
}

/** A cluster beside the proxy's own service, in a proxy at `place`. Ports below 10 are in the proxy's zone. */
export class ZonedClusters {
  readonly clusters: ClusterManager;
  readonly #stats = new StatsStore();

  constructor(lbPolicy: LbPolicy, place: { region: string; zone: string }, options: ZonedOptions = {}) {
    const { isLocalKnown = true, ...rest } = options;
    const clock = new ManualClock();
    const local = isLocalKnown ? { clusterName: 'local_cluster', place: { ...place, subZone: '' } } : undefined;
    const decoded = (json: Cluster) => requireValue(decodeCluster(json), 'cluster');
    this.clusters = new ClusterManager(
      { clock, timers: new TimerWheel(clock), random: seededRandom(1), stats: this.#stats, local },
      [decoded(edsCluster('local_cluster'))],
    );
    const policy = lbPolicy === 'PEAK_EWMA' ? peakEwmaPolicy() : { lb_policy: lbPolicy };
    this.clusters.replaceClusters([decoded(edsCluster('cluster', { ...policy, ...rest }))]);
  }

  setUpstream(endpoints: readonly LocalityLbEndpoints[]): void {
    this.#set('cluster', endpoints);
  }

  setLocal(endpoints: readonly LocalityLbEndpoints[]): void {
    this.#set('local_cluster', endpoints);
  }

  #set(cluster_name: string, endpoints: readonly LocalityLbEndpoints[]): void {
    const json = { cluster_name, endpoints: [...endpoints] };
    this.clusters.updateAssignment(requireValue(decodeClusterLoadAssignment(json), 'eds'));
  }

  pick(): number | undefined {
    return this.clusters.get('cluster')?.pick()?.endpoint.port;
  }

  count(times: number): Record<number, number> {
    const counts: Record<number, number> = {};
    for (let i = 0; i < times; i++) {
      const port = this.pick() ?? 0;
      counts[port] = (counts[port] ?? 0) + 1;
    }
    return counts;
  }

  shareOfA(times: number): number {
    const inside = Object.entries(this.count(times)).reduce((sum, [port, n]) => (Number(port) < 10 ? sum + n : sum), 0);
    return inside / times;
  }

  stat(name: string): number {
    return this.#stats.counter(`cluster.cluster.${name}`).value;
  }

  statNames(): string[] {
    return this.#stats.entries().map((stat) => stat.name.replace('cluster.cluster.', ''));
  }
}
