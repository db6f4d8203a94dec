/** The client's proxy with everything real but its sockets. */
import type { Listener } from '../../proxy/api/listener.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import { StatsStore } from '../../proxy/common/stats.ts';
import { TimerWheel } from '../../proxy/common/timer-wheel.ts';
import { createHttpFilter } from '../../proxy/filter/http-filters.ts';
import type { HttpFilter } from '../../proxy/http/filter.ts';
import { ConnectionManager } from '../../proxy/http/connection-manager.ts';
import { RouteConfigs } from '../../proxy/router/route-configs.ts';
import { RouteTable } from '../../proxy/router/route-table.ts';
import { ClusterManager } from '../../proxy/upstream/cluster-manager.ts';
import type { DnsResolver } from '../../proxy/upstream/dns/resolver.ts';
import { DynamicConfiguration } from '../../proxy/xds/dynamic-configuration.ts';
import { silentLogger } from '../../proxy/common/log.ts';
import { Tracers } from '../../proxy/tracing/tracers.ts';
import type { XdsSink } from '../../proxy/xds/sink.ts';
import { type Attempt, FakeConnections, headersOf } from './fake-connection.ts';
import { FakeProber } from './fake-prober.ts';
import { FakeDownstream } from './fake-downstream.ts';
import type { Behaviour, SimulatedWorkload } from './simulated-workload.ts';

export interface SimulatedRequest {
  /** The Host header. */
  readonly host: string;
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Where a request landed. */
export interface Landing {
  readonly status: number;
  /** Envoy's response flag, or `-`. */
  readonly flag: string;
  readonly route: string;
  /** Undefined when no route, or only one to an unknown cluster, was found. */
  readonly cluster: string | undefined;
  /** Of the workload that was tried last. */
  readonly endpoint: string | undefined;
  /** Of the workload that answered. */
  readonly service: string | undefined;
  readonly version: string | undefined;
  /** On the simulation's clock. */
  readonly durationMs: number;
  /** Addresses in the order in which they were tried. */
  readonly attempts: readonly string[];
  /** Of the request as the workload that was tried last got it; undefined when none was. */
  readonly upstreamPath: string | undefined;
  /** Of the request as the workload got it; names in lower case. */
  readonly upstreamHeaders: Readonly<Record<string, string>>;
  /** Copies of the request, known by their Host. */
  readonly mirrors: readonly Attempt[];
  /** Of the response as the client got it; names in lower case. */
  readonly responseHeaders: Readonly<Record<string, string>>;
  readonly responseBody: Buffer;
}

export interface SimulatedProxyOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly workloadsByAddress: ReadonlyMap<string, SimulatedWorkload>;
  readonly dns: Readonly<Record<string, readonly string[]>>;
}

export class SimulatedProxy {
  /** What a push is applied to. */
  readonly configuration: DynamicConfiguration;
  readonly #options: SimulatedProxyOptions;
  readonly #stats = new StatsStore();
  readonly #timers: TimerWheel;
  readonly #clusters: ClusterManager;
  readonly #routes = new RouteConfigs(this.#stats);
  readonly #connections: FakeConnections;
  readonly #tracers: Tracers;
  #outbound: ConnectionManager | undefined;
  #outboundListener: Listener | undefined;
  #landed:
    | Omit<
        Landing,
        'attempts' | 'upstreamPath' | 'upstreamHeaders' | 'responseBody' | 'mirrors' | 'service' | 'version'
      >
    | undefined;

  readonly #resolver: DnsResolver = {
    resolve: ({ name }, done) => {
      const addresses = this.#options.dns[name];
      if (addresses === undefined) done({ kind: 'failure', code: 'ENOTFOUND' });
      else done({ kind: 'addresses', addresses, ttlMs: undefined });
    },
  };

  constructor(options: SimulatedProxyOptions) {
    const { clock, random } = options;
    this.#options = options;
    this.#timers = new TimerWheel(clock);
    const createProber = () => new FakeProber((address) => this.#workloadAt(address));
    const shared = { clock, timers: this.#timers, random, stats: this.#stats };
    this.#clusters = new ClusterManager({ ...shared, createProber, resolver: this.#resolver }, []);
    void this.#clusters.start();
    const tracing = { clusters: this.#clusters, clock, random, stats: this.#stats, nodeId: 'client' };
    this.#tracers = new Tracers({ ...tracing, logger: silentLogger });
    this.#connections = new FakeConnections(
      (address) => this.#behaviourOf(address),
      (address) => this.#workloadAt(address)?.latencyMs ?? 0,
    );
    const noStaticResources = { clusters: [], listeners: [], hasClusterDiscovery: true, hasListenerDiscovery: true };
    this.configuration = new DynamicConfiguration(noStaticResources, this.#sink());
  }

  send({ host, method = 'GET', path = '/', headers = {} }: SimulatedRequest): () => Landing | undefined {
    const manager = this.#outbound;
    if (manager === undefined) throw new Error('the client has no outbound listener');
    const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    const before = this.#connections.attempts.length;
    const downstream = new FakeDownstream(manager);
    this.#landed = undefined;
    downstream.send(Buffer.from(`${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`, 'latin1'));
    return () => {
      this.#connections.settle();
      const landed = downstream.isDone ? this.#landed : undefined;
      if (landed === undefined) return undefined;
      const sent = this.#connections.attempts.slice(before);
      const isMirror = ({ headers }: Attempt): boolean => /-shadow(:|$)/.test(headers['host'] ?? '');
      const attempts = sent.filter((attempt) => !isMirror(attempt));
      const workload = landed.flag === '-' || landed.flag === 'DI' ? this.#workloadAt(landed.endpoint) : undefined;
      return {
        ...landed,
        service: workload?.service,
        version: workload && (workload.labels?.['version'] ?? workload.version ?? 'v1'),
        attempts: attempts.map(({ address }) => address),
        upstreamPath: attempts.at(-1)?.path,
        upstreamHeaders: attempts.at(-1)?.headers ?? {},
        responseBody: downstream.body,
        mirrors: sent.filter(isMirror),
      };
    };
  }

  /** Everything that went upstream so far. */
  get sent(): readonly Attempt[] {
    return this.#connections.attempts;
  }

  stat(name: string): number | undefined {
    return this.#stats.entries().find((stat) => stat.name === name)?.value;
  }

  #workloadAt(address: string | undefined): SimulatedWorkload | undefined {
    return this.#options.workloadsByAddress.get(address?.replace(/:\d+$/, '') ?? '');
  }

  /** What is no workload of ours, an endpoint that a ServiceEntry lists for instance, answers. */
  #behaviourOf(address: string): Behaviour {
    return this.#workloadAt(address)?.behaviour ?? 'answers';
  }

  /** Stands before the router: by then the hosts of this request are there. */
  readonly #connectHosts = (): HttpFilter => ({
    decodeHeaders: () => {
      for (const cluster of this.#clusters.list()) this.#connections.connect(cluster.hosts);
      return 'continue';
    },
  });

  #sink(): XdsSink {
    return {
      replaceClusters: (clusters) => {
        this.#clusters.replaceClusters(clusters);
        return [];
      },
      replaceListeners: (listeners) => {
        const outbound = listeners.find(({ trafficDirection }) => trafficDirection === 'OUTBOUND');
        if (outbound !== this.#outboundListener) this.#outbound = outbound && this.#createManager(outbound);
        this.#outboundListener = outbound;
        return Promise.resolve([]);
      },
      updateAssignment: (assignment) => {
        this.#clusters.updateAssignment(assignment);
        return [];
      },
      updateRouteConfiguration: (routeConfiguration) => {
        this.#routes.update(routeConfiguration);
        return [];
      },
    };
  }

  #createManager({ filterChains, trafficDirection }: Listener): ConnectionManager {
    const config = filterChains[0]?.httpConnectionManager;
    if (config === undefined) throw new Error('a listener has a filter chain');
    const { clock, random } = this.#options;
    const { routes } = config;
    const fixed = routes.kind === 'static' ? new RouteTable(routes.routeConfig, this.#stats) : undefined;
    const context = {
      routes: () => (routes.kind === 'rds' ? this.#routes.get(routes.routeConfigName) : fixed),
      clusters: this.#clusters,
      timers: this.#timers,
      random,
      clock,
      stats: this.#stats,
      statPrefix: config.statPrefix,
      isInternal: trafficDirection === 'OUTBOUND',
    };
    return new ConnectionManager(config, {
      tracer: this.#tracers.create(config, trafficDirection, context.routes),
      clock,
      stats: this.#stats,
      filters: config.httpFilters.flatMap((filter) => {
        const factory = createHttpFilter(filter, context);
        return filter.kind === 'router' ? [this.#connectHosts, factory] : [factory];
      }),
      observers: [
        {
          onStreamComplete: ({ response, responseFlags, routeName, cluster, host }, durationMs) => {
            this.#landed = {
              status: response.status,
              flag: responseFlags,
              responseHeaders: headersOf(response),
              route: routeName,
              cluster: cluster?.config.name,
              endpoint: host?.address,
              durationMs,
            };
          },
        },
      ],
    });
  }
}
