/** Makes what the proxy's listeners serve with: filters, TLS and logs, of the parts that all listeners share. */
import { type AccessLogObserver, type AccessLogs } from './access-logs.ts';
import type { SocketAddress } from './api/address-decoder.ts';
import type { DnsFilterConfig } from './api/dns-filter.ts';
import {
  type AccessLog,
  type FilterChain,
  type HttpConnectionManager,
  httpConnectionManagersOf,
  type Listener,
  type TcpProxyConfig,
} from './api/listener.ts';
import type { DownstreamTls } from './api/tls.ts';
import type { Clock } from './common/clock.ts';
import { isLocalAddress } from './common/local-address.ts';
import type { StatsStore } from './common/stats.ts';
import type { TimerWheel } from './common/timer-wheel.ts';
import { DnsFilter } from './dns/dns-filter.ts';
import { DnsListener } from './dns/dns-listener.ts';
import type { SystemResolvers } from './dns/system-resolvers.ts';
import type { AuthorizationClient } from './filter/authorization-client.ts';
import { createHttpFilter } from './filter/http-filters.ts';
import { ConnectionManager } from './http/connection-manager.ts';
import { HttpNetworkFilter } from './listener/http-network-filter.ts';
import type { ListenerComponentFactory } from './listener/listener-component-factory.ts';
import type { ActiveNetworkFilter } from './listener/network-filter.ts';
import type { Quotas } from './quota/quotas.ts';
import type { RouteConfigs } from './router/route-configs.ts';
import { RouteTable } from './router/route-table.ts';
import { TcpProxy } from './tcp/tcp-proxy.ts';
import type { IstioMetrics } from './telemetry/istio-metrics.ts';
import { createStreamRecorder } from './telemetry/stream-recorder.ts';
import { createTcpRecorder } from './telemetry/tcp-recorder.ts';
import type { CertificateStore } from './tls/certificate-store.ts';
import { DownstreamTlsContext } from './tls/downstream-tls.ts';
import type { Tracers } from './tracing/tracers.ts';
import type { ClusterManager } from './upstream/cluster-manager.ts';

export interface SharedParts {
  readonly clusters: ClusterManager;
  readonly certificates: CertificateStore;
  readonly routes: RouteConfigs;
  readonly metrics: IstioMetrics;
  readonly accessLogs: AccessLogs;
  readonly tracers: Tracers;
  readonly quotas: Quotas;
  readonly authorization: AuthorizationClient;
  readonly timers: TimerWheel;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly clock: Clock;
  readonly stats: StatsStore;
  readonly systemResolvers: () => SystemResolvers;
  /** Hears of handlers that threw. */
  readonly onFault: (cause: unknown) => void;
}

export class ListenerComponents implements ListenerComponentFactory {
  readonly #parts: SharedParts;

  constructor(parts: SharedParts) {
    this.#parts = parts;
  }

  createFilter(listener: Listener, { filter }: FilterChain): ActiveNetworkFilter {
    if (filter.kind === 'tcp_proxy') return this.#createTcpProxy(listener, filter.config);
    return new HttpNetworkFilter(this.#createConnectionManager(listener, filter.config));
  }

  createTls({ address, port }: Listener, tls: DownstreamTls): DownstreamTlsContext {
    const { certificates: store, stats, timers } = this.#parts;
    const context = new DownstreamTlsContext(tls, { store, stats, timers, listenerAddress: `${address}_${port}` });
    context.start();
    return context;
  }

  createDnsListener(listener: Listener, filter: DnsFilterConfig): DnsListener {
    const { clock, stats, random, systemResolvers, timers, onFault } = this.#parts;
    const isOwnAddress = ({ address, port }: SocketAddress): boolean =>
      port === listener.port && isLocalAddress(address);
    return new DnsListener(listener, filter, {
      createFilter: (config) =>
        new DnsFilter(config, { clock, stats, random, isOwnAddress, system: systemResolvers() }),
      timers,
      onFault,
    });
  }

  createAccessLogs({ accessLogs }: Listener): AccessLogObserver[] {
    return this.#observe(accessLogs);
  }

  hasRoutes(listener: Listener): boolean {
    return [...routeConfigNames([listener])].every((name) => this.#parts.routes.get(name) !== undefined);
  }

  #createTcpProxy({ trafficDirection }: Listener, config: TcpProxyConfig): TcpProxy {
    const { clusters, clock, random, stats, metrics } = this.#parts;
    const observers = [createTcpRecorder(metrics, trafficDirection), ...this.#observe(config.accessLogs)];
    return new TcpProxy(config, { clusters, clock, random, stats, observers });
  }

  #createConnectionManager({ trafficDirection }: Listener, config: HttpConnectionManager): ConnectionManager {
    const { clusters, clock, random, stats, metrics, quotas, authorization, timers, tracers } = this.#parts;
    const routes = this.#routesOf(config);
    const shared = { routes, clusters, timers, random, clock, stats, quotas, authorization };
    const context = { ...shared, statPrefix: config.statPrefix, isInternal: trafficDirection === 'OUTBOUND' };
    return new ConnectionManager(config, {
      clock,
      stats,
      filters: config.httpFilters.map((filter) => createHttpFilter(filter, context)),
      observers: [createStreamRecorder(metrics, trafficDirection), ...this.#observe(config.accessLogs)],
      tracer: tracers.create(config, trafficDirection, routes),
    });
  }

  #observe(logs: readonly AccessLog[]): AccessLogObserver[] {
    return logs.map((log) => this.#parts.accessLogs.create(log));
  }

  /** The table that a request reads. A listener on its way out keeps the last one it had. */
  #routesOf({ routes }: HttpConnectionManager): () => RouteTable | undefined {
    if (routes.kind === 'static') {
      const table = new RouteTable(routes.routeConfig, this.#parts.stats);
      return () => table;
    }
    let last: RouteTable | undefined = undefined;
    return () => (last = this.#parts.routes.get(routes.routeConfigName) ?? last);
  }
}

/** Of the route configurations that come over RDS. */
export function routeConfigNames(listeners: readonly Listener[]): Set<string> {
  const names = new Set<string>();
  for (const { routes } of listeners.flatMap(httpConnectionManagersOf)) {
    if (routes.kind === 'rds') names.add(routes.routeConfigName);
  }
  return names;
}
