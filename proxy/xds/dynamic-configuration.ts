/**
 * What the control plane sent and was accepted, and the one way in which it reaches the sink: make before break. A
 * response is applied whole or not at all, whatever is wrong with it.
 */
import type { Cluster } from '../api/cluster.ts';
import type { DiscoveryResponse } from '../api/discovery.ts';
import type { Listener } from '../api/listener.ts';
import type { MessageName } from '../api/protojson.ts';
import { type DiscoveryName, discoveryNames, resourceTypes } from '../api/resource-types.ts';
import type { Decoded, FieldError } from '../common/decoded.ts';
import {
  assignmentNames,
  inlineRouteConfigurations,
  proxiedClusterNames,
  routeConfigurationNames,
  routedClusterNames,
  secretNames,
} from './references.ts';
import { atResource, type ResourceSet } from './resource-set.ts';
import type { XdsSink } from './sink.ts';
import { Subscription } from './subscription.ts';

/** The bootstrap's part of the configuration. */
export interface StaticConfiguration {
  readonly clusters: readonly Cluster[];
  readonly listeners: readonly Listener[];
  readonly hasClusterDiscovery: boolean;
  readonly hasListenerDiscovery: boolean;
}

export class DynamicConfiguration {
  readonly subscriptions = {
    CDS: new Subscription(resourceTypes.CDS),
    EDS: new Subscription(resourceTypes.EDS),
    SDS: new Subscription(resourceTypes.SDS),
    LDS: new Subscription(resourceTypes.LDS),
    RDS: new Subscription(resourceTypes.RDS),
  };
  readonly #static: StaticConfiguration;
  readonly #sink: XdsSink;
  /** What the sink has: the accepted clusters and those that CDS has dropped but routes still name. */
  #clusters: ReadonlyMap<string, Cluster> = new Map();

  constructor(staticConfiguration: StaticConfiguration, sink: XdsSink) {
    this.#static = staticConfiguration;
    this.#sink = sink;
    if (staticConfiguration.hasClusterDiscovery) this.subscriptions.CDS.subscribe('all');
    if (staticConfiguration.hasListenerDiscovery) this.subscriptions.LDS.subscribe('all');
    this.#subscribeReferences();
  }

  /** Whether everything that is asked for has arrived. */
  get isComplete(): boolean {
    return discoveryNames.every((name) => this.subscriptions[name].isComplete);
  }

  /** Applies a response and returns which services have to send a request now, the answer to this response first. */
  async apply(name: DiscoveryName, response: DiscoveryResponse): Promise<DiscoveryName[]> {
    const { EDS, RDS, SDS } = this.subscriptions;
    if (name === 'CDS') this.#applyClusters(response);
    else if (name === 'EDS') applyEach(EDS, response, (assignment) => this.#sink.updateAssignment(assignment));
    else if (name === 'SDS') applyEach(SDS, response, (secret) => this.#sink.updateSecret(secret));
    else if (name === 'LDS') await this.#applyListeners(response);
    else applyEach(RDS, response, (routes) => this.#sink.updateRouteConfiguration(routes));
    return [name, ...this.#subscribeReferences().filter((other) => other !== name)];
  }

  #applyClusters(response: DiscoveryResponse): void {
    const subscription = this.subscriptions.CDS;
    const received = refuseStatic(subscription.receive(response), this.#static.clusters);
    if (received.errors !== undefined) return subscription.reject(received.errors);
    const { changed, removed } = subscription.changes(received.value);
    if (changed.length > 0 || removed.length > 0) {
      const clusters = this.#keepRouted(valuesOf(received.value));
      const errors = this.#sink.replaceClusters([...clusters.values()]);
      if (errors.length > 0) return subscription.reject(errors);
      this.#clusters = clusters;
    }
    subscription.accept(response.versionInfo, received.value);
    // A cluster that was built anew starts without endpoints, and EDS has no reason to send them again.
    for (const name of assignmentNames(changed)) {
      const known = this.subscriptions.EDS.resources.get(name);
      if (known !== undefined) this.#sink.updateAssignment(known.value);
    }
  }

  async #applyListeners(response: DiscoveryResponse): Promise<void> {
    const subscription = this.subscriptions.LDS;
    const received = refuseStatic(subscription.receive(response), this.#static.listeners);
    if (received.errors !== undefined) return subscription.reject(received.errors);
    const { changed, removed } = subscription.changes(received.value);
    if (changed.length > 0 || removed.length > 0) {
      const errors = await this.#sink.replaceListeners([...valuesOf(received.value).values()]);
      if (errors.length > 0) return subscription.reject(errors);
    }
    subscription.accept(response.versionInfo, received.value);
    for (const name of routeConfigurationNames(changed)) {
      const known = this.subscriptions.RDS.resources.get(name);
      if (known !== undefined) this.#sink.updateRouteConfiguration(known.value);
    }
  }

  /** Clusters and listeners name what EDS, SDS and RDS are asked for. Returns where that has changed. */
  #subscribeReferences(): DiscoveryName[] {
    const { EDS, RDS, SDS } = this.subscriptions;
    const routesChanged = RDS.subscribe(routeConfigurationNames(this.#listeners()));
    this.#dropUnusedClusters();
    const clusters = [...this.#static.clusters, ...this.#clusters.values()];
    const assignmentsChanged = EDS.subscribe(assignmentNames(clusters));
    const secrets = secretNames(clusters, this.#listeners());
    const secretsChanged = SDS.subscribe(secrets);
    if (secretsChanged) this.#sink.retainSecrets(secrets);
    return [
      ...(assignmentsChanged ? ['EDS' as const] : []),
      ...(secretsChanged ? ['SDS' as const] : []),
      ...(routesChanged ? ['RDS' as const] : []),
    ];
  }

  #listeners(): Listener[] {
    return [...this.#static.listeners, ...valuesOf(this.subscriptions.LDS.resources).values()];
  }

  /** `accepted`, and every cluster of the sink that routes or listeners still name: it goes when they have gone. */
  #keepRouted(accepted: ReadonlyMap<string, Cluster>): ReadonlyMap<string, Cluster> {
    const routed = routedClusterNames([
      ...inlineRouteConfigurations(this.#listeners()),
      ...valuesOf(this.subscriptions.RDS.resources).values(),
    ]);
    for (const name of proxiedClusterNames(this.#listeners())) routed.add(name);
    const kept = [...this.#clusters].filter(([name]) => routed.has(name));
    return new Map([...kept, ...accepted]);
  }

  #dropUnusedClusters(): void {
    const clusters = this.#keepRouted(valuesOf(this.subscriptions.CDS.resources));
    if (clusters.size === this.#clusters.size) return;
    const errors = this.#sink.replaceClusters([...clusters.values()]);
    if (errors.length === 0) this.#clusters = clusters;
  }
}

/**
 * EDS, SDS and RDS: the sink is called once per resource, so what came before a fault is taken back. A resource that was new
 * then stays where nothing refers to it.
 */
function applyEach<N extends MessageName, T>(
  subscription: Subscription<N, T>,
  response: DiscoveryResponse,
  update: (value: T) => FieldError[],
): void {
  const received = subscription.receive(response);
  if (received.errors !== undefined) return subscription.reject(received.errors);
  const applied: string[] = [];
  for (const value of subscription.changes(received.value).changed) {
    const name = subscription.type.nameOf(value);
    const errors = update(value);
    applied.push(name);
    if (errors.length === 0) continue;
    for (const before of applied.map((each) => subscription.resources.get(each))) {
      if (before !== undefined) update(before.value);
    }
    return subscription.reject(errors.map((error) => atResource(name, error)));
  }
  subscription.accept(response.versionInfo, received.value);
}

/** What the bootstrap holds cannot be replaced. */
function refuseStatic<T>(
  received: Decoded<ResourceSet<T>>,
  fixed: readonly { readonly name: string }[],
): Decoded<ResourceSet<T>> {
  if (received.errors !== undefined) return received;
  const { value } = received;
  const errors = fixed
    .filter(({ name }) => value.has(name))
    .map(({ name }) => ({ path: name, message: 'must not have the name of a static resource' }));
  return errors.length > 0 ? { errors } : received;
}

function valuesOf<T>(resources: ResourceSet<T>): ReadonlyMap<string, T> {
  return new Map([...resources].map(([name, { value }]) => [name, value]));
}
