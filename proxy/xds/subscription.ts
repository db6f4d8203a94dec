/**
 * One discovery service on the stream: what is subscribed, what was last accepted, and what the next request has to say.
 * State of the world: every response holds all resources (CDS, LDS) or those that changed (EDS, RDS).
 */
import type { DiscoveryRequest, DiscoveryResponse } from '../api/discovery.ts';
import type { MessageName } from '../api/protojson.ts';
import type { ResourceType } from '../api/resource-types.ts';
import { type Decoded, type FieldError, formatFieldErrors } from '../common/decoded.ts';
import { decodeResourceSet, type Resource, type ResourceSet } from './resource-set.ts';

export type SubscriptionStatus =
  /** Nothing is asked for. */
  | { readonly kind: 'idle' }
  /** Asked, on this stream not yet answered. */
  | { readonly kind: 'requested' }
  | { readonly kind: 'acked' }
  /** The last response was refused; the version before it is in force. */
  | { readonly kind: 'nacked'; readonly errors: readonly FieldError[] };

/** `all`: the wildcard of CDS and LDS. */
export type SubscribedNames = 'all' | readonly string[];

/** google.rpc.Code INVALID_ARGUMENT. */
const invalidArgument = 3;
/** A control plane that sends a thousand faults reads the first hundred. */
const maxReportedErrors = 100;

export class Subscription<N extends MessageName, T> {
  readonly type: ResourceType<N, T>;
  #status: SubscriptionStatus = { kind: 'idle' };
  #names: SubscribedNames = [];
  #resources: ResourceSet<T> = new Map();
  #version = '';
  #nonce = '';
  /** Whether the server was asked on this stream: only then an empty list means "nothing any more". */
  #isOnStream = false;
  /** Of a response that was refused but not yet answered. */
  #pendingErrors: readonly FieldError[] | undefined;

  constructor(type: ResourceType<N, T>) {
    this.type = type;
  }

  get status(): SubscriptionStatus {
    return this.#status;
  }

  /** The version in force; empty before the first. */
  get version(): string {
    return this.#version;
  }

  get resources(): ResourceSet<T> {
    return this.#resources;
  }

  /** Whether this service has to be asked at all. */
  get isWanted(): boolean {
    return this.#names === 'all' || this.#names.length > 0 || this.#isOnStream;
  }

  /** Whether everything that is subscribed is there. */
  get isComplete(): boolean {
    if (this.#names === 'all') return this.#version !== '';
    return this.#names.every((name) => this.#resources.has(name));
  }

  isSubscribed(name: string): boolean {
    return this.#names === 'all' || this.#names.includes(name);
  }

  /** Returns whether that changes anything. Resources that nobody asks for any more are forgotten. */
  subscribe(names: SubscribedNames): boolean {
    if (names === 'all' || this.#names === 'all') {
      const isChanged = names !== this.#names;
      this.#names = names;
      return isChanged;
    }
    if (names.length === this.#names.length && names.every((name, i) => name === this.#names[i])) return false;
    this.#names = names;
    this.#resources = new Map([...this.#resources].filter(([name]) => names.includes(name)));
    return true;
  }

  /** Nonces belong to a stream; version and resources outlive it. */
  startStream(): void {
    this.#nonce = '';
    this.#isOnStream = false;
    this.#pendingErrors = undefined;
    this.#status = { kind: 'idle' };
  }

  /** The next request: first subscription, ACK, NACK or changed names, which all look alike. */
  request(): DiscoveryRequest {
    const isAnswer = this.#status.kind === 'acked' || this.#status.kind === 'nacked';
    const errorDetail = this.#takeErrorDetail();
    if (!isAnswer) this.#status = { kind: 'requested' };
    this.#isOnStream = true;
    return {
      typeUrl: this.type.typeUrl,
      versionInfo: this.#version,
      responseNonce: this.#nonce,
      resourceNames: this.#names === 'all' ? [] : this.#names,
      node: undefined,
      errorDetail,
    };
  }

  #takeErrorDetail(): DiscoveryRequest['errorDetail'] {
    const errors = this.#pendingErrors;
    this.#pendingErrors = undefined;
    return errors && { code: invalidArgument, message: describeErrors(errors) };
  }

  /** Decodes a response; `accept` or `reject` has to follow. */
  receive(response: DiscoveryResponse): Decoded<ResourceSet<T>> {
    this.#nonce = response.nonce;
    return decodeResourceSet(this.type, response.resources, this.#resources);
  }

  /** What a response changes: for partial ones, only what is subscribed counts. */
  changes(received: ResourceSet<T>): { readonly changed: readonly T[]; readonly removed: readonly string[] } {
    const changed = [...received].filter(
      ([name, resource]) => this.isSubscribed(name) && this.#resources.get(name) !== resource,
    );
    const removed = this.type.isComplete ? [...this.#resources.keys()].filter((name) => !received.has(name)) : [];
    return { changed: changed.map(([, { value }]) => value), removed };
  }

  accept(version: string, received: ResourceSet<T>): void {
    const kept: Iterable<[string, Resource<T>]> = this.type.isComplete ? [] : this.#resources;
    this.#resources = new Map([...kept, ...[...received].filter(([name]) => this.isSubscribed(name))]);
    this.#version = version;
    this.#status = { kind: 'acked' };
    this.#pendingErrors = undefined;
  }

  reject(errors: readonly FieldError[]): void {
    this.#status = { kind: 'nacked', errors };
    this.#pendingErrors = errors;
  }
}

function describeErrors(errors: readonly FieldError[]): string {
  const rest = errors.length - maxReportedErrors;
  const lines = formatFieldErrors(errors.slice(0, maxReportedErrors));
  return rest > 0 ? `${lines}\n… and ${rest} more` : lines;
}
