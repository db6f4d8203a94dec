/**
 * The sidecar's composition root: builds everything in the order in which a request meets it, and takes it down in
 * reverse.
 */
import type { Bootstrap } from './bootstrap.ts';
import { type AccessLogObserver, AccessLogWriter, createAccessLog } from './access-log.ts';
import { AdminServer } from './admin.ts';
import type { SocketAddress } from './api/address-decoder.ts';
import type { DnsFilterConfig } from './api/dns-filter.ts';
import {
  type AccessLog,
  type AccessLogSink,
  type FilterChain,
  type HttpConnectionManager,
  httpConnectionManagersOf,
  type Listener,
  type TcpProxyConfig,
} from './api/listener.ts';
import { Backoff } from './common/backoff.ts';
import { type Clock, systemClock } from './common/clock.ts';
import type { Lifecycle } from './common/lifecycle.ts';
import { isLocalAddress } from './common/local-address.ts';
import { type Logger, createLogger } from './common/log.ts';
import { onSocketFault } from './common/socket.ts';
import { StatsStore } from './common/stats.ts';
import { TimerWheel } from './common/timer-wheel.ts';
import { createHttpFilter } from './filter/http-filters.ts';
import { HealthReporter } from './health-reporter.ts';
import { leaveRotation } from './leave-rotation.ts';
import { DnsFilter } from './dns/dns-filter.ts';
import { ConnectionLimit } from './listener/connection-limit.ts';
import { DnsListener } from './dns/dns-listener.ts';
import { readSystemResolvers, type SystemResolvers } from './dns/system-resolvers.ts';
import { ConnectionManager } from './http/connection-manager.ts';
import { HttpNetworkFilter } from './listener/http-network-filter.ts';
import { ListenerManager } from './listener/listener-manager.ts';
import type { ActiveNetworkFilter } from './listener/network-filter.ts';
import { RouteConfigs } from './router/route-configs.ts';
import { RouteTable } from './router/route-table.ts';
import { TcpProxy } from './tcp/tcp-proxy.ts';
import { IstioMetrics } from './telemetry/istio-metrics.ts';
import { MetricsSink } from './telemetry/metrics-sink.ts';
import { SeriesExpiry } from './telemetry/series-expiry.ts';
import { createStreamRecorder } from './telemetry/stream-recorder.ts';
import { createTcpRecorder } from './telemetry/tcp-recorder.ts';
import type { DownstreamTls } from './api/tls.ts';
import { CertificateStore } from './tls/certificate-store.ts';
import { DownstreamTlsContext } from './tls/downstream-tls.ts';
import { Tracers } from './tracing/tracers.ts';
import { ClusterManager } from './upstream/cluster-manager.ts';
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
  readonly #accessLogs = new Map<string, AccessLogWriter>();
  readonly #tracers: Tracers;
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
    this.clusters = new ClusterManager(upstream, bootstrap.staticClusters);
    this.#tracers = new Tracers({
      clusters: this.clusters,
      clock,
      stats: this.stats,
      random,
      nodeId: bootstrap.node.id,
      logger: this.#logger.child('tracing'),
    });
    this.listeners = new ListenerManager(bootstrap.staticListeners, {
      createFilter: (listener, chain) => this.#createFilter(listener, chain),
      connectionLimit:
        bootstrap.maxDownstreamConnections === undefined
          ? undefined
          : new ConnectionLimit(bootstrap.maxDownstreamConnections),
      createTls: (listener, tls) => this.#createDownstreamTls(listener, tls),
      createDnsListener: (listener, filter) => this.#createDnsListener(listener, filter),
      createAccessLogs: ({ accessLogs }) => this.#createAccessLogs(accessLogs),
      hasRoutes: (listener) => [...routeConfigNames([listener])].every((name) => this.#routes.get(name) !== undefined),
      clock,
      stats: this.stats,
      logger: this.#logger.child('listener'),
    });
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
    await this.clusters.close();
    this.certificates.close();
    for (const log of this.#accessLogs.values()) await log.close();
    await this.#admin?.close();
    this.#timers.close();
  }

  #createFilter(listener: Listener, { filter }: FilterChain): ActiveNetworkFilter {
    if (filter.kind === 'tcp_proxy') return this.#createTcpProxy(listener, filter.config);
    return new HttpNetworkFilter(this.#createConnectionManager(listener, filter.config));
  }

  #createDownstreamTls({ address, port }: Listener, tls: DownstreamTls): DownstreamTlsContext {
    const context = new DownstreamTlsContext(tls, {
      store: this.certificates,
      stats: this.stats,
      timers: this.#timers,
      listenerAddress: `${address}_${port}`,
    });
    context.start();
    return context;
  }

  #createDnsListener(listener: Listener, filter: DnsFilterConfig): DnsListener {
    const isOwnAddress = (server: SocketAddress): boolean =>
      server.port === listener.port && isLocalAddress(server.address);
    const dependencies = { clock: this.#clock, stats: this.stats, random: this.#random, isOwnAddress };
    return new DnsListener(listener, filter, {
      createFilter: (config) => new DnsFilter(config, { ...dependencies, system: this.#systemResolvers }),
      timers: this.#timers,
      onFault: (cause) => this.#logFault(cause),
    });
  }

  #createTcpProxy({ trafficDirection }: Listener, config: TcpProxyConfig): TcpProxy {
    return new TcpProxy(config, {
      clusters: this.clusters,
      clock: this.#clock,
      random: this.#random,
      stats: this.stats,
      observers: [createTcpRecorder(this.metrics, trafficDirection), ...this.#createAccessLogs(config.accessLogs)],
    });
  }

  #createAccessLogs(logs: readonly AccessLog[]): AccessLogObserver[] {
    return logs.map((log) => createAccessLog(this.#accessLogWriter(log.sink), log, this.#random));
  }

  #createConnectionManager(listener: Listener, config: HttpConnectionManager): ConnectionManager {
    const context = {
      routes: this.#routesOf(config),
      clusters: this.clusters,
      timers: this.#timers,
      random: this.#random,
      clock: this.#clock,
      stats: this.stats,
      statPrefix: config.statPrefix,
      isInternal: listener.trafficDirection === 'OUTBOUND',
    };
    return new ConnectionManager(config, {
      clock: this.#clock,
      stats: this.stats,
      filters: config.httpFilters.map((filter) => createHttpFilter(filter, context)),
      observers: [
        createStreamRecorder(this.metrics, listener.trafficDirection),
        ...this.#createAccessLogs(config.accessLogs),
      ],
      tracer: this.#tracers.create(config, listener.trafficDirection, context.routes),
    });
  }

  /** The table that a request reads. A listener on its way out keeps the last one it had. */
  #routesOf({ routes }: HttpConnectionManager): () => RouteTable | undefined {
    if (routes.kind === 'static') {
      const table = new RouteTable(routes.routeConfig, this.stats);
      return () => table;
    }
    let last: RouteTable | undefined = undefined;
    return () => (last = this.#routes.get(routes.routeConfigName) ?? last);
  }

  /** For the rotation of logs: files are opened anew under their paths. */
  reopenAccessLogs(): void {
    for (const log of this.#accessLogs.values()) log.reopen();
  }

  /** One writer per destination, whoever logs there. */
  #accessLogWriter(sink: AccessLogSink): AccessLogWriter {
    const key = sink.kind === 'file' ? sink.path : `/dev/${sink.kind}`;
    let writer = this.#accessLogs.get(key);
    if (writer === undefined) {
      writer = new AccessLogWriter(sink, { clock: this.#clock, logger: this.#logger, stats: this.stats });
      this.#accessLogs.set(key, writer);
    }
    return writer;
  }

  #createMetricsSink(clusterName: string): MetricsSink {
    return new MetricsSink({
      target: () => this.clusters.find(clusterName)?.pick()?.address,
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
      endpoints: () => this.clusters.find(name)?.hosts.map(({ endpoint }) => endpoint) ?? [],
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

  #xdsSink(): XdsSink {
    return {
      replaceClusters: (clusters) => this.clusters.replaceClusters(clusters),
      onceClustersAreWarm: (callback) => this.clusters.onceWarm(callback),
      replaceListeners: async (listeners) => {
        const errors = await this.listeners.replaceListeners(listeners);
        this.#routes.retain(routeConfigNames([...this.bootstrap.staticListeners, ...listeners]));
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

function routeConfigNames(listeners: readonly Listener[]): Set<string> {
  const names = new Set<string>();
  for (const { routes } of listeners.flatMap(httpConnectionManagersOf)) {
    if (routes.kind === 'rds') names.add(routes.routeConfigName);
  }
  return names;
}

function stackOf(cause: unknown): unknown {
  return cause instanceof Error ? (cause.stack ?? cause.message) : cause;
}
