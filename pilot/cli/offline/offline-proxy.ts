/**
 * A sidecar's outbound side without sockets: pilot's bytes in, requests through the proxy's own connection manager,
 * filters, router and pickers. Who answers, in which time, and what is looked on at is up to whoever creates one.
 */
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import type { Place } from '../../../proxy/api/cluster.ts';
import { type HttpConnectionManager, httpConnectionManagersOf, type Listener } from '../../../proxy/api/listener.ts';
import type { Clock } from '../../../proxy/common/clock.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { silentLogger } from '../../../proxy/common/log.ts';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { TimerWheel } from '../../../proxy/common/timer-wheel.ts';
import { AuthorizationClient } from '../../../proxy/filter/authorization-client.ts';
import { createHttpFilter } from '../../../proxy/filter/http-filters.ts';
import { ConnectionManager } from '../../../proxy/http/connection-manager.ts';
import type { HttpFilter } from '../../../proxy/http/filter.ts';
import type { HttpStream } from '../../../proxy/http/stream.ts';
import { Quotas } from '../../../proxy/quota/quotas.ts';
import { RouteConfigs } from '../../../proxy/router/route-configs.ts';
import { RouteTable } from '../../../proxy/router/route-table.ts';
import type { HttpTracer } from '../../../proxy/tracing/http-tracer.ts';
import type { StreamPoolFactory } from '../../../proxy/upstream/upstream-stream.ts';
import { ClusterManager } from '../../../proxy/upstream/cluster-manager.ts';
import type { DnsResolver } from '../../../proxy/upstream/dns/resolver.ts';
import type { ProberFactory } from '../../../proxy/upstream/health-check/prober.ts';
import { DynamicConfiguration } from '../../../proxy/xds/dynamic-configuration.ts';
import type { XdsSink } from '../../../proxy/xds/sink.ts';
import { buildLocalCluster } from '../../networking/local-cluster.ts';
import { OfflineDownstream } from './offline-downstream.ts';
import { type Application, OfflineUpstream } from './offline-upstream.ts';

type FilterFactory = (stream: HttpStream) => HttpFilter;
export type Routes = () => RouteTable | undefined;

export interface OfflineProxyOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly application: Application;
  readonly createProber: ProberFactory;
  readonly resolver: DnsResolver;
  /** Where the sidecar is. Default: nobody said. */
  readonly place?: Place | undefined;
  /** Called when a request is over. */
  readonly onStreamComplete: (stream: HttpStream, durationMs: number) => void;
  /** Filters that look on, before those of the listener and before its router. */
  readonly firstFilter?: FilterFactory;
  readonly lastFilter?: FilterFactory;
  /** Default: nothing is traced. */
  readonly createTracer?: (config: HttpConnectionManager, routes: Routes) => HttpTracer | undefined;
}

const nowhere: Place = { region: '', zone: '', subZone: '' };
/** All that a sidecar has from its bootstrap and that requests depend on. */
const localCluster = requireValue(decodeCluster(buildLocalCluster()), 'local cluster');

export class OfflineProxy {
  /** What a push is applied to. */
  readonly configuration: DynamicConfiguration;
  readonly clusters: ClusterManager;
  readonly routes: RouteConfigs;
  readonly stats = new StatsStore();
  readonly #options: OfflineProxyOptions;
  readonly #timers: TimerWheel;
  readonly #upstream: OfflineUpstream;
  readonly #quotas: Quotas;
  readonly #authorization: AuthorizationClient;
  #outbound: ConnectionManager | undefined;
  #outboundListener: Listener | undefined;

  constructor(options: OfflineProxyOptions) {
    const { clock, random, application, createProber, resolver, place = nowhere } = options;
    this.#options = options;
    this.#timers = new TimerWheel(clock);
    this.#upstream = new OfflineUpstream(application);
    // Offline nobody assigns quotas or is asked: requests get what holds without an answer.
    const target = (): undefined => undefined;
    this.#quotas = new Quotas({ target, clock, random, stats: this.stats, logger: silentLogger });
    this.#authorization = new AuthorizationClient({ get: () => undefined }, clock);
    this.routes = new RouteConfigs(this.stats);
    const shared = { clock, timers: this.#timers, random, stats: this.stats };
    const local = { clusterName: localCluster.name, place };
    // Nothing is sent: in which version is of no account.
    const createHttp2Pool: StreamPoolFactory = ({ pool }) => pool;
    this.clusters = new ClusterManager({ ...shared, createProber, createHttp2Pool, resolver, local }, [localCluster]);
    void this.clusters.start();
    const fixed = { clusters: [localCluster], listeners: [], hasClusterDiscovery: true, hasListenerDiscovery: true };
    this.configuration = new DynamicConfiguration(fixed, this.#sink());
  }

  /** `bytes`: a whole request head. Undefined when it is none, or when there is no outbound listener to take it. */
  send(bytes: Buffer): OfflineDownstream | undefined {
    if (this.#outbound === undefined) return undefined;
    const downstream = new OfflineDownstream(this.#outbound);
    return downstream.send(bytes) ? downstream : undefined;
  }

  /** Has hosts answer what they were asked so far; a request never ends before. */
  settle(): void {
    this.#upstream.settle();
  }

  /** Stands before the router: by then the hosts of this request are there. */
  readonly #connectHosts = (): HttpFilter => ({
    decodeHeaders: () => {
      for (const cluster of this.clusters.list()) this.#upstream.connect(cluster.hosts);
      return 'continue';
    },
  });

  #sink(): XdsSink {
    return {
      replaceClusters: (clusters) => {
        this.clusters.replaceClusters(clusters);
        return [];
      },
      onceClustersAreWarm: (callback) => this.clusters.onceWarm(callback),
      replaceListeners: (listeners) => {
        const outbound = listeners.find(({ trafficDirection }) => trafficDirection === 'OUTBOUND');
        if (outbound !== this.#outboundListener) this.#outbound = outbound && this.#createManager(outbound);
        this.#outboundListener = outbound;
        return Promise.resolve([]);
      },
      updateAssignment: (assignment) => {
        this.clusters.updateAssignment(assignment);
        return [];
      },
      // Offline nobody is connected to.
      updateSecret: () => [],
      retainSecrets: () => {},
      updateRouteConfiguration: (routeConfiguration) => {
        this.routes.update(routeConfiguration);
        return [];
      },
    };
  }

  #createManager(listener: Listener): ConnectionManager | undefined {
    const [config] = httpConnectionManagersOf(listener);
    if (config === undefined) return undefined;
    const { clock, random, firstFilter, lastFilter, onStreamComplete, createTracer } = this.#options;
    const routes = this.#routesOf(config);
    const shared = { clusters: this.clusters, timers: this.#timers, random, clock, stats: this.stats };
    const services = { quotas: this.#quotas, authorization: this.#authorization };
    const context = { ...shared, ...services, routes, statPrefix: config.statPrefix, isInternal: true };
    const filters = config.httpFilters.flatMap((filter) => {
      const factory = createHttpFilter(filter, context);
      if (filter.kind !== 'router') return [factory];
      return [...(lastFilter === undefined ? [] : [lastFilter]), this.#connectHosts, factory];
    });
    return new ConnectionManager(config, {
      tracer: createTracer?.(config, routes),
      clock,
      stats: this.stats,
      filters: [...(firstFilter === undefined ? [] : [firstFilter]), ...filters],
      observers: [{ onComplete: onStreamComplete }],
    });
  }

  #routesOf({ routes }: HttpConnectionManager): Routes {
    if (routes.kind === 'rds') return () => this.routes.get(routes.routeConfigName);
    const fixed = new RouteTable(routes.routeConfig, this.stats);
    return () => fixed;
  }
}
