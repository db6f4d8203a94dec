/**
 * The sidecar's composition root: builds everything in the order in which a request meets it, and takes it down in
 * reverse.
 */
import type { Bootstrap } from './bootstrap.ts';
import { AccessLogs } from './access-logs.ts';
import { AdminServer } from './admin.ts';
import type { Listener } from './api/listener.ts';
import { Backoff } from './common/backoff.ts';
import { type Clock, systemClock } from './common/clock.ts';
import type { Lifecycle } from './common/lifecycle.ts';
import { isLocalAddress } from './common/local-address.ts';
import { type Logger, createLogger } from './common/log.ts';
import { onSocketFault } from './common/socket-fault.ts';
import { StatsStore } from './common/stats.ts';
import { TimerWheel } from './common/timer-wheel.ts';
import { AuthorizationClient } from './filter/authorization-client.ts';
import { HealthReporter } from './health-reporter.ts';
import { leaveRotation } from './leave-rotation.ts';
import { ListenerComponents, routeConfigNames } from './listener-components.ts';
import { ConnectionLimit } from './listener/connection-limit.ts';
import { readSystemResolvers, type SystemResolvers } from './dns/system-resolvers.ts';
import { ListenerManager } from './listener/listener-manager.ts';
import { Quotas } from './quota/quotas.ts';
import { RouteConfigs } from './router/route-configs.ts';
import { IstioMetrics } from './telemetry/istio-metrics.ts';
import { MetricsSink } from './telemetry/metrics-sink.ts';
import { SeriesExpiry } from './telemetry/series-expiry.ts';
import type { MetricRules } from './api/metric-rules.ts';
import { CertificateStore } from './tls/certificate-store.ts';
import { Tracers } from './tracing/tracers.ts';
import { ClusterManager, type ClusterManagerContext } from './upstream/cluster-manager.ts';
import { AdsClient } from './xds/ads-client.ts';
import type { XdsSink } from './xds/sink.ts';

export interface ProxyOptions {
  readonly logger?: Logger;
  readonly clock?: Clock;
  /** Uniform in [0, 1). */
  readonly random?: () => number;
  /** How this machine looks names up, for DNS listeners; default `/etc/resolv.conf`. */
  readonly resolvConfPath?: string;
}

export class ProxyServer implements Lifecycle {
  readonly bootstrap: Bootstrap;
  readonly stats = new StatsStore();
  readonly metrics: IstioMetrics;
  readonly certificates: CertificateStore;
  readonly clusters: ClusterManager;
  readonly listeners: ListenerManager;
  readonly ads: AdsClient | undefined;
  readonly startTimeMs: number;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #random: () => number;
  readonly #timers: TimerWheel;
  readonly #routes = new RouteConfigs(this.stats);
  readonly #accessLogs: AccessLogs;
  readonly #tracers: Tracers;
  readonly #quotas: Quotas;
  readonly #authorization: AuthorizationClient;
  readonly #metricsSinks: readonly MetricsSink[];
  readonly #seriesExpiry: SeriesExpiry;
  readonly #healthReporter: HealthReporter | undefined;
  readonly #admin: AdminServer | undefined;
  readonly #resolvConfPath: string;
  #systemResolvers: SystemResolvers = { servers: [], searchDomains: [] };
  #state: 'new' | 'initializing' | 'live' | 'draining' | 'closed' = 'new';

  constructor(bootstrap: Bootstrap, options: ProxyOptions = {}) {
    const { logger, clock = systemClock, random = Math.random, resolvConfPath = '/etc/resolv.conf' } = options;
    this.bootstrap = bootstrap;
    this.#resolvConfPath = resolvConfPath;
    this.#logger = logger ?? createLogger('proxy');
    this.#clock = clock;
    this.#random = random;
    this.startTimeMs = clock.nowMs();
    this.#timers = new TimerWheel(clock);
    this.metrics = new IstioMetrics(bootstrap.node.metadata);
    const isOwnAddress = (address: string, port: number): boolean => this.#isOwnPort(port) && isLocalAddress(address);
    this.certificates = new CertificateStore({ clock, logger: this.#logger.child('tls') });
    const { certificates, stats } = this;
    const upstream = { clock, timers: this.#timers, random, stats, isOwnAddress, certificates };
    this.clusters = new ClusterManager({ ...upstream, local: localClusterOf(bootstrap) }, bootstrap.staticClusters);
    this.#accessLogs = new AccessLogs({
      node: bootstrap.node,
      reportsMetrics: bootstrap.metricsServices.length > 0,
      clusters: this.clusters,
      clock,
      random,
      stats,
      logger: this.#logger,
    });
    this.#tracers = new Tracers({
      clusters: this.clusters,
      clock,
      stats: this.stats,
      random,
      nodeId: bootstrap.node.id,
      logger: this.#logger.child('tracing'),
    });
    this.#quotas = new Quotas({
      target: (clusterName) => this.clusters.get(clusterName)?.pick()?.address,
      clock,
      random,
      stats: this.stats,
      logger: this.#logger.child('quota'),
    });
    this.#authorization = new AuthorizationClient(this.clusters, clock);
    this.listeners = this.#createListeners(bootstrap);
    this.ads = bootstrap.ads === undefined ? undefined : this.#createAdsClient(bootstrap);
    this.#healthReporter = this.#createHealthReporter(bootstrap);
    this.#metricsSinks = bootstrap.metricsServices.map(({ clusterName }) => this.#createMetricsSink(clusterName));
    this.#seriesExpiry = new SeriesExpiry(this.metrics, clock, (series) =>
      this.#metricsSinks.every((sink) => sink.hasSaid(series)),
    );
    this.#admin = bootstrap.admin === undefined ? undefined : new AdminServer(bootstrap.admin, this, this.#logger);
  }

  get state(): 'new' | 'initializing' | 'live' | 'draining' | 'closed' {
    return this.#state;
  }

  /** Milliseconds since it was made. */
  get uptimeMs(): number {
    return this.#clock.nowMs() - this.startTimeMs;
  }

  /** Port of the admin endpoint in use; undefined without one. */
  get adminPort(): number | undefined {
    return this.#admin?.port;
  }

  /** What it takes in for its application is no loop and no secret. */
  #isOwnPort(port: number): boolean {
    if (port === this.adminPort) return true;
    return this.listeners
      .list()
      .some((each) => each.config.bindsToPort && each.port === port && each.config.trafficDirection !== 'INBOUND');
  }

  /** Resolves when every listener is bound and, with a control plane, its first configuration is in force. */
  async start(): Promise<void> {
    if (this.#state !== 'new') return;
    this.#state = 'initializing';
    onSocketFault((cause) => this.#logFault(cause));
    this.#systemResolvers = readSystemResolvers(this.#resolvConfPath);
    await this.#admin?.start();
    await this.clusters.start();
    await this.listeners.start();
    this.#ruleMetrics(this.bootstrap.staticListeners);
    for (const sink of this.#metricsSinks) await sink.start();
    this.#seriesExpiry.start();
    if (this.ads !== undefined) {
      await this.ads.start();
      await this.ads.waitForInitialConfiguration();
    }
    await this.#healthReporter?.start();
    if (this.#state === 'initializing') this.#state = 'live';
  }

  #logFault(cause: unknown): void {
    this.#logger.error('a handler failed', { cause: String(stackOf(cause)) });
  }

  /**
   * Leaves in one deadline (B10): the control plane is told, nobody is sent here any more, then nothing is accepted and
   * what runs finishes. Configuration is followed to the end: what runs may make calls of its own.
   */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#state === 'draining' || this.#state === 'closed') return;
    this.#state = 'draining';
    const endMs = this.#clock.monotonicMs() + deadlineMs;
    const leftMs = (): number => Math.max(0, endMs - this.#clock.monotonicMs());
    await this.#healthReporter?.close();
    if (this.ads !== undefined) {
      await leaveRotation({ ads: this.ads, listeners: this.listeners, clock: this.#clock }, deadlineMs);
    }
    await this.listeners.drain(leftMs());
    for (const sink of this.#metricsSinks) await sink.drain(Math.min(leftMs(), 1_000));
    await this.#tracers.drain(Math.min(leftMs(), 1_000));
    await this.#accessLogs.drain(Math.min(leftMs(), 1_000));
    await this.close();
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#seriesExpiry.close();
    for (const sink of this.#metricsSinks) await sink.close();
    await this.#healthReporter?.close();
    await this.ads?.close();
    await this.listeners.close();
    this.#tracers.close();
    await this.#accessLogs.close();
    this.#quotas.close();
    this.#authorization.close();
    await this.clusters.close();
    this.certificates.close();
    await this.#admin?.close();
    this.#timers.close();
  }

  /** For the rotation of logs: files are opened anew under their paths. */
  reopenAccessLogs(): void {
    this.#accessLogs.reopen();
  }

  #createListeners({ staticListeners, maxDownstreamConnections: limit }: Bootstrap): ListenerManager {
    const components = new ListenerComponents({
      clusters: this.clusters,
      certificates: this.certificates,
      routes: this.#routes,
      metrics: this.metrics,
      accessLogs: this.#accessLogs,
      tracers: this.#tracers,
      quotas: this.#quotas,
      authorization: this.#authorization,
      timers: this.#timers,
      random: this.#random,
      clock: this.#clock,
      stats: this.stats,
      systemResolvers: () => this.#systemResolvers,
      onFault: (cause) => this.#logFault(cause),
    });
    return new ListenerManager(staticListeners, {
      components,
      connectionLimit: limit === undefined ? undefined : new ConnectionLimit(limit),
      clock: this.#clock,
      stats: this.stats,
      logger: this.#logger.child('listener'),
    });
  }

  #createMetricsSink(clusterName: string): MetricsSink {
    return new MetricsSink({
      target: () => this.clusters.get(clusterName)?.pick()?.address,
      node: this.bootstrap.node,
      metrics: this.metrics,
      stats: this.stats,
      flushIntervalMs: this.bootstrap.statsFlushIntervalMs,
      startTimeMs: this.startTimeMs,
      clock: this.#clock,
      backoff: new Backoff(250, 5_000, this.#random),
      logger: this.#logger.child('metrics'),
    });
  }

  #createAdsClient(bootstrap: Bootstrap): AdsClient {
    const name = bootstrap.ads?.clusterName ?? '';
    return new AdsClient({
      bootstrap,
      endpoints: () => this.clusters.get(name)?.hosts.map(({ endpoint }) => endpoint) ?? [],
      tls: () => this.clusters.get(name)?.tls,
      sink: this.#xdsSink(),
      clock: this.#clock,
      random: this.#random,
      logger: this.#logger.child('xds'),
    });
  }

  /** Only a proxy that announces the probe to a control plane makes it. */
  #createHealthReporter({ node }: Bootstrap): HealthReporter | undefined {
    const { ads } = this;
    const port = node.metadata.readinessProbe?.tcpPort;
    if (ads === undefined || port === undefined) return undefined;
    return new HealthReporter({ port, report: (health) => ads.reportHealth(health), clock: this.#clock });
  }

  /** All listeners of one direction count in the metrics of one side: they agree, or the last one that says something has it. */
  #ruleMetrics(listeners: readonly Listener[]): void {
    const rulesOf = (isInbound: boolean): MetricRules | undefined =>
      listeners.findLast(
        ({ trafficDirection, metricRules }) =>
          metricRules !== undefined && (trafficDirection === 'INBOUND') === isInbound,
      )?.metricRules;
    this.metrics.setRules('source', rulesOf(false));
    this.metrics.setRules('destination', rulesOf(true));
  }

  #xdsSink(): XdsSink {
    return {
      replaceClusters: (clusters) => this.clusters.replaceClusters(clusters),
      onceClustersAreWarm: (callback) => this.clusters.onceWarm(callback),
      replaceListeners: async (listeners) => {
        const errors = await this.listeners.replaceListeners(listeners);
        this.#routes.retain(routeConfigNames([...this.bootstrap.staticListeners, ...listeners]));
        if (errors.length === 0) this.#ruleMetrics([...this.bootstrap.staticListeners, ...listeners]);
        return errors;
      },
      updateAssignment: (assignment) => {
        this.clusters.updateAssignment(assignment);
        return [];
      },
      updateSecret: (secret) => this.certificates.updateSecret(secret),
      retainSecrets: (names) => this.certificates.retainSecrets(new Set(names)),
      updateRouteConfiguration: (routeConfiguration) => {
        this.#routes.update(routeConfiguration);
        this.listeners.warmListeners();
        return [];
      },
    };
  }
}

function stackOf(cause: unknown): unknown {
  return cause instanceof Error ? (cause.stack ?? cause.message) : cause;
}

/** Who does not say where it is, is in a place without a name. */
function localClusterOf({ node, localClusterName: clusterName }: Bootstrap): ClusterManagerContext['local'] {
  const place = node.metadata.locality ?? { region: '', zone: '', subZone: '' };
  return clusterName === undefined ? undefined : { clusterName, place };
}
