/** All clusters in use, by name. The request path reads the map; updates build a new one and swap it. */
import type { Cluster, ClusterLoadAssignment, Place } from '../api/cluster.ts';
import { isDeepStrictEqual } from 'node:util';
import type { FieldError } from '../common/decoded.ts';
import type { Lifecycle } from '../common/lifecycle.ts';
import { UpstreamCluster, type UpstreamContext } from './cluster.ts';
import { Dns, type DnsOptions } from './dns/dns.ts';
import { NodeDnsResolver } from './dns/resolver.ts';
import { findKeepaliveFault } from './tcp-keepalive.ts';
import { WarmingClusters } from './warming-clusters.ts';

const sweepIntervalMs = 1_000;

export interface ClusterManagerContext
  extends Omit<UpstreamContext, 'dns' | 'localCluster'>, Partial<Pick<DnsOptions, 'resolver'>> {
  /** Default: the proxy is nowhere. */
  readonly isOwnAddress?: DnsOptions['isOwnAddress'];
  /** Which of the static clusters is the proxy's own service, and where in it the proxy is. Default: none is. */
  readonly local?: { readonly clusterName: string; readonly place: Place } | undefined;
}

export class ClusterManager implements Lifecycle {
  readonly dns: Dns;
  readonly #context: UpstreamContext;
  readonly #staticClusters = new Map<string, UpstreamCluster>();
  /** Endpoints by EDS service name: they may arrive before the cluster that wants them, and outlive its changes. */
  readonly #assignments = new Map<string, ClusterLoadAssignment>();
  readonly #warming: WarmingClusters;
  #clusters: ReadonlyMap<string, UpstreamCluster> = new Map();
  #cancelSweep: (() => void) | undefined = undefined;
  #isStarted = false;

  constructor(context: ClusterManagerContext, staticClusters: readonly Cluster[]) {
    const { resolver = new NodeDnsResolver(), isOwnAddress = () => false, local, ...upstream } = context;
    this.dns = new Dns({ ...upstream, resolver, isOwnAddress });
    const localCluster = local && {
      place: local.place,
      hosts: () => this.#staticClusters.get(local.clusterName)?.hosts ?? [],
    };
    this.#context = { ...upstream, dns: this.dns, ...(localCluster && { localCluster }) };
    this.#warming = new WarmingClusters(upstream.clock, (cluster) => this.#activate(cluster));
    for (const config of staticClusters) {
      this.#staticClusters.set(config.name, new UpstreamCluster(config, this.#context));
    }
    this.#clusters = new Map(this.#staticClusters);
    const ownService = this.#staticClusters.get(local?.clusterName ?? '');
    if (ownService !== undefined) ownService.onHostsChanged = () => this.#onLocalClusterChanged();
  }

  #onLocalClusterChanged(): void {
    for (const cluster of [...this.list(), ...this.#warming.list()]) cluster.onLocalClusterChanged();
  }

  /** Resolves when the names that clusters have now are looked up. */
  async start(): Promise<void> {
    this.#isStarted = true;
    this.#cancelSweep ??= this.#context.clock.setTimer(this.#sweep, sweepIntervalMs);
    const all = [...this.list(), ...this.#warming.list()];
    for (const cluster of all) this.#startTls(cluster);
    await Promise.all(all.flatMap(({ discovery }) => discovery?.start() ?? []));
  }

  /** Idle connections are all there is to let go; running requests end with their streams. */
  drain(): Promise<void> {
    return this.close();
  }

  close(): Promise<void> {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    this.#warming.close();
    for (const cluster of this.#clusters.values()) cluster.close();
    this.dns.close();
    return Promise.resolve();
  }

  /** For requests. */
  get(name: string): UpstreamCluster | undefined {
    return this.#clusters.get(name);
  }

  /** For bytes as they are, and for the proxy's own calls of gRPC services. */
  find(name: string): UpstreamCluster | undefined {
    return this.#clusters.get(name);
  }

  /** Those that take requests. */
  list(): UpstreamCluster[] {
    return [...this.#clusters.values()];
  }

  /** Whether clusters wait for their secrets or for their hosts to be checked. */
  get isWarming(): boolean {
    return this.#warming.list().length > 0;
  }

  /** Calls back when no cluster is warming, which may be at once; not after `close`. */
  onceWarm(callback: () => void): void {
    this.#warming.onceDone(callback);
  }

  /**
   * CDS, state of the world: what is not in `configs` goes, static clusters stay and win over their namesakes. One whose
   * secrets are still to come, or whose hosts have to be checked first, is not there yet, or its predecessor is, until it
   * is warm. Returns what this machine
   * cannot do, and then nothing is changed.
   */
  replaceClusters(configs: readonly Cluster[]): FieldError[] {
    const faults = faultsOf(configs);
    if (faults.length > 0) return faults;
    const next = new Map(this.#staticClusters);
    const names = new Set(configs.map(({ name }) => name));
    for (const config of configs) {
      const cluster = this.#staticClusters.has(config.name) ? undefined : this.#keepOrCreate(config);
      if (cluster !== undefined) next.set(config.name, cluster);
    }
    const previous = this.#clusters;
    this.#clusters = next;
    for (const cluster of this.#warming.list()) if (!names.has(cluster.config.name)) this.#forget(cluster);
    for (const [name, cluster] of previous) if (next.get(name) !== cluster) this.#forget(cluster);
    this.#forgetUnusedAssignments();
    this.#warming.settle();
    return [];
  }

  /**
   * Which cluster serves from now on; undefined when none is ready to. An unchanged one keeps its connections; a changed
   * one starts with the endpoints already known.
   */
  #keepOrCreate(config: Cluster): UpstreamCluster | undefined {
    const current = this.#clusters.get(config.name);
    if (isDeepStrictEqual(this.#warming.get(config.name)?.config, config)) return current;
    this.#warming.drop(config.name);
    if (current !== undefined && isDeepStrictEqual(current.config, config)) return current;
    const created = this.#create(config, current);
    if (created.isWarm) return created;
    this.#warming.add(created);
    return current;
  }

  #create(config: Cluster, predecessor: UpstreamCluster | undefined): UpstreamCluster {
    const created = new UpstreamCluster(config, this.#context);
    if (predecessor !== undefined) created.succeed(predecessor);
    if (this.#isStarted) {
      this.#startTls(created);
      void created.discovery?.start();
    }
    const assignment =
      config.discovery.kind === 'eds' ? this.#assignments.get(config.discovery.serviceName) : undefined;
    if (assignment !== undefined) created.receiveAssignment(assignment);
    return created;
  }

  #activate(cluster: UpstreamCluster): void {
    const { name } = cluster.config;
    const predecessor = this.#clusters.get(name);
    this.#clusters = new Map(this.#clusters).set(name, cluster);
    predecessor?.close();
    // Both counted their hosts under one name.
    cluster.rebuildPicker();
  }

  /** Statistics go with the last of a name. */
  #forget(cluster: UpstreamCluster): void {
    const { name } = cluster.config;
    if (this.#warming.get(name) === cluster) this.#warming.drop(name);
    else cluster.close();
    if (this.#clusters.has(name) || this.#warming.get(name) !== undefined) return;
    this.#context.stats.remove([...cluster.stats.all, ...(cluster.tls?.stats.all ?? [])]);
  }

  /** Files are read now rather than at the first request, if there is a process that reads them. */
  #startTls(cluster: UpstreamCluster): void {
    if (this.#context.certificates !== undefined) cluster.tls?.start();
  }

  #forgetUnusedAssignments(): void {
    const all = [...this.list(), ...this.#warming.list()];
    const used = new Set(all.map(({ config }) => serviceNameOf(config)));
    for (const name of this.#assignments.keys()) if (!used.has(name)) this.#assignments.delete(name);
  }

  /** EDS: the endpoints of every cluster that asks for this service name. */
  updateAssignment(assignment: ClusterLoadAssignment): void {
    this.#assignments.set(assignment.clusterName, assignment);
    for (const cluster of [...this.list(), ...this.#warming.list()]) {
      if (serviceNameOf(cluster.config) === assignment.clusterName) cluster.receiveAssignment(assignment);
    }
  }

  readonly #sweep = (): void => {
    const nowMs = this.#context.clock.monotonicMs();
    for (const cluster of this.#clusters.values()) cluster.sweepIdle(nowMs);
    this.#cancelSweep = this.#context.clock.setTimer(this.#sweep, sweepIntervalMs);
  };
}

function faultsOf(configs: readonly Cluster[]): FieldError[] {
  return configs.flatMap((config) => {
    const fault = findKeepaliveFault(config);
    return fault === undefined ? [] : [{ ...fault, path: `${config.name}: ${fault.path}` }];
  });
}

function serviceNameOf(config: Cluster): string | undefined {
  return config.discovery.kind === 'eds' ? config.discovery.serviceName : undefined;
}
