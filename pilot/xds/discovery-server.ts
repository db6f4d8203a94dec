/**
 * Keeps the push context current and tells the streams what changed. Changes within one turn of the event loop become
 * one push; nothing waits longer than that.
 */
import type { ConfigStore } from '../../crds/config-store.ts';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import { reportedHealth } from '../../proxy/api/health.ts';
import { localClusterName } from '../../proxy/api/local-cluster.ts';
import { isIntercepted } from '../../proxy/api/interception.ts';
import { isGateway, type Node, type NodeMetadata } from '../../proxy/api/node.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Logger } from '../../proxy/common/log.ts';
import { type ListValues, noListValues } from '../model/check-rules.ts';
import { noCredentials } from '../model/credentials.ts';
import { compareContexts, type PushContext } from '../model/push-context.ts';
import { followsRequests } from '../model/service.ts';
import type { Workload } from '../model/workload.ts';
import { localClusterOf } from '../networking/local-cluster.ts';
import { type Discovered, discover } from '../registry/service-discovery.ts';
import type { CheckLists } from '../registry/check-lists.ts';
import type { CredentialFolder } from '../registry/credential-folder.ts';
import type { WorkloadRegistry } from '../registry/workload-registry.ts';
import { AdsStream } from './ads-stream.ts';
import { EndpointSubscribers } from './endpoint-subscribers.ts';
import { createGenerators, type Generators, type SocketAddress, withoutSecrets } from './generators.ts';
import type { Peer } from './peer.ts';
import type { CredentialFault } from './gateway-sets.ts';
import { ResourceEncoder } from './resource-encoder.ts';
import { type ProxySyncStatus, syncStatusOf } from './sync-status.ts';
import { WorkloadRegistration } from './workload-registration.ts';

export interface DiscoveryServerOptions {
  readonly store: ConfigStore;
  readonly registry: WorkloadRegistry;
  readonly mixerAddress: SocketAddress | undefined;
  readonly meshConfig?: MeshConfig;
  /** Default none. */
  readonly credentials?: Pick<CredentialFolder, 'current' | 'onChange'>;
  /** Default none is read. */
  readonly lists?: ListValues & Pick<CheckLists, 'onChange'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What a connected sidecar's transport calls. */
export type ConnectedStream = Pick<AdsStream, 'receive' | 'resume' | 'close'>;

export class DiscoveryServer {
  readonly encoder = new ResourceEncoder();
  readonly #options: DiscoveryServerOptions;
  readonly #generators: Generators;
  readonly #streams = new Map<AdsStream, WorkloadRegistration>();
  readonly #subscribers = new EndpointSubscribers<AdsStream>();
  readonly #unsubscribe: (() => void)[] = [];
  #context: Discovered = discover({ revision: 0, resources: [], workloads: [] });
  /** Every Gateway and fault is told of once, however often listeners are made. */
  readonly #warnedOf = new Set<string>();
  #isPushScheduled = false;
  readonly #afterNextPush: (() => void)[] = [];

  constructor(options: DiscoveryServerOptions) {
    this.#options = options;
    this.#generators = createGenerators(this.encoder, options.mixerAddress, (fault) => this.#warnOfCredential(fault));
  }

  /** The store must be open. */
  start(): void {
    const { store, registry, credentials, lists } = this.#options;
    lists?.onChange(() => this.#schedulePush());
    credentials?.onChange(() => this.#schedulePush());
    this.#context = this.#discover();
    this.#unsubscribe.push(
      store.subscribe(() => this.#schedulePush()),
      registry.subscribe(() => this.#schedulePush()),
    );
  }

  #warnOfCredential(fault: CredentialFault): void {
    const text = `${fault.gateway} ${fault.fault}`;
    if (this.#warnedOf.has(text)) return;
    this.#warnedOf.add(text);
    this.#options.logger.warn('a server of a Gateway refuses its connections', { ...fault });
  }

  #warnOfStranger({ id, metadata }: Node, peer: Peer): void {
    if (!isGateway(metadata) || this.#warnedOf.has(id)) return;
    this.#warnedOf.add(id);
    const reason = 'it has shown no certificate: secrets need TLS (--xds-tls-dir), or a gateway on the same machine';
    this.#options.logger.warn('a gateway is told no secrets', { node: id, peer: peer.name, reason });
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe.splice(0)) unsubscribe();
  }

  /** A sidecar has opened a stream. */
  connect(node: Node, peer: Peer, write: (response: Uint8Array) => boolean): ConnectedStream {
    const { clock, logger, registry } = this.#options;
    const strangers = withoutSecrets(this.#generators, () => this.#warnOfStranger(node, peer));
    const registration = new WorkloadRegistration({ node, registry, clock, logger });
    const stream: AdsStream = new AdsStream({
      node,
      generators: peer.isTrusted ? this.#generators : strangers,
      context: () => this.#context,
      write,
      onListening: () => registration.onListening(),
      onEndpointNames: (before, after) => this.#subscribers.update(stream, before, after),
      clock,
      logger,
    });
    this.#streams.set(stream, registration);
    registration.start();
    return {
      receive: (request) => {
        const health = reportedHealth(request);
        if (health === undefined) return stream.receive(request);
        registration.report(health);
        if (health.kind === 'draining') this.#afterPush(() => this.#confirmWithdrawal(stream));
      },
      resume: () => stream.resume(),
      close: () => {
        this.#streams.delete(stream);
        stream.close();
        registration.close();
      },
    };
  }

  /** Whether a service of this full name is known, declared or named by a workload. */
  hasService(hostname: string): boolean {
    return this.#context.config.services.find(hostname) !== undefined;
  }

  /**
   * What serves a service of this full name now. None for a service that is not known; undefined where a request itself says
   * where it goes.
   */
  endpointsOf(hostname: string): readonly Workload[] | undefined {
    const service = this.#context.config.services.find(hostname);
    if (service !== undefined && followsRequests(service)) return undefined;
    return this.#context.workloads.get(hostname) ?? [];
  }

  /** One entry per open stream, sorted by proxy. */
  syncStatus(): ProxySyncStatus[] {
    return [...this.#streams]
      .map(([stream, registration]) => syncStatusOf(stream, registration.status))
      .sort((a, b) => (a.proxy < b.proxy ? -1 : 1));
  }

  /** Tells a draining sidecar when all others have answered what was sent to them because of that. */
  #confirmWithdrawal(stream: AdsStream): void {
    const others = [...this.#streams.keys()].filter((other) => other !== stream);
    let waiting = others.length;
    if (waiting === 0) stream.confirmWithdrawal();
    for (const other of others) {
      other.onceAnswered(() => {
        waiting -= 1;
        if (waiting === 0) stream.confirmWithdrawal();
      });
    }
  }

  /** Calls back when what changed until now has been handed to the streams. */
  #afterPush(callback: () => void): void {
    this.#afterNextPush.push(callback);
    this.#schedulePush();
  }

  #schedulePush(): void {
    if (this.#isPushScheduled) return;
    this.#isPushScheduled = true;
    setImmediate(() => {
      this.#isPushScheduled = false;
      this.#push();
      for (const callback of this.#afterNextPush.splice(0)) callback();
    });
  }

  #push(): void {
    const before = this.#context;
    try {
      this.#context = this.#discover(before);
    } catch (error) {
      this.#options.logger.error('push context cannot be built, the last good one stays', { error: String(error) });
      return;
    }
    const { isConfigChanged, areAddressesChanged, hostnames } = compareContexts(before, this.#context);
    if (isConfigChanged) {
      for (const stream of this.#streams.keys()) stream.push();
      return;
    }
    for (const [stream, names] of this.#subscribersOf(hostnames, before)) stream.push(names);
    if (!areAddressesChanged) return;
    for (const stream of this.#streams.keys()) if (followsAddresses(stream.node.metadata)) stream.push();
  }

  /** Streams → clusters whose endpoints may differ. A workload's own service is known here only, not by a name. */
  #subscribersOf(hostnames: readonly string[], before: PushContext): ReadonlyMap<AdsStream, ReadonlySet<string>> {
    const found = new Map(this.#subscribers.of(hostnames));
    if (!this.#context.config.destinationRules.hasZoneAware) return found;
    const changed = new Set(hostnames);
    for (const stream of this.#streams.keys()) {
      const own = [before, this.#context].map((push) => localClusterOf(push, stream.node.metadata)?.hostname);
      if (!own.some((hostname) => hostname !== undefined && changed.has(hostname))) continue;
      found.set(stream, new Set([...(found.get(stream) ?? []), localClusterName]));
    }
    return found;
  }

  #discover(previous?: Discovered): Discovered {
    const { store, registry, meshConfig, credentials, lists = noListValues } = this.#options;
    const input = {
      revision: store.revision,
      resources: store.list(),
      workloads: registry.workloads(),
      credentials: credentials?.current ?? noCredentials,
      lists,
    };
    return discover(meshConfig === undefined ? input : { ...input, meshConfig }, previous);
  }
}

/** Whether its listeners are made of workloads' addresses. */
function followsAddresses(node: NodeMetadata): boolean {
  return isIntercepted(node) || node.dnsPort !== undefined;
}
