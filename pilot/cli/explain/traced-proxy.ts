/** The proxy of one explained request: hosts answer 200 at once, and what it decides by is noted on the way. */
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import type { RouteConfiguration } from '../../../proxy/api/route.ts';
import { seededRandom } from '../../../proxy/common/seeded-random.ts';
import type { HttpFilter } from '../../../proxy/http/filter.ts';
import { RequestHead } from '../../../proxy/http/message-head.ts';
import type { HttpStream } from '../../../proxy/http/stream.ts';
import { currentRoute } from '../../../proxy/router/current-route.ts';
import { type RequestHash, noHash } from '../../../proxy/router/hash-policy.ts';
import type { CompiledRoute, FoundVirtualHost, RouteTable } from '../../../proxy/router/route-table.ts';
import type { UpstreamCluster } from '../../../proxy/upstream/cluster.ts';
import type { DnsResolver } from '../../../proxy/upstream/dns/resolver.ts';
import type { Prober } from '../../../proxy/upstream/health-check/prober.ts';
import type { PushContext } from '../../model/push-context.ts';
import { outboundRouteName } from '../../networking/listeners.ts';
import { listHeaders } from '../offline/header-list.ts';
import { OfflineProxy } from '../offline/offline-proxy.ts';
import type { SentRequest } from '../offline/offline-upstream.ts';
import { pushTo } from '../offline/push.ts';
import { VirtualClock } from './virtual-clock.ts';

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

export interface TracedProxyOptions {
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

export class TracedProxy {
  readonly #proxy: OfflineProxy;
  readonly #clock = new VirtualClock();
  #draws: number[] = [];
  #observed: Observed = { received: new RequestHead(), hash: noHash, draws: 0 };
  #finished: Finished | undefined;
  #sent: SentRequest[] = [];

  private constructor({ seed, node }: TracedProxyOptions) {
    const random = seededRandom(seed);
    this.#proxy = new OfflineProxy({
      clock: this.#clock,
      place: node.locality,
      random: () => {
        const drawn = random();
        this.#draws.push(drawn);
        return drawn;
      },
      application: (request) => {
        this.#sent.push(request);
        return { kind: 'response', status: 200 };
      },
      createProber: () => everythingIsWell,
      resolver: everyName,
      firstFilter: () => this.#firstFilter(),
      lastFilter: (stream) => this.#lastFilter(stream),
      onStreamComplete: (stream) => void (this.#finished = finishedOf(stream)),
    });
  }

  static async start(options: TracedProxyOptions): Promise<TracedProxy> {
    const traced = new TracedProxy(options);
    await pushTo(traced.#proxy.configuration, options.node, options.push);
    while (traced.#proxy.clusters.isWarming && traced.#clock.advanceToNext());
    if (options.assumesEndpoints) traced.#fillClusters();
    return traced;
  }

  /** What the route table was compiled from. */
  get routeConfiguration(): RouteConfiguration | undefined {
    return this.#proxy.configuration.subscriptions.RDS.resources.get(outboundRouteName)?.value;
  }

  cluster(name: string): UpstreamCluster | undefined {
    return this.#proxy.clusters.get(name);
  }

  /** `bytes`: a whole request head. Undefined when it is none. */
  trace(bytes: Buffer): Trace | undefined {
    this.#sent = [];
    this.#finished = undefined;
    const startMs = this.#clock.monotonicMs();
    const downstream = this.#proxy.send(bytes);
    if (downstream === undefined) return undefined;
    do this.#proxy.settle();
    while (!downstream.isDone && this.#clock.advanceToNext());
    return this.#finished && this.#traceOf(this.#finished, Math.round(this.#clock.monotonicMs() - startMs));
  }

  #traceOf(finished: Finished, delayMs: number): Trace {
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
      sent: this.#sent.find(({ isMirror }) => !isMirror),
      delayMs,
    };
  }

  #table(): RouteTable | undefined {
    return this.#proxy.routes.get(outboundRouteName);
  }

  #fillClusters(): void {
    const { clusters } = this.#proxy;
    for (const { hosts, config } of clusters.list()) {
      if (hosts.length > 0 || config.discovery.kind !== 'eds') continue;
      const locality = { region: '', zone: '', subZone: '', weight: 0 };
      const endpoint = { address: unknownAddress, port: 80, isHealthy: true, weight: 1, priority: 0 };
      clusters.updateAssignment({
        clusterName: config.discovery.serviceName,
        endpoints: [{ ...endpoint, locality, workload: undefined, healthCheck: undefined }],
        overprovisioningFactor: 140,
      });
    }
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
