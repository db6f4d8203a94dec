/**
 * ADS client: one stream to the control plane, opened again with jittered back-off whenever it ends. What was accepted
 * stays in force in between, and is what the next stream starts from.
 */
import type { SocketAddress } from '../api/address-decoder.ts';
import type { Cluster } from '../api/cluster.ts';
import type { DiscoveryResponse } from '../api/discovery.ts';
import { type Health, healthRequest, isWithdrawal } from '../api/health.ts';
import { encodeNode } from '../api/node.ts';
import { decode } from '../api/protojson.ts';
import { type DiscoveryName, discoveryNameOf, discoveryNames } from '../api/resource-types.ts';
import type { Bootstrap } from '../bootstrap.ts';
import { Backoff } from '../common/backoff.ts';
import { type Clock, systemClock } from '../common/clock.ts';
import { formatFieldErrors } from '../common/decoded.ts';
import type { Lifecycle } from '../common/lifecycle.ts';
import type { Logger } from '../common/log.ts';
import type { UpstreamTlsContext } from '../tls/upstream-tls.ts';
import { AdsStream } from './ads-stream.ts';
import { DynamicConfiguration } from './dynamic-configuration.ts';
import type { XdsSink } from './sink.ts';
import type { SubscriptionStatus } from './subscription.ts';

export interface AdsClientOptions {
  /** Must have `ads`; its cluster is a static one, as `readBootstrap` makes sure. */
  readonly bootstrap: Bootstrap;
  /** Where the control plane is now, asked before each attempt. Default: as the configuration of its cluster says. */
  readonly endpoints?: () => readonly SocketAddress[];
  /** Of its cluster, where that has any. */
  readonly tls?: () => Pick<UpstreamTlsContext, 'current' | 'fault'> | undefined;
  readonly sink: XdsSink;
  readonly logger: Logger;
  readonly clock?: Clock;
  readonly random?: () => number;
  /** Default 30,000. */
  readonly keepaliveTimeMs?: number;
}

/** For the admin endpoint. */
export interface DiscoveryReport {
  readonly name: DiscoveryName;
  readonly typeUrl: string;
  /** The version in force; empty before the first. */
  readonly version: string;
  readonly status: SubscriptionStatus;
  readonly resourceNames: readonly string[];
}

const minBackoffMs = 250;
const maxBackoffMs = 10_000;
/** Envoy's default `initial_fetch_timeout`: for how long a start waits for single resources that nobody sends. */
const initialFetchTimeoutMs = 15_000;

export class AdsClient implements Lifecycle {
  readonly #bootstrap: Bootstrap;
  readonly #endpoints: () => readonly SocketAddress[];
  readonly #tls: NonNullable<AdsClientOptions['tls']>;
  readonly #isPlainText: boolean;
  readonly #connectTimeoutMs: number;
  readonly #keepaliveTimeMs: number;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #configuration: DynamicConfiguration;
  readonly #sink: XdsSink;
  /** The newest response of CDS: only it is still to be answered. */
  #clustersResponse: DiscoveryResponse | undefined;
  #state: 'new' | 'running' | 'closed' = 'new';
  #stream: AdsStream | undefined;
  /** As last reported. */
  #health: Health | undefined;
  #attempts = 0;
  /** Whether the stream at hand has proved to lead to a control plane. */
  #hasResponse = false;
  /** Responses are applied one after another, also when the stream has changed in between. */
  #applying: Promise<void> = Promise.resolve();
  #cancelRetry: () => void = () => {};
  #cancelInitialFetch: (() => void) | undefined;
  /** Who waits for the control plane to say that nobody sends to this proxy any more. */
  #onWithdrawn: () => void = () => {};
  #hasInitialConfiguration = false;
  #waiters: { readonly resolve: () => void; readonly reject: (reason: Error) => void }[] = [];

  constructor(options: AdsClientOptions) {
    const { bootstrap, sink, logger, clock = systemClock, random = Math.random } = options;
    const cluster = bootstrap.staticClusters.find(({ name }) => name === bootstrap.ads?.clusterName);
    if (bootstrap.ads === undefined || cluster === undefined) {
      throw new Error('ADS needs a bootstrap with ads_config and its static cluster');
    }
    this.#bootstrap = bootstrap;
    this.#sink = sink;
    this.#endpoints = options.endpoints ?? (() => configuredEndpoints(cluster));
    this.#tls = options.tls ?? (() => undefined);
    this.#isPlainText = cluster.tls === undefined;
    this.#connectTimeoutMs = cluster.connectTimeoutMs;
    this.#keepaliveTimeMs = options.keepaliveTimeMs ?? 30_000;
    this.#logger = logger;
    this.#clock = clock;
    this.#backoff = new Backoff(minBackoffMs, maxBackoffMs, random);
    const { staticClusters: clusters, staticListeners: listeners, ads } = bootstrap;
    const { hasClusterDiscovery, hasListenerDiscovery } = ads;
    const staticConfiguration = { clusters, listeners, hasClusterDiscovery, hasListenerDiscovery };
    this.#configuration = new DynamicConfiguration(staticConfiguration, sink);
  }

  /** Whether everything has arrived once that the configuration refers to, or was waited for long enough. */
  get hasInitialConfiguration(): boolean {
    return this.#hasInitialConfiguration;
  }

  get isConnected(): boolean {
    return this.#stream !== undefined && this.#hasResponse;
  }

  /** Resolves when `hasInitialConfiguration` becomes true, however long that takes; rejects on `close`. */
  async waitForInitialConfiguration(): Promise<void> {
    if (this.#hasInitialConfiguration) return;
    if (this.#state === 'closed') throw new Error('closed before the first configuration came');
    await new Promise<void>((resolve, reject) => this.#waiters.push({ resolve, reject }));
  }

  /** Resolves at once: connecting goes on in the background for as long as it takes. */
  async start(): Promise<void> {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    this.#checkInitialConfiguration();
    this.#connect();
  }

  /** There is nothing to finish: the same as `close`. */
  async drain(_deadlineMs: number): Promise<void> {
    await this.close();
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#cancelRetry();
    this.#cancelInitialFetch?.();
    this.#stream?.close();
    this.#stream = undefined;
    this.#onWithdrawn();
    for (const { reject } of this.#waiters.splice(0)) reject(new Error('closed before the first configuration came'));
  }

  /** Tells the control plane how the application is: now, and again at the start of every later stream. */
  reportHealth(health: Health): void {
    this.#health = health;
    this.#stream?.send(healthRequest(health));
  }

  /**
   * Asks the control plane to send nobody here any more. Resolves when it says that all others know, or on `close`: a
   * control plane that is away, or is not Heddle's, says nothing.
   */
  withdraw(): Promise<void> {
    if (this.#state === 'closed') return Promise.resolve();
    const withdrawn = new Promise<void>((resolve) => (this.#onWithdrawn = resolve));
    this.reportHealth({ kind: 'draining' });
    return withdrawn;
  }

  /** Per discovery service, in apply order. */
  describe(): DiscoveryReport[] {
    return discoveryNames.map((name) => {
      const { type, version, status, resources } = this.#configuration.subscriptions[name];
      return { name, typeUrl: type.typeUrl, version, status, resourceNames: [...resources.keys()] };
    });
  }

  /** The accepted resources of a service in JSON form, for /config_dump. */
  dump(name: DiscoveryName): unknown[] {
    const { type, resources } = this.#configuration.subscriptions[name];
    return [...resources.values()].map(({ bytes }) => decode(type.messageName, bytes).value);
  }

  #connect(): void {
    const endpoints = this.#endpoints();
    const endpoint = endpoints[this.#attempts % endpoints.length];
    this.#attempts += 1;
    if (endpoint === undefined) return this.#retry('the cluster has no endpoints');
    const tls = this.#isPlainText ? undefined : this.#tls();
    const context = tls?.current;
    if (!this.#isPlainText && context === undefined) return this.#retry(tls?.fault ?? 'it has no certificates yet');
    this.#hasResponse = false;
    const stream = new AdsStream(
      {
        endpoint,
        tls: context,
        connectTimeoutMs: this.#connectTimeoutMs,
        keepaliveTimeMs: this.#keepaliveTimeMs,
        node: encodeNode(this.#bootstrap.node),
        clock: this.#clock,
      },
      {
        response: (response) => {
          this.#applying = this.#applying.then(() => this.#receive(stream, response));
          return this.#applying;
        },
        ended: (reason) => this.#retry(reason),
      },
    );
    this.#stream = stream;
    stream.open();
    this.#subscribeAll(stream);
    if (this.#health !== undefined) stream.send(healthRequest(this.#health));
  }

  #subscribeAll(stream: AdsStream): void {
    for (const name of discoveryNames) this.#configuration.subscriptions[name].startStream();
    for (const name of discoveryNames) {
      const subscription = this.#configuration.subscriptions[name];
      if (subscription.isWanted) stream.send(subscription.request());
    }
  }

  #retry(reason: string): void {
    if (this.#state !== 'running') return;
    this.#stream = undefined;
    const retryInMs = this.#backoff.nextDelayMs();
    this.#logger.warn('ADS stream ended', { reason, retryInMs });
    this.#cancelRetry = this.#clock.setTimer(() => this.#connect(), retryInMs);
  }

  async #receive(stream: AdsStream, response: DiscoveryResponse): Promise<void> {
    if (stream.isOver) return;
    if (isWithdrawal(response)) {
      this.#onWithdrawn();
      return;
    }
    const name = discoveryNameOf(response.typeUrl);
    if (name === undefined || !this.#configuration.subscriptions[name].isWanted) {
      this.#logger.warn('ADS response of a type that was not asked for', { typeUrl: response.typeUrl });
      return;
    }
    if (!this.#hasResponse) this.#backoff.reset();
    this.#hasResponse = true;
    if (name === 'CDS') this.#clustersResponse = response;
    for (const other of await this.#apply(name, response)) {
      if (other === name) this.#answer(name, stream, response);
      else this.#stream?.send(this.#configuration.subscriptions[other].request());
    }
    this.#report(name);
    this.#checkInitialConfiguration();
  }

  /**
   * Clusters are acknowledged when they are warm, as Envoy does: a control plane that makes before it breaks takes that
   * for the word that routes may lead there.
   */
  #answer(name: DiscoveryName, stream: AdsStream, response: DiscoveryResponse): void {
    const subscription = this.#configuration.subscriptions[name];
    const send = (): void => {
      // The stream may have ended meanwhile, and its nonce means nothing to the next one.
      if (!stream.isOver) stream.send(subscription.request());
    };
    if (name !== 'CDS' || subscription.status.kind === 'nacked') return send();
    this.#sink.onceClustersAreWarm(() => {
      if (this.#clustersResponse === response) send();
    });
  }

  /** A sink that throws is a defect of ours, but no reason to lose the process or the stream. */
  async #apply(name: DiscoveryName, response: DiscoveryResponse): Promise<DiscoveryName[]> {
    try {
      return await this.#configuration.apply(name, response);
    } catch (error) {
      this.#logger.error(`${name} failed to apply`, { error: error instanceof Error ? error.stack : String(error) });
      this.#configuration.subscriptions[name].reject([{ path: '', message: 'internal error of the proxy' }]);
      return [name];
    }
  }

  #report(name: DiscoveryName): void {
    const { status, version } = this.#configuration.subscriptions[name];
    if (status.kind !== 'nacked') return this.#logger.debug(`${name} accepted`, { version });
    this.#logger.warn(`${name} refused`, { inForce: version, errors: formatFieldErrors(status.errors) });
  }

  #checkInitialConfiguration(): void {
    if (this.#hasInitialConfiguration || this.#state !== 'running') return;
    if (this.#configuration.isComplete) return this.#finishInitialConfiguration();
    const { CDS, LDS } = this.#configuration.subscriptions;
    if (!CDS.isComplete || !LDS.isComplete) return;
    this.#cancelInitialFetch ??= this.#clock.setTimer(() => {
      this.#logger.warn('resources that the configuration refers to did not come in time');
      this.#finishInitialConfiguration();
    }, initialFetchTimeoutMs);
  }

  #finishInitialConfiguration(): void {
    this.#cancelInitialFetch?.();
    this.#hasInitialConfiguration = true;
    for (const { resolve } of this.#waiters.splice(0)) resolve();
  }
}

function configuredEndpoints({ discovery }: Cluster): readonly SocketAddress[] {
  return discovery.kind === 'static' ? discovery.assignment.endpoints : [];
}
