/** The client's proxy with everything real but its sockets, and where its requests landed. */
import type { Place } from '../../proxy/api/cluster.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import { silentLogger } from '../../proxy/common/log.ts';
import type { HttpStream } from '../../proxy/http/stream.ts';
import { Tracers } from '../../proxy/tracing/tracers.ts';
import type { DnsResolver } from '../../proxy/upstream/dns/resolver.ts';
import type { DynamicConfiguration } from '../../proxy/xds/dynamic-configuration.ts';
import { joined, listHeaders } from '../../pilot/cli/offline/header-list.ts';
import { OfflineProxy } from '../../pilot/cli/offline/offline-proxy.ts';
import type { SentRequest } from '../../pilot/cli/offline/offline-upstream.ts';
import { SimulatedApplication } from './simulated-application.ts';
import type { SimulatedWorkload } from './simulated-workload.ts';

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

/** One request on its way to one host. */
export interface Attempt {
  readonly address: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

export interface SimulatedProxyOptions {
  readonly clock: Clock;
  readonly random: () => number;
  readonly workloadsByAddress: ReadonlyMap<string, SimulatedWorkload>;
  readonly dns: Readonly<Record<string, readonly string[]>>;
  /** Where it is. */
  readonly place?: Place | undefined;
}

/** What is known of a request when it is over. */
type Landed = Pick<Landing, 'status' | 'flag' | 'route' | 'cluster' | 'endpoint' | 'durationMs' | 'responseHeaders'>;

export class SimulatedProxy {
  readonly #options: SimulatedProxyOptions;
  readonly #proxy: OfflineProxy;
  readonly #sent: SentRequest[] = [];
  #landed: Landed | undefined;

  constructor(options: SimulatedProxyOptions) {
    const { clock, random, place } = options;
    this.#options = options;
    const application = new SimulatedApplication((address) => this.#workloadAt(address));
    this.#proxy = new OfflineProxy({
      clock,
      random,
      place,
      application: (request, host) => {
        this.#sent.push(request);
        return application.answer(host);
      },
      createProber: () => application.createProber(),
      resolver: resolverOf(options.dns),
      onStreamComplete: (stream, durationMs) => void (this.#landed = landedOf(stream, durationMs)),
      createTracer: (config, routes) => tracers.create(config, 'OUTBOUND', routes),
    });
    const { clusters, stats } = this.#proxy;
    const tracers = new Tracers({ clusters, clock, random, stats, nodeId: 'client', logger: silentLogger });
  }

  /** What a push is applied to. */
  get configuration(): DynamicConfiguration {
    return this.#proxy.configuration;
  }

  /** Clusters wait for the health of their hosts. */
  get isWarming(): boolean {
    return this.#proxy.clusters.isWarming;
  }

  send({ host, method = 'GET', path = '/', headers = {} }: SimulatedRequest): () => Landing | undefined {
    const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
    const before = this.#sent.length;
    this.#landed = undefined;
    const request = `${method} ${path} HTTP/1.1\r\n${lines.join('')}\r\n`;
    const downstream = this.#proxy.send(Buffer.from(request, 'latin1'));
    if (downstream === undefined) throw new Error(`no request, or no outbound listener to take it: ${request}`);
    return () => {
      this.#proxy.settle();
      const landed = downstream.isDone ? this.#landed : undefined;
      if (landed === undefined) return undefined;
      const sent = this.#sent.slice(before);
      const attempts = sent.filter(({ isMirror }) => !isMirror).map(attemptOf);
      const workload = landed.flag === '-' || landed.flag === 'DI' ? this.#workloadAt(landed.endpoint) : undefined;
      return {
        ...landed,
        service: workload?.service,
        version: workload && (workload.labels?.['version'] ?? workload.version ?? 'v1'),
        attempts: attempts.map(({ address }) => address),
        upstreamPath: attempts.at(-1)?.path,
        upstreamHeaders: attempts.at(-1)?.headers ?? {},
        responseBody: downstream.body,
        mirrors: sent.filter(({ isMirror }) => isMirror).map(attemptOf),
      };
    };
  }

  /** Everything that went upstream so far. */
  get sent(): readonly Attempt[] {
    return this.#sent.map(attemptOf);
  }

  stat(name: string): number | undefined {
    return this.#proxy.stats.entries().find((stat) => stat.name === name)?.value;
  }

  #workloadAt(address: string | undefined): SimulatedWorkload | undefined {
    return this.#options.workloadsByAddress.get(address?.replace(/:\d+$/, '') ?? '');
  }
}

function resolverOf(dns: SimulatedProxyOptions['dns']): DnsResolver {
  return {
    resolve: ({ name }, done) => {
      const addresses = dns[name];
      if (addresses === undefined) done({ kind: 'failure', code: 'ENOTFOUND' });
      else done({ kind: 'addresses', addresses, ttlMs: undefined });
    },
  };
}

function landedOf({ response, responseFlags, routeName, cluster, host }: HttpStream, durationMs: number): Landed {
  return {
    status: response.status,
    flag: responseFlags,
    responseHeaders: Object.fromEntries(joined(listHeaders(response))),
    route: routeName,
    cluster: cluster?.config.name,
    endpoint: host?.address,
    durationMs,
  };
}

function attemptOf({ address, path, headers, body }: SentRequest): Attempt {
  return { address, path, headers: Object.fromEntries(joined(headers)), body };
}
