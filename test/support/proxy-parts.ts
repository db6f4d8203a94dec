/**
 * The request path of a proxy on real sockets, put together as the server does it, but with its parts in the open: routes
 * can be exchanged, clusters updated, filters of the test's own put into the chain.
 */
import { decodeCluster } from '../../proxy/api/cluster-decoder.ts';
import type {
  Cluster,
  ClusterLoadAssignment,
  HttpConnectionManager as HttpConnectionManagerJson,
  Listener,
  RouteConfiguration,
} from '../../proxy/api/envoy.gen.ts';
import { decodeClusterLoadAssignment } from '../../proxy/api/endpoint-decoder.ts';
import type { HttpConnectionManager, Listener as DecodedListener, NetworkFilter } from '../../proxy/api/listener.ts';
import type { DownstreamTls } from '../../proxy/api/tls.ts';
import { CertificateStore } from '../../proxy/tls/certificate-store.ts';
import { DownstreamTlsContext } from '../../proxy/tls/downstream-tls.ts';
import type { DnsFilterConfig } from '../../proxy/api/dns-filter.ts';
import { decodeListener } from '../../proxy/api/listener-decoder.ts';
import { decodeRouteConfiguration } from '../../proxy/api/route-decoder.ts';
import { type Clock, systemClock } from '../../proxy/common/clock.ts';
import { requireValue } from '../../proxy/common/decoded.ts';
import { silentLogger } from '../../proxy/common/log.ts';
import { onSocketFault } from '../../proxy/common/socket-fault.ts';
import { StatsStore } from '../../proxy/common/stats.ts';
import { TimerWheel } from '../../proxy/common/timer-wheel.ts';
import { DnsFilter } from '../../proxy/dns/dns-filter.ts';
import { DnsListener } from '../../proxy/dns/dns-listener.ts';
import { compileFormat } from '../../proxy/formatter/stream-formatter.ts';
import { ConnectionManager } from '../../proxy/http/connection-manager.ts';
import type { FilterFactory } from '../../proxy/http/filter.ts';
import { HttpNetworkFilter } from '../../proxy/listener/http-network-filter.ts';
import { ConnectionLimit } from '../../proxy/listener/connection-limit.ts';
import { ListenerManager } from '../../proxy/listener/listener-manager.ts';
import type { ActiveNetworkFilter } from '../../proxy/listener/network-filter.ts';
import { createRouterFactory } from '../../proxy/router/router-filter.ts';
import { RouteTable } from '../../proxy/router/route-table.ts';
import type { TcpConnection } from '../../proxy/tcp/tcp-connection.ts';
import { type TcpObserver, TcpProxy } from '../../proxy/tcp/tcp-proxy.ts';
import { ClusterManager } from '../../proxy/upstream/cluster-manager.ts';
import { httpListener, routeConfiguration } from './envoy-json.ts';
import { seededRandom } from './seeded-random.ts';

/** What an observer saw of a stream when it was over. */
export interface FinishedStream {
  readonly method: string;
  readonly path: string;
  readonly status: number;
  /** Envoy's response flag, or `-`. */
  readonly flag: string;
  readonly reason: string;
  /** Envoy's %RESPONSE_CODE_DETAILS%. */
  readonly details: string;
  readonly routeName: string;
  readonly cluster: string | undefined;
  readonly host: string | undefined;
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly durationMs: number;
}

export interface PartsOptions {
  /** Of all listeners; default any number. */
  readonly maxConnections?: number;
  readonly routes?: RouteConfiguration;
  readonly clusters?: readonly Cluster[];
  readonly manager?: HttpConnectionManagerJson;
  /** In front of the router. */
  readonly filters?: readonly FilterFactory[];
  readonly listeners?: readonly Listener[];
  readonly clock?: Clock;
  readonly seed?: number;
  /** What resolvers of the machine append to names. */
  readonly searchDomains?: readonly string[];
  /** Of all connections of the TCP proxy. */
  readonly tcpObservers?: readonly TcpObserver[];
}

export class ProxyParts {
  readonly clock: Clock;
  readonly stats = new StatsStore();
  readonly clusters: ClusterManager;
  readonly certificates: CertificateStore;
  readonly listeners: ListenerManager;
  /** In the order in which they ended. */
  readonly finished: FinishedStream[] = [];
  /** Of the TCP proxy, in the order in which they ended. */
  readonly connections: TcpConnection[] = [];
  /** What handlers threw: defects, none of which may happen. */
  readonly faults: unknown[] = [];
  /** What a new listener hears about its routes. */
  hasRoutes = true;
  readonly #timers: TimerWheel;
  readonly #random: () => number;
  readonly #filters: readonly FilterFactory[];
  readonly #tcpObservers: readonly TcpObserver[];
  #routes: RouteTable;

  constructor({ routes = routeConfiguration([]), clusters = [], manager = {}, filters = [], ...rest }: PartsOptions) {
    this.clock = rest.clock ?? systemClock;
    this.#random = seededRandom(rest.seed ?? 1);
    this.#timers = new TimerWheel(this.clock);
    this.#filters = filters;
    this.#tcpObservers = rest.tcpObservers ?? [];
    this.#routes = new RouteTable(requireValue(decodeRouteConfiguration(routes), 'routes'), this.stats);
    const { clock, stats } = this;
    const certificates = new CertificateStore({ clock });
    this.certificates = certificates;
    this.clusters = new ClusterManager({ clock, timers: this.#timers, random: this.#random, stats, certificates }, []);
    this.replaceClusters(clusters);
    const listeners = rest.listeners ?? [httpListener({ routes: routeConfiguration([]), manager })];
    this.listeners = new ListenerManager(
      listeners.map((listener) => requireValue(decodeListener(listener), 'listener')),
      {
        components: {
          hasRoutes: () => this.hasRoutes,
          createFilter: (_listener, { filter }) => this.#createFilter(filter),
          createTls: (listener, tls) => this.#createTls(listener, tls),
          createDnsListener: (listener, filter) => this.#createDnsListener(listener, filter, rest.searchDomains ?? []),
          createAccessLogs: () => [],
        },
        connectionLimit: rest.maxConnections === undefined ? undefined : new ConnectionLimit(rest.maxConnections),
        stats,
        clock,
        logger: silentLogger,
      },
    );
  }

  async start(): Promise<this> {
    onSocketFault((cause) => this.faults.push(cause));
    await this.clusters.start();
    await this.listeners.start();
    return this;
  }

  /** Of the listener of this name; of the first one without. */
  port(name?: string): number {
    const listeners = this.listeners.list();
    const found = name === undefined ? listeners[0] : listeners.find(({ config }) => config.name === name);
    if (found === undefined) throw new Error(`there is no listener ${name ?? ''}`);
    return found.port;
  }

  /** For requests to come, on open connections too. */
  setRoutes(routes: RouteConfiguration): void {
    this.#routes = new RouteTable(requireValue(decodeRouteConfiguration(routes), 'routes'), this.stats);
  }

  replaceClusters(clusters: readonly Cluster[]): void {
    this.clusters.replaceClusters(clusters.map((cluster) => requireValue(decodeCluster(cluster), 'cluster')));
  }

  updateAssignment(assignment: ClusterLoadAssignment): void {
    this.clusters.updateAssignment(requireValue(decodeClusterLoadAssignment(assignment), 'assignment'));
  }

  async replaceListeners(listeners: readonly Listener[]): Promise<string[]> {
    const decoded = listeners.map((listener) => requireValue(decodeListener(listener), 'listener'));
    return (await this.listeners.replaceListeners(decoded)).map(({ path, message }) => `${path}: ${message}`);
  }

  stat(name: string): number | undefined {
    return this.stats.entries().find((stat) => stat.name === name)?.value;
  }

  async close(): Promise<void> {
    await this.listeners.close();
    await this.clusters.close();
    this.certificates.close();
    this.#timers.close();
    if (this.faults.length > 0) throw new AggregateError(this.faults, 'handlers of sockets failed');
  }

  #createTls({ address, port }: DecodedListener, tls: DownstreamTls): DownstreamTlsContext {
    const { stats, certificates: store } = this;
    const timers = this.#timers;
    const context = new DownstreamTlsContext(tls, { store, stats, timers, listenerAddress: `${address}_${port}` });
    context.start();
    return context;
  }

  #createDnsListener(
    listener: DecodedListener,
    filter: DnsFilterConfig,
    searchDomains: readonly string[],
  ): DnsListener {
    const { clock, stats } = this;
    const system = { servers: [], searchDomains };
    const dependencies = { clock, stats, random: this.#random, system, isOwnAddress: () => false };
    return new DnsListener(listener, filter, {
      createFilter: (config) => new DnsFilter(config, dependencies),
      timers: this.#timers,
      onFault: (cause) => this.faults.push(cause),
    });
  }

  #createFilter(filter: NetworkFilter): ActiveNetworkFilter {
    if (filter.kind === 'http_connection_manager') {
      return new HttpNetworkFilter(this.#createConnectionManager(filter.config));
    }
    return new TcpProxy(filter.config, {
      clusters: this.clusters,
      clock: this.clock,
      random: this.#random,
      stats: this.stats,
      observers: [...this.#tcpObservers, { onComplete: (connection) => this.connections.push(connection) }],
    });
  }

  #createConnectionManager(config: HttpConnectionManager): ConnectionManager {
    const context = {
      routes: () => this.#routes,
      clusters: this.clusters,
      timers: this.#timers,
      random: this.#random,
    };
    return new ConnectionManager(config, {
      clock: this.clock,
      stats: this.stats,
      filters: [...this.#filters, createRouterFactory(context)],
      observers: [
        {
          onComplete: (stream, durationMs) => {
            const { request, response, error, requestBytes, responseBytes, routeName } = stream;
            this.finished.push({
              method: request.method,
              path: request.path,
              status: response.status,
              flag: stream.responseFlags,
              reason: error?.reason ?? '',
              details: detailsOf(stream),
              routeName,
              cluster: stream.cluster?.config.name,
              host: stream.host?.address,
              requestBytes,
              responseBytes,
              durationMs,
            });
          },
        },
      ],
    });
  }
}

const detailsOf = compileFormat('%RESPONSE_CODE_DETAILS%');
