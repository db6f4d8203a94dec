/** All clusters in use, by name. The request path reads the map; updates build a new one and swap it. */
import type { Cluster, ClusterLoadAssignment } from '../api/cluster.ts';
import { isDeepStrictEqual } from 'node:util';
import type { Lifecycle } from '../common/lifecycle.ts';
import { UpstreamCluster, type UpstreamContext } from './cluster.ts';
import { Dns, type DnsOptions } from './dns/dns.ts';
import { NodeDnsResolver } from './dns/resolver.ts';

const sweepIntervalMs = 1_000;

export interface ClusterManagerContext extends Omit<UpstreamContext, 'dns'>, Partial<Pick<DnsOptions, 'resolver'>> {
  /** Default: the proxy is nowhere. */
  readonly isOwnAddress?: DnsOptions['isOwnAddress'];
}

export class ClusterManager implements Lifecycle {
  readonly dns: Dns;
  readonly #context: UpstreamContext;
  readonly #staticClusters = new Map<string, UpstreamCluster>();
  /** Endpoints by EDS service name: they may arrive before the cluster that wants them, and outlive its changes. */
  readonly #assignments = new Map<string, ClusterLoadAssignment>();
  #clusters: ReadonlyMap<string, UpstreamCluster> = new Map();
  #cancelSweep: (() => void) | undefined = undefined;
  #isStarted = false;

  constructor(context: ClusterManagerContext, staticClusters: readonly Cluster[]) {
    const { resolver = new NodeDnsResolver(), isOwnAddress = () => false, ...upstream } = context;
    this.dns = new Dns({ ...upstream, resolver, isOwnAddress });
    this.#context = { ...upstream, dns: this.dns };
    for (const config of staticClusters) {
      this.#staticClusters.set(config.name, new UpstreamCluster(config, this.#context));
    }
    this.#clusters = new Map(this.#staticClusters);
  }

  /** Resolves when the names that clusters have now are looked up. */
  async start(): Promise<void> {
    this.#isStarted = true;
    this.#cancelSweep ??= this.#context.clock.setTimer(this.#sweep, sweepIntervalMs);
    await Promise.all(this.list().flatMap(({ discovery }) => discovery?.start() ?? []));
  }

  /** Idle connections are all there is to let go; running requests end with their streams. */
  drain(): Promise<void> {
    return this.close();
  }

  close(): Promise<void> {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    for (const cluster of this.#clusters.values()) cluster.close();
    this.dns.close();
    return Promise.resolve();
  }

  get(name: string): UpstreamCluster | undefined {
    return this.#clusters.get(name);
  }

  list(): UpstreamCluster[] {
    return [...this.#clusters.values()];
  }

  /** CDS, state of the world: what is not in `configs` goes, static clusters stay and win over their namesakes. */
  replaceClusters(configs: readonly Cluster[]): void {
    const next = new Map(this.#staticClusters);
    for (const config of configs) {
      if (this.#staticClusters.has(config.name)) continue;
      next.set(config.name, this.#keepOrCreate(config));
    }
    const previous = this.#clusters;
    this.#clusters = next;
    for (const [name, cluster] of previous) {
      if (next.get(name) === cluster) continue;
      cluster.close();
      if (!next.has(name)) this.#context.stats.remove(cluster.stats.all);
    }
    this.#forgetUnusedAssignments();
  }

  /** An unchanged cluster keeps its connections; a changed one starts with the endpoints already known. */
  #keepOrCreate(config: Cluster): UpstreamCluster {
    const current = this.#clusters.get(config.name);
    if (current !== undefined && isDeepStrictEqual(current.config, config)) return current;
    const created = new UpstreamCluster(config, this.#context);
    if (current !== undefined) created.succeed(current);
    if (this.#isStarted) void created.discovery?.start();
    const assignment =
      config.discovery.kind === 'eds' ? this.#assignments.get(config.discovery.serviceName) : undefined;
    if (assignment !== undefined) created.receiveAssignment(assignment);
    return created;
  }

  #forgetUnusedAssignments(): void {
    const used = new Set(this.list().map(({ config }) => serviceNameOf(config)));
    for (const name of this.#assignments.keys()) if (!used.has(name)) this.#assignments.delete(name);
  }

  /** EDS: the endpoints of every cluster that asks for this service name. */
  updateAssignment(assignment: ClusterLoadAssignment): void {
    this.#assignments.set(assignment.clusterName, assignment);
    for (const cluster of this.#clusters.values()) {
      if (serviceNameOf(cluster.config) === assignment.clusterName) cluster.receiveAssignment(assignment);
    }
  }

  readonly #sweep = (): void => {
    const nowMs = this.#context.clock.monotonicMs();
    for (const cluster of this.#clusters.values()) cluster.sweepIdle(nowMs);
    this.#cancelSweep = this.#context.clock.setTimer(this.#sweep, sweepIntervalMs);
  };
}

function serviceNameOf(config: Cluster): string | undefined {
  return config.discovery.kind === 'eds' ? config.discovery.serviceName : undefined;
}
