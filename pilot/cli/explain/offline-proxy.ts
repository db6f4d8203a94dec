/**
 * A sidecar's outbound side without sockets: pilot's bytes in, one request through the proxy's own connection manager,
 * filters, router and pickers, out comes what happened. Hosts are stand-ins that answer 200 at once.
 */
import type { Listener } from '../../../proxy/api/listener.ts';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import type { RouteConfiguration } from '../../../proxy/api/route.ts';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { seededRandom } from '../../../proxy/common/seeded-random.ts';
import { TimerWheel } from '../../../proxy/common/timer-wheel.ts';
import { createHttpFilter } from '../../../proxy/filter/http-filters.ts';
import { ConnectionManager } from '../../../proxy/http/connection-manager.ts';
import type { HttpFilter } from '../../../proxy/http/filter.ts';
import { RequestHead } from '../../../proxy/http/message-head.ts';
import type { HttpStream } from '../../../proxy/http/stream.ts';
import { type RequestHash, noHash } from '../../../proxy/router/hash-policy.ts';
import { currentRoute } from '../../../proxy/router/current-route.ts';
import { RouteConfigs } from '../../../proxy/router/route-configs.ts';
import type { CompiledRoute, FoundVirtualHost, RouteTable } from '../../../proxy/router/route-table.ts';
import { ClusterManager } from '../../../proxy/upstream/cluster-manager.ts';
import type { DnsResolver } from '../../../proxy/upstream/dns/resolver.ts';
import type { UpstreamCluster } from '../../../proxy/upstream/cluster.ts';
import { DynamicConfiguration } from '../../../proxy/xds/dynamic-configuration.ts';
import type { Prober } from '../../../proxy/upstream/health-check/prober.ts';
import type { XdsSink } from '../../../proxy/xds/sink.ts';
import type { PushContext } from '../../model/push-context.ts';
import { outboundRouteName } from '../../networking/listeners.ts';
import { listHeaders } from './header-list.ts';
import { ExplainedDownstream } from './explained-downstream.ts';
import { connectStandIn, type SentRequest } from './stand-in.ts';
import { VirtualClock } from './virtual-clock.ts';
import { pushTo } from './push.ts';

/** What became of one request. */
export interface Trace {
  readonly virtualHost: FoundVirtualHost | undefined;
  readonly route: CompiledRoute | undefined;
  /** As the routes saw it: after the connection manager, before the router. */
  readonly received: RequestHead;
  readonly hash: RequestHash;
  /** In [0, 1): what was drawn for the choice among weighted clusters. */
  readonly point: number | undefined;
  readonly cluster: UpstreamCluster | undefined;
  /** As it goes upstream; undefined when the proxy answers itself. */
  readonly sent: SentRequest | undefined;
  /** As the client gets it. */
  readonly response: {
    readonly status: number;
    readonly flag: string;
    readonly reason: string | undefined;
    readonly headers: readonly (readonly [string, string])[];
  };
  /** Time for which the fault filter held the request. */
  readonly delayMs: number;
}

export interface OfflineProxyOptions {
  readonly push: PushContext;
  readonly node: NodeMetadata;
  /** Clusters without endpoints get a stand-in: who the endpoints are is not known offline. */
  readonly assumesEndpoints: boolean;
  readonly seed: number;
}

/** From the documentation range (RFC 5737): stands for endpoints that nobody knows. */
export const unknownAddress = '192.0.2.1';

/** Nothing is looked up: every name exists. */
const everyName: DnsResolver = {
  resolve: (_query, done) => done({ kind: 'addresses', addresses: [unknownAddress], ttlMs: undefined }),
};

export class OfflineProxy {
  readonly #configuration: DynamicConfiguration;
  readonly #clusters: ClusterManager;
  readonly #routes = new RouteConfigs();
  readonly #clock = new VirtualClock();
  readonly #timers = new TimerWheel(this.#clock);
  readonly #stats = new StatsStore();
  readonly #random: () => number;
  #manager: ConnectionManager | undefined;
  #draws: number[] = [];
  #observed: Observed = { received: new RequestHead(), hash: noHash, draws: 0 };
  #finished: Finished | undefined;
  #sent: SentRequest[] = [];

  private constructor(seed: number) {
    const random = seededRandom(seed);
    this.#random = () => {
      const drawn = random();
      this.#draws.push(drawn);
      return drawn;
    };
    const context = { clock: this.#clock, timers: this.#timers, random: this.#random, stats: this.#stats };
    this.#clusters = new ClusterManager({ ...context, createProber: () => everythingIsWell, resolver: everyName }, []);
    void this.#clusters.start();
    const fixed = { clusters: [], listeners: [], hasClusterDiscovery: true, hasListenerDiscovery: true };
    this.#configuration = new DynamicConfiguration(fixed, this.#sink());
  }

  static async start(options: OfflineProxyOptions): Promise<OfflineProxy> {
    const proxy = new OfflineProxy(options.seed);
    await pushTo(proxy.#configuration, options.node, options.push);
    if (options.assumesEndpoints) proxy.#fillClusters();
    return proxy;
  }

  /** What the route table was compiled from. */
  get routeConfiguration(): RouteConfiguration | undefined {
    return this.#configuration.subscriptions.RDS.resources.get(outboundRouteName)?.value;
  }

  cluster(name: string): UpstreamCluster | undefined {
    return this.#clusters.get(name);
  }

  /** `bytes`: a whole request head. Undefined when it is none. */
  trace(bytes: Buffer): Trace | undefined {
    const manager = this.#manager;
    if (manager === undefined) return undefined;
    const sent: SentRequest[] = [];
    this.#sent = sent;
    this.#finished = undefined;
    const startMs = this.#clock.monotonicMs();
    const downstream = new ExplainedDownstream(manager);
    if (!downstream.send(bytes)) return undefined;
    while (!downstream.isDone && this.#clock.advanceToNext());
    return this.#finished && this.#traceOf(this.#finished, sent, Math.round(this.#clock.monotonicMs() - startMs));
  }

  #traceOf(finished: Finished, sent: readonly SentRequest[], delayMs: number): Trace {
    const { received, hash, draws } = this.#observed;
    const { action, clusters = [] } = finished.route ?? {};
    const isByHash = action?.kind === 'route' && action.hash?.choosesCluster === true && hash.value !== undefined;
    const isDrawn = clusters.length > 1 && !isByHash;
    return {
      ...finished,
      virtualHost: this.#table()?.virtualHostOf(received.authority),
      received,
      hash,
      point: isDrawn ? this.#draws[draws] : undefined,
      sent: sent.find(({ isMirror }) => !isMirror),
      delayMs,
    };
  }

  #table(): RouteTable | undefined {
    return this.#routes.get(outboundRouteName);
  }

  #fillClusters(): void {
    for (const { hosts, config } of this.#clusters.list()) {
      if (hosts.length > 0 || config.discovery.kind !== 'eds') continue;
      const locality = { region: '', zone: '', subZone: '', weight: 0 };
      const endpoint = { address: unknownAddress, port: 80, isHealthy: true, weight: 1, priority: 0 };
      this.#clusters.updateAssignment({
        clusterName: config.discovery.serviceName,
        endpoints: [{ ...endpoint, locality, workload: undefined, healthCheck: undefined }],
        overprovisioningFactor: 140,
      });
    }
  }

  #sink(): XdsSink {
    return {
      replaceClusters: (clusters) => {
        this.#clusters.replaceClusters(clusters);
        return [];
      },
      replaceListeners: (listeners) => {
        const outbound = listeners.find(({ trafficDirection }) => trafficDirection === 'OUTBOUND');
        this.#manager = outbound && this.#createManager(outbound);
        return Promise.resolve([]);
      },
      updateAssignment: (assignment) => {
        this.#clusters.updateAssignment(assignment);
        return [];
      },
      updateRouteConfiguration: (routes) => {
        this.#routes.update(routes);
        return [];
      },
    };
  }

  #createManager({ filterChains }: Listener): ConnectionManager | undefined {
    const config = filterChains[0]?.httpConnectionManager;
    if (config === undefined) return undefined;
    const shared = { clusters: this.#clusters, timers: this.#timers, random: this.#random };
    const rest = { clock: this.#clock, stats: this.#stats, statPrefix: config.statPrefix };
    const context = { ...shared, ...rest, routes: () => this.#table() };
    const filters = config.httpFilters.map((filter) => createHttpFilter(filter, context));
    return new ConnectionManager(config, {
      clock: this.#clock,
      stats: this.#stats,
      filters: [() => this.#firstFilter(), ...filters.slice(0, -1), (s) => this.#lastFilter(s), ...filters.slice(-1)],
      observers: [{ onStreamComplete: (stream) => void (this.#finished = finishedOf(stream)) }],
    });
  }

  /** Keeps the request as it came. */
  #firstFilter(): HttpFilter {
    return {
      decodeHeaders: (head) => {
        const received = new RequestHead();
        received.copyFrom(head);
        this.#observed = { received, hash: noHash, draws: 0 };
        return 'continue';
      },
    };
  }

  /** In front of the router: what it will decide by. */
  #lastFilter(stream: HttpStream): HttpFilter {
    return {
      decodeHeaders: () => {
        const route = currentRoute(stream, () => this.#table());
        const hash = route?.hashRequest?.(stream) ?? noHash;
        this.#observed = { ...this.#observed, hash, draws: this.#draws.length };
        // Hosts that the request names are there from now on.
        for (const { hosts } of this.#clusters.list()) for (const host of hosts) connectStandIn(host, this.#sent);
        return 'continue';
      },
    };
  }
}

interface Observed extends Pick<Trace, 'received' | 'hash'> {
  /** How many numbers were drawn before the router's first. */
  readonly draws: number;
}

type Finished = Pick<Trace, 'route' | 'cluster' | 'response'>;

function finishedOf(stream: HttpStream): Finished {
  const { route, cluster, response, responseFlags, error } = stream;
  const headers = listHeaders(response);
  return { route, cluster, response: { status: response.status, flag: responseFlags, reason: error?.reason, headers } };
}

/** An explanation asks nobody: how the hosts are is what the control plane knows. */
const everythingIsWell: Prober = {
  check: (_endpoint, onResult) => onResult('success'),
  abort: () => {},
};
