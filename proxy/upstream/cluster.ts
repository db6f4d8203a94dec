/** A cluster in use: its configuration, its hosts and the picker over those that take traffic. */
import { isDeepStrictEqual } from 'node:util';
import type { Cluster, ClusterLoadAssignment, ProxyProtocolVersion } from '../api/cluster.ts';
import { zoneAwarePolicies } from '../api/load-balancing.ts';
import type { SourceAddresses } from '../api/source-addresses.ts';
import type { Clock } from '../common/clock.ts';
import type { StatsStore } from '../common/stats.ts';
import type { TimerWheel } from '../common/timer-wheel.ts';
import type { MetricScope } from '../telemetry/metric-scope.ts';
import { CertificateStore } from '../tls/certificate-store.ts';
import { UpstreamTlsContext } from '../tls/upstream-tls.ts';
import { CircuitBreaker } from './circuit-breaker.ts';
import { ClusterStats } from './cluster-stats.ts';
import { HealthCheckStats } from './health-check/health-check-stats.ts';
import { HealthChecker } from './health-check/health-checker.ts';
import type { ProberFactory } from './health-check/prober.ts';
import { SocketProber } from './health-check/socket-prober.ts';
import { Host } from './host.ts';
import { OutlierDetector } from './outlier/outlier-detector.ts';
import { OutlierStats } from './outlier/outlier-stats.ts';
import type { Dns } from './dns/dns.ts';
import { DynamicHosts } from './dns/dynamic-hosts.ts';
import type { HostDiscovery } from './dns/host-discovery.ts';
import { ResolvedEndpoints } from './dns/resolved-endpoints.ts';
import { type ClusterPicker, createClusterPicker, type ZoneRouting } from './cluster-picker.ts';
import { OriginalDestinations } from './original-destinations.ts';
import type { Picker, Random } from './picker.ts';
import { slowStartFactor } from './slow-start.ts';
import type { LocalCluster } from './zone-aware.ts';
import { ZoneStats } from './zone-stats.ts';
import type { StreamPoolFactory } from './upstream-stream.ts';

/** What everything upstream shares. */
export interface UpstreamContext {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly random: Random;
  readonly stats: StatsStore;
  /** How health checks reach hosts. Default: over sockets. */
  readonly createProber?: ProberFactory;
  /** Default: one that opens connections. */
  readonly createHttp2Pool?: StreamPoolFactory;
  /** Where clusters that go by names look them up; such a cluster cannot be without it. */
  readonly dns?: Dns;
  /** Where clusters with TLS get their secrets. Default: one of their own, which reads files when they are needed. */
  readonly certificates?: CertificateStore;
  /** The proxy's own service. Default: nobody knows it, and there is no zone aware routing. */
  readonly localCluster?: LocalCluster;
}

export class UpstreamCluster {
  readonly config: Cluster;
  readonly context: UpstreamContext;
  readonly stats: ClusterStats;
  readonly circuitBreaker: CircuitBreaker;
  /** Undefined: hosts are spoken to in plain text. */
  readonly tls: UpstreamTlsContext | undefined;
  /** Undefined where addresses stand in the configuration or come from EDS. */
  readonly discovery: HostDiscovery | undefined;
  /** Undefined: nothing depends on where the proxy is. */
  readonly #zones: ZoneRouting | undefined;
  readonly #outlierDetector: OutlierDetector | undefined;
  readonly #healthChecker: HealthChecker | undefined;
  #hosts = new Map<string, Host>();
  #clusterPicker: ClusterPicker;
  #picker: Picker;
  #overprovisioningFactor = 140;
  /** From EDS, the last. */
  #received: ClusterLoadAssignment | undefined = undefined;
  /** Monotonic; until then new hosts are led up to their weights; 0 when there are none. */
  #slowStartEndMs = 0;
  #hasAssignment = false;
  /** Called when the cluster becomes warm; set by whoever waits for that. */
  onWarm: (() => void) | undefined = undefined;
  /** Called when hosts came or went, or their health changed. */
  onHostsChanged: (() => void) | undefined = undefined;
  /** Where requests are counted that never got a host. */
  metricScope: MetricScope | undefined = undefined;

  constructor(config: Cluster, context: UpstreamContext) {
    this.config = config;
    this.context = context;
    this.stats = new ClusterStats(context.stats, config.name);
    this.circuitBreaker = new CircuitBreaker(config.circuitBreakers, this.stats);
    this.stats.add(this.circuitBreaker.publish(context.stats, config.name));
    this.tls = this.#createTls();
    this.#zones = this.#createZoneRouting();
    this.#outlierDetector = this.#createOutlierDetector();
    this.#healthChecker = this.#createHealthChecker();
    this.discovery = this.#createDiscovery();
    this.#clusterPicker = this.#createPicker();
    this.#picker = this.#clusterPicker.picker;
    if (config.discovery.kind === 'eds') this.stats.updateAttempt.value += 1;
    if (config.discovery.kind === 'static') this.updateAssignment(config.discovery.assignment);
  }

  get sourceAddresses(): SourceAddresses | undefined {
    return this.config.sourceAddresses;
  }

  get proxyProtocol(): ProxyProtocolVersion | undefined {
    return this.config.proxyProtocol;
  }

  #createTls(): UpstreamTlsContext | undefined {
    const { name, tls } = this.config;
    if (tls === undefined) return undefined;
    const { clock, stats, certificates: store = new CertificateStore({ clock }) } = this.context;
    return new UpstreamTlsContext(tls, { store, stats, clusterName: name, onUpdate: () => this.#checkWarm() });
  }

  #createZoneRouting(): ZoneRouting | undefined {
    const { name, lbPolicy, loadBalancing } = this.config;
    const { localCluster: local, stats } = this.context;
    const isAble = zoneAwarePolicies.has(lbPolicy) && loadBalancing.zoneAware.routingEnabledPercent > 0;
    if (local === undefined || !isAble) return undefined;
    const zoneStats = new ZoneStats(stats, name);
    this.stats.add(zoneStats.all);
    return { local, stats: zoneStats };
  }

  #createOutlierDetector(): OutlierDetector | undefined {
    const { name, outlierDetection } = this.config;
    if (outlierDetection === undefined) return undefined;
    const { clock, random } = this.context;
    const stats = new OutlierStats(this.context.stats, name);
    this.stats.add(stats.all);
    return new OutlierDetector(outlierDetection, { clock, random, stats });
  }

  #createHealthChecker(): HealthChecker | undefined {
    const { name, healthCheck } = this.config;
    if (healthCheck === undefined) return undefined;
    const { clock, random, createProber = (config) => new SocketProber(config, this) } = this.context;
    const stats = new HealthCheckStats(this.context.stats, name);
    this.stats.add(stats.all);
    return new HealthChecker(healthCheck, {
      clock,
      random,
      stats,
      createProber,
      hasTraffic: () => this.stats.connections.value > 0,
      onHealthChanged: (host) => this.#onHealthChanged(host),
    });
  }

  /** Takes over what a namesake, which this cluster replaces, found out about its hosts. Before there are any. */
  succeed(previous: UpstreamCluster): void {
    this.#healthChecker?.distrust(previous.hosts);
  }

  #onHealthChanged(host: Host): void {
    if (host.isLeaving && host.check?.isKnownHealthy === false) {
      this.#hosts.delete(host.address);
      host.remove();
      this.stats.membershipChange.value += 1;
      this.#onHostsChanged();
    } else {
      this.rebuildPicker();
    }
    this.#checkWarm();
  }

  /** Secrets of its TLS are still to come from SDS. */
  get isWaitingForSecrets(): boolean {
    return this.tls?.isWaitingForSds === true;
  }

  /** Whether its secrets are there and every host that there is has been checked: without either, from the start. */
  get isWarm(): boolean {
    if (this.isWaitingForSecrets) return false;
    if (this.#healthChecker === undefined) return true;
    return this.#hasAssignment && this.hosts.every(({ check }) => check?.isPending !== true);
  }

  #checkWarm(): void {
    if (this.onWarm !== undefined && this.isWarm) this.onWarm();
  }

  #createDiscovery(): HostDiscovery | undefined {
    const { discovery, name } = this.config;
    const { dns } = this.context;
    if (dns === undefined || discovery.kind === 'static' || discovery.kind === 'eds') return undefined;
    const cluster = {
      name,
      dns,
      stats: this.stats,
      hosts: () => this.hosts,
      updateAssignment: (assignment: ClusterLoadAssignment) => this.updateAssignment(assignment),
    };
    if (discovery.kind === 'original_dst') {
      return new OriginalDestinations(discovery, cluster, () => this.context.clock.monotonicMs());
    }
    if (discovery.kind === 'dynamic_forward_proxy') return new DynamicHosts(discovery.cache, cluster);
    return new ResolvedEndpoints(discovery, cluster);
  }

  /** What EDS says. Whoever repeats what is in force moves no host and starts no round anew. */
  receiveAssignment(assignment: ClusterLoadAssignment): void {
    this.stats.updateSuccess.value += 1;
    // The next one is asked for with the acknowledgement of this one.
    this.stats.updateAttempt.value += 1;
    if (isDeepStrictEqual(assignment, this.#received)) {
      this.stats.updateNoRebuild.value += 1;
    } else {
      this.#received = assignment;
      this.updateAssignment(assignment);
    }
  }

  /** Hosts that stay keep their connections; hosts that go finish what they are doing. */
  updateAssignment({ endpoints, overprovisioningFactor }: ClusterLoadAssignment): void {
    this.#overprovisioningFactor = overprovisioningFactor;
    const hosts = new Map<string, Host>();
    for (const endpoint of endpoints) {
      const key = `${endpoint.address}:${endpoint.port}`;
      const host = this.#hosts.get(key) ?? new Host(this, endpoint);
      if (host.endpoint.workload !== endpoint.workload) host.metricScope = undefined;
      host.endpoint = endpoint;
      host.isLeaving = false;
      hosts.set(key, host);
    }
    for (const [key, host] of this.#hosts) {
      if (hosts.has(key)) continue;
      host.isLeaving = this.#healthChecker?.keeps(host) === true;
      if (host.isLeaving) hosts.set(key, host);
      else host.remove();
    }
    const isChanged = hosts.size !== this.#hosts.size || [...hosts.keys()].some((key) => !this.#hosts.has(key));
    if (isChanged) this.stats.membershipChange.value += 1;
    this.#hosts = hosts;
    this.#hasAssignment = true;
    this.#onHostsChanged();
    this.#checkWarm();
  }

  #onHostsChanged(): void {
    const { hosts } = this;
    this.#outlierDetector?.updateHosts(hosts);
    this.#healthChecker?.updateHosts(hosts);
    this.rebuildPicker();
  }

  /** Called when a host came, went, or became available or unavailable: a new picker over those that are available. */
  rebuildPicker(): void {
    const available = this.hosts.filter((host) => host.isAvailable);
    this.stats.membershipTotal.value = this.#hosts.size;
    this.stats.membershipHealthy.value = available.length;
    this.#replacePicker();
    this.onHostsChanged?.();
  }

  /** Instances of the proxy's own service came, went, or became available or unavailable. */
  onLocalClusterChanged(): void {
    if (this.#zones !== undefined) this.#replacePicker();
  }

  #replacePicker(): void {
    this.#clusterPicker = this.#createPicker();
    this.#picker = this.#clusterPicker.picker;
  }

  #createPicker(): ClusterPicker {
    const own = this.discovery?.picker;
    if (own !== undefined) return { picker: own, pickerWithout: () => undefined };
    const { lbPolicy, loadBalancing } = this.config;
    const { clock, random } = this.context;
    return createClusterPicker(this.hosts, {
      lbPolicy,
      loadBalancing,
      clock,
      random,
      overprovisioningFactor: this.#overprovisioningFactor,
      weightOf: this.#createWeigher(),
      healthyPanic: this.stats.healthyPanic,
      zones: this.#zones,
    });
  }

  /** The weights of hosts now; also notes until when they change. */
  #createWeigher(): (host: Host) => number {
    const { slowStart } = this.config.loadBalancing;
    if (slowStart === undefined) return ({ endpoint }) => endpoint.weight;
    const nowMs = this.context.clock.monotonicMs();
    for (const { createdMs } of this.hosts) {
      const endMs = createdMs + slowStart.windowMs;
      if (endMs > nowMs) this.#slowStartEndMs = Math.max(this.#slowStartEndMs, endMs);
    }
    return ({ createdMs, endpoint }) => endpoint.weight * slowStartFactor(nowMs - createdMs, slowStart);
  }

  get hosts(): readonly Host[] {
    return [...this.#hosts.values()];
  }

  /** `hash`: of the request, when its route makes one. `attempt`: how often a host for it was asked for and not liked. `destination`: of the request, once the forward proxy filter has found it. */
  pick(hash?: number, attempt?: number, destination?: string): Host | undefined {
    return this.#picker.pick(hash, attempt, destination);
  }

  /** For retries that pass over priorities; undefined when no other has a healthy host. */
  pickerWithout(priorities: ReadonlySet<number>): Picker | undefined {
    return this.#clusterPicker.pickerWithout(priorities);
  }

  /** Called once a second: closes what was idle for too long, and leads new hosts on. */
  sweepIdle(nowMs: number): void {
    if (this.#slowStartEndMs > 0) {
      this.#slowStartEndMs = 0;
      this.#replacePicker();
    }
    for (const host of this.#hosts.values()) host.sweepIdle(nowMs);
    this.discovery?.sweep?.(nowMs);
  }

  close(): void {
    this.tls?.close();
    this.discovery?.close();
    this.#outlierDetector?.close();
    this.#healthChecker?.close();
    for (const host of this.#hosts.values()) host.remove();
  }
}
