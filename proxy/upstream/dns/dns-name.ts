/**
 * One name that is kept looked up, for as long as somebody uses it. A lookup that fails changes nothing: the last good
 * addresses stay until a better answer comes.
 */
import { isIP } from 'node:net';
import type { DnsPolicy } from '../../api/dns.ts';
import { Backoff } from '../../common/backoff.ts';
import type { Clock } from '../../common/clock.ts';
import type { Random } from '../picker.ts';
import type { DnsAnswer, DnsResolver } from './resolver.ts';

export interface DnsContext {
  readonly clock: Clock;
  readonly random: Random;
  readonly resolver: DnsResolver;
}

/** Who waits for an answer or follows all of them. */
export interface DnsUser {
  /** What is known is looked up once more. */
  onLookUp?(): void;
  /** A lookup is over; `name` says what is known now. */
  onLookedUp(name: DnsName): void;
}

export class DnsName {
  readonly name: string;
  /** The last good answer; replaced, never changed. */
  addresses: readonly string[] = [];
  /** Why the last lookup failed; undefined when it did not. */
  failure: string | undefined = undefined;
  /** No lookup has ended yet. */
  isPending = true;
  /** The last lookup brought other addresses. */
  isChanged = false;
  /** Monotonic milliseconds; kept by the cache that the name is in. */
  lastUsedMs = 0;
  readonly policy: DnsPolicy;
  readonly #context: DnsContext;
  readonly #users = new Set<DnsUser>();
  readonly #backoff: Backoff | undefined;
  #cancelTimer = (): void => {};
  #state: 'new' | 'started' | 'closed' = 'new';

  /** An address stands for itself and is never asked for. */
  constructor(name: string, policy: DnsPolicy, context: DnsContext) {
    this.name = name;
    this.policy = policy;
    this.#context = context;
    const { failureRefresh } = policy;
    this.#backoff = failureRefresh && new Backoff(failureRefresh.baseMs, failureRefresh.maxMs, context.random);
    if (isIP(name) === 0) return;
    this.addresses = [name];
    this.isPending = false;
  }

  /** Asks for the first time. */
  start(): void {
    if (!this.isPending || this.#state !== 'new') return;
    this.#state = 'started';
    this.#lookUp();
  }

  /** Who still waits hears that there will be no answer. */
  close(): void {
    this.#state = 'closed';
    this.#cancelTimer();
    if (this.isPending) this.failure = 'ECANCELLED';
    this.isPending = false;
    this.isChanged = false;
    this.#tellUsers();
    this.#users.clear();
  }

  addUser(user: DnsUser): void {
    this.#users.add(user);
  }

  removeUser(user: DnsUser): void {
    this.#users.delete(user);
  }

  /** Users that only waited leave while they are told. */
  #tellUsers(): void {
    for (const user of this.#users) user.onLookedUp(this);
  }

  /** Resolves when a lookup has ended, at once if one has. */
  whenLookedUp(): Promise<void> {
    return new Promise((resolve) => {
      const user: DnsUser = {
        onLookedUp: () => {
          this.removeUser(user);
          resolve();
        },
      };
      if (this.isPending) this.addUser(user);
      else resolve();
    });
  }

  #lookUp(): void {
    const { clock, resolver } = this.#context;
    const { family, servers, queryTimeoutMs } = this.policy;
    let isOver = false;
    const end = (answer: DnsAnswer): void => {
      if (isOver || this.#state === 'closed') return;
      isOver = true;
      this.#cancelTimer();
      this.#onAnswer(answer);
    };
    this.#cancelTimer = clock.setTimer(() => end({ kind: 'failure', code: 'ETIMEOUT' }), queryTimeoutMs);
    resolver.resolve({ name: this.name, family, servers, timeoutMs: queryTimeoutMs }, end);
  }

  #onAnswer(answer: DnsAnswer): void {
    this.isPending = false;
    this.failure = answer.kind === 'failure' ? answer.code : undefined;
    const addresses = answer.kind === 'failure' ? this.addresses : [...new Set(answer.addresses)];
    this.isChanged = !isSameSet(addresses, this.addresses);
    if (this.isChanged) this.addresses = addresses;
    this.#cancelTimer = this.#context.clock.setTimer(() => this.#refresh(), this.#refreshMs(answer));
    this.#tellUsers();
  }

  #refresh(): void {
    for (const user of this.#users) user.onLookUp?.();
    this.#lookUp();
  }

  #refreshMs(answer: DnsAnswer): number {
    const { refreshMs, respectsTtl, minRefreshMs } = this.policy;
    if (answer.kind === 'failure') return this.#backoff?.nextDelayMs() ?? refreshMs;
    this.#backoff?.reset();
    const { ttlMs = 0 } = answer;
    return Math.max(minRefreshMs, respectsTtl && ttlMs > 0 ? ttlMs : refreshMs);
  }
}

/** Servers turn their answers around to spread load: another order is no other answer. */
function isSameSet(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((address) => b.includes(address));
}
