/**
 * One sidecar's ADS stream: its subscriptions and what may be sent next. At most one response per type is under way;
 * whatever changes meanwhile is sent as one response, the latest state. Types go out in the order CDS, EDS, LDS, RDS,
 * each when the client has answered the ones before it, and clusters are removed last: make before break.
 */
import { type DiscoveryRequest, encodeDiscoveryResponse } from '../../proxy/api/discovery.ts';
import { encodeWithdrawal } from '../../proxy/api/health.ts';
import type { Node } from '../../proxy/api/node.ts';
import { type DiscoveryName, discoveryNameOf, discoveryNames, resourceTypes } from '../../proxy/api/resource-types.ts';
import type { Clock } from '../../proxy/common/clock.ts';
import type { Logger } from '../../proxy/common/log.ts';
import type { PushContext } from '../model/push-context.ts';
import type { Generators } from './generators.ts';
import { changedNames, planComplete, planPartial } from './push-plan.ts';
import { contentHash } from './resource-encoder.ts';
import { PendingAnswers } from './pending-answers.ts';
import { type Dirty, type Push, Subscription } from './subscription.ts';
import { WarmingClusters } from './warming-clusters.ts';

export interface AdsStreamOptions {
  readonly node: Node;
  readonly generators: Generators;
  /** The newest push context. */
  readonly context: () => PushContext;
  /** Hands over one encoded response; false asks to wait for `resume`. */
  readonly write: (response: Uint8Array) => boolean;
  /** The client accepted its listeners. */
  readonly onListening: () => void;
  readonly onEndpointNames: (before: ReadonlySet<string>, after: ReadonlySet<string>) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

const noNames: ReadonlySet<string> = new Set();

export class AdsStream {
  readonly node: Node;
  readonly connectedAtMs: number;
  readonly subscriptions = new Map<DiscoveryName, Subscription>();
  readonly #options: AdsStreamOptions;
  readonly #warming: WarmingClusters;
  readonly #pendingAnswers = new PendingAnswers();
  #hasDeferredRemovals = false;
  #isWritable = true;
  #isClosed = false;
  #responses = 0;

  constructor(options: AdsStreamOptions) {
    this.#options = options;
    this.node = options.node;
    this.connectedAtMs = options.clock.nowMs();
    this.#warming = new WarmingClusters(options.clock, () => this.#flush());
  }

  receive(request: DiscoveryRequest): void {
    const type = discoveryNameOf(request.typeUrl);
    if (type === undefined) {
      this.#options.logger.debug('no such resources here', { node: this.node.id, typeUrl: request.typeUrl });
      return;
    }
    const subscription = this.subscriptions.get(type) ?? new Subscription();
    this.subscriptions.set(type, subscription);
    const { names, isAwaitingAck } = subscription;
    if (!subscription.receive(request, this.#options.clock.nowMs())) return;
    if (isAwaitingAck && !subscription.isAwaitingAck) this.#onAnswer(type, subscription);
    if (type === 'EDS') {
      this.#options.onEndpointNames(names, subscription.names);
      this.#warming.subscribe(subscription.names);
    }
    this.#flush();
  }

  /** Sends what changed, if anything did: of all types, or of these names of EDS. */
  push(endpoints?: ReadonlySet<string>): void {
    if (endpoints !== undefined) this.subscriptions.get('EDS')?.markDirty(endpoints);
    else for (const subscription of this.subscriptions.values()) subscription.markDirty('all');
    this.#flush();
  }

  /** Calls back once the client has answered everything that is due to it now, or is gone. */
  onceAnswered(callback: () => void): void {
    if (this.#isClosed) return callback();
    this.#pendingAnswers.add(this.subscriptions.values(), callback);
  }

  /** Tells the client that nobody else sends to its workload any more. */
  confirmWithdrawal(): void {
    if (!this.#isClosed) this.#isWritable = this.#options.write(encodeWithdrawal(String(++this.#responses)));
  }

  /** The transport takes responses again. */
  resume(): void {
    this.#isWritable = true;
    this.#flush();
  }

  close(): void {
    this.#isClosed = true;
    this.#warming.end();
    this.#pendingAnswers.end();
    this.#options.onEndpointNames(this.subscriptions.get('EDS')?.names ?? noNames, noNames);
  }

  #onAnswer(type: DiscoveryName, { last }: Subscription): void {
    if (last?.outcome.kind === 'nacked') {
      const { reason } = last.outcome;
      this.#options.logger.warn('update rejected', { node: this.node.id, type, version: last.version, reason });
      if (type === 'CDS') this.#warming.end();
    } else if (type === 'LDS') this.#options.onListening();
  }

  #flush(): void {
    for (const type of discoveryNames) this.#pushType(type);
    this.#pendingAnswers.check();
    if (!this.#hasDeferredRemovals || this.#areClustersInUse()) return;
    this.subscriptions.get('CDS')?.markDirty('all');
    this.#pushType('CDS');
  }

  #pushType(type: DiscoveryName): void {
    const subscription = this.subscriptions.get(type);
    if (subscription === undefined || subscription.isSettled || subscription.isAwaitingAck) return;
    if (!this.#isWritable || this.#isClosed || this.#isHeldBack(type)) return;
    const { dirty } = subscription;
    try {
      const push = this.#plan(type, subscription, dirty);
      subscription.markClean();
      if (push !== undefined) this.#send(type, subscription, push);
    } catch (error) {
      // The client keeps its last good configuration; the next change tries again.
      subscription.markClean();
      this.#options.logger.error('translation failed', { node: this.node.id, type, error: String(error) });
    }
  }

  /** Listeners and routes refer to clusters, which need endpoints: the earlier types have to be answered first. */
  #isHeldBack(type: DiscoveryName): boolean {
    if (type === 'CDS' || type === 'EDS') return false;
    const earlier = discoveryNames.slice(0, discoveryNames.indexOf(type));
    return !this.#warming.isDone || !earlier.every((name) => this.#isSettled(name));
  }

  #isSettled(type: DiscoveryName): boolean {
    return this.subscriptions.get(type)?.isSettled ?? true;
  }

  /** The client may still follow listeners and routes that are older than the push context. */
  #areClustersInUse(): boolean {
    return !this.#isSettled('LDS') || !this.#isSettled('RDS');
  }

  #plan(type: DiscoveryName, subscription: Subscription, dirty: Dirty): Push | undefined {
    const { metadata } = this.node;
    const context = this.#options.context();
    const { all, lookup, absent } = this.#options.generators[type];
    const { names, isWildcard, sent } = subscription;
    const find = lookup(metadata, context);
    // Endpoints of a cluster that is going stay as they were sent: routes may still lead to it.
    const standIn = (name: string) => (absent === undefined ? undefined : (sent.get(name) ?? absent(name)));
    const resourcesOf = (wanted: Iterable<string>) =>
      [...wanted].map((name) => find(name) ?? standIn(name)).filter((resource) => resource !== undefined);
    if (!resourceTypes[type].isComplete) {
      return planPartial(
        subscription,
        resourcesOf(dirty === 'all' ? names : [...dirty].filter((name) => names.has(name))),
      );
    }
    const wanted = isWildcard
      ? all(metadata, context)
      : new Map(resourcesOf(names).map((resource) => [resource.name, resource]));
    const plan = planComplete(subscription, wanted, type === 'CDS' && this.#areClustersInUse());
    if (type === 'CDS') this.#hasDeferredRemovals = plan.hasDeferredRemovals;
    return plan.push;
  }

  #send(type: DiscoveryName, subscription: Subscription, push: Push): void {
    const version = contentHash(push.resources.map((resource) => resource.version));
    const nonce = String(++this.#responses);
    const response = encodeDiscoveryResponse(
      { typeUrl: resourceTypes[type].typeUrl, versionInfo: version, nonce },
      push.resources.flatMap((resource) => resource.parts()),
    );
    const changed = changedNames(subscription, push);
    subscription.recordSent({ version, nonce, sentAtMs: this.#options.clock.nowMs() }, push);
    if (type === 'CDS' && subscription.isWildcard) this.#onClustersSent(push, changed);
    this.#isWritable = this.#options.write(response);
  }

  /** Envoy warms a changed cluster like a new one and waits for its endpoints, though it has asked for them before. */
  #onClustersSent(push: Push, changed: readonly string[]): void {
    const endpoints = this.subscriptions.get('EDS');
    endpoints?.forget(changed);
    this.#warming.start(
      push.resources.filter(({ needsEndpoints }) => needsEndpoints).map(({ name }) => name),
      endpoints?.names ?? noNames,
    );
  }
}
