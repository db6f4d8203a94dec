/**
 * Subscription: what one sidecar asked for of one type, what it was sent and what it said to that. State of the world,
 * Envoy docs `api-docs/xds_protocol`.
 */
import type { DiscoveryRequest } from '../../proxy/api/discovery.ts';
import type { EncodedResource } from './resource-encoder.ts';

/** One response, and what became of it. */
export interface Delivery {
  readonly version: string;
  readonly nonce: string;
  /** Of the clock: milliseconds since the epoch. */
  readonly sentAtMs: number;
  readonly outcome:
    | { readonly kind: 'awaiting' }
    | { readonly kind: 'acked'; readonly atMs: number }
    | { readonly kind: 'nacked'; readonly atMs: number; readonly reason: string };
}

/** The resources of one response. */
export interface Push {
  readonly resources: readonly EncodedResource[];
  /** What is not among them does not exist any more. */
  readonly isComplete: boolean;
}

/** Which resources may differ from what was sent. */
export type Dirty = 'all' | ReadonlySet<string>;

export class Subscription {
  /** Asked for by name; empty for a subscription to everything. */
  names: ReadonlySet<string> = new Set();
  isWildcard = false;
  last: Delivery | undefined;
  lastAcked: Delivery | undefined;
  #sent = new Map<string, EncodedResource>();
  #dirty: Dirty = 'all';
  #sentCount = 0;
  #hasNamedSome = false;

  /** By name, as last sent; a client that rejected them keeps what it had before. */
  get sent(): ReadonlyMap<string, EncodedResource> {
    return this.#sent;
  }

  get dirty(): Dirty {
    return this.#dirty;
  }

  get isAwaitingAck(): boolean {
    return this.last?.outcome.kind === 'awaiting';
  }

  /** Nothing to look at and nothing under way. */
  get isSettled(): boolean {
    return !this.isAwaitingAck && !this.#isDirty;
  }

  /** Number of the response whose answer tells that the client has what is in force now; see `hasAnswered`. */
  get dueResponse(): number {
    return this.#isDirty ? this.#sentCount + 1 : this.#sentCount;
  }

  /** Whether the client accepted or rejected that response, or there was nothing to send after all. */
  hasAnswered(response: number): boolean {
    return this.isSettled || (this.isAwaitingAck ? this.#sentCount - 1 : this.#sentCount) >= response;
  }

  get #isDirty(): boolean {
    return this.#dirty === 'all' || this.#dirty.size > 0;
  }

  markDirty(dirty: Dirty): void {
    this.#dirty = this.#dirty === 'all' || dirty === 'all' ? 'all' : new Set([...this.#dirty, ...dirty]);
  }

  markClean(): void {
    this.#dirty = new Set();
  }

  /** These must be sent again even when they have not changed. */
  forget(names: Iterable<string>): void {
    this.markDirty(new Set([...names].filter((name) => this.#sent.delete(name))));
  }

  recordSent(delivery: Omit<Delivery, 'outcome'>, push: Push): void {
    this.#sentCount += 1;
    this.last = { ...delivery, outcome: { kind: 'awaiting' } };
    if (push.isComplete) this.#sent = new Map();
    for (const resource of push.resources) this.#sent.set(resource.name, resource);
  }

  /** Returns false for a request that answers an older response: a newer one is on its way. */
  receive(request: DiscoveryRequest, atMs: number): boolean {
    const isAnswer = request.responseNonce !== '' && this.last !== undefined;
    if (isAnswer && request.responseNonce !== this.last?.nonce) return false;
    if (isAnswer && this.last !== undefined && this.isAwaitingAck) this.#settle(this.last, request, atMs);
    this.#subscribe(request.resourceNames);
    return true;
  }

  #settle(delivery: Delivery, { errorDetail }: DiscoveryRequest, atMs: number): void {
    if (errorDetail === undefined) {
      this.last = { ...delivery, outcome: { kind: 'acked', atMs } };
      this.lastAcked = this.last;
    } else {
      this.last = { ...delivery, outcome: { kind: 'nacked', atMs, reason: errorDetail.message } };
    }
  }

  /** No names mean everything, unless some were given before: then they mean nothing any more. */
  #subscribe(resourceNames: readonly string[]): void {
    const isWildcard = resourceNames.includes('*') || (resourceNames.length === 0 && !this.#hasNamedSome);
    if (isWildcard !== this.isWildcard) this.markDirty('all');
    this.isWildcard = isWildcard;
    const names = new Set(isWildcard ? [] : resourceNames);
    const removed = [...this.names].filter((name) => !names.has(name));
    const added = [...names].filter((name) => !this.names.has(name));
    this.names = names;
    this.#hasNamedSome ||= names.size > 0;
    if (!isWildcard && removed.length > 0) this.forget(removed);
    if (added.length > 0) this.markDirty(new Set(added));
  }
}
