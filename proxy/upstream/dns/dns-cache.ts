/**
 * Envoy's DNS cache of the dynamic forward proxy: the hosts that requests asked for, kept looked up while they are in
 * use. Bounded, because whoever sends requests decides what stands in it.
 */
import type { DnsCacheConfig } from '../../api/dns.ts';
import type { Stat, StatsStore } from '../../common/stats.ts';
import type { Destination } from './destination.ts';
import { type DnsContext, DnsName, type DnsUser } from './dns-name.ts';

/** Hears of a destination that is gone from the cache. */
export interface DnsCacheUser {
  onForgotten(key: string): void;
}

export class DnsCache implements DnsUser {
  readonly config: DnsCacheConfig;
  readonly #context: DnsContext;
  readonly #stats: DnsCacheStats;
  readonly #hosts = new Map<string, DnsName>();
  readonly #users = new Set<DnsCacheUser>();
  #pendingRequests = 0;
  #cancelSweep: (() => void) | undefined = undefined;

  constructor(config: DnsCacheConfig, context: DnsContext, stats: StatsStore) {
    this.config = config;
    this.#context = context;
    this.#stats = new DnsCacheStats(stats, config.name);
  }

  addUser(user: DnsCacheUser): void {
    this.#users.add(user);
  }

  removeUser(user: DnsCacheUser): void {
    this.#users.delete(user);
  }

  /** The name of this destination, in use from now on; undefined when the cache is full. */
  use({ key, name }: Destination): DnsName | undefined {
    const host = this.#hosts.get(key) ?? this.#add(key, name);
    if (host !== undefined) host.lastUsedMs = this.#context.clock.monotonicMs();
    return host;
  }

  #add(key: string, name: string): DnsName | undefined {
    if (this.#hosts.size >= this.config.maxHosts) {
      this.#stats.hostOverflow.value += 1;
      return undefined;
    }
    const host = new DnsName(name, this.config, this.#context);
    this.#hosts.set(key, host);
    this.#stats.hostAdded.value += 1;
    this.#stats.hosts.value += 1;
    host.addUser(this);
    host.start();
    this.#cancelSweep ??= this.#context.clock.setTimer(this.#sweep, this.#sweepIntervalMs);
    return host;
  }

  /** Whether one more request may wait for a lookup; `endWaiting` gives its place back. */
  beginWaiting(): boolean {
    if (this.#pendingRequests >= this.config.maxPendingRequests) {
      this.#stats.pendingOverflow.value += 1;
      return false;
    }
    this.#pendingRequests += 1;
    return true;
  }

  endWaiting(): void {
    this.#pendingRequests -= 1;
  }

  onLookedUp({ failure, isChanged }: DnsName): void {
    const { queryAttempt, querySuccess, queryFailure, queryTimeout, addressChanged } = this.#stats;
    queryAttempt.value += 1;
    (failure === undefined ? querySuccess : queryFailure).value += 1;
    if (failure === 'ETIMEOUT') queryTimeout.value += 1;
    if (isChanged) addressChanged.value += 1;
  }

  get #sweepIntervalMs(): number {
    return Math.min(this.config.hostTtlMs, 10_000);
  }

  /** Forgets what nobody has asked for lately. */
  readonly #sweep = (): void => {
    const { clock } = this.#context;
    const oldestMs = clock.monotonicMs() - this.config.hostTtlMs;
    for (const [key, host] of this.#hosts) {
      if (host.lastUsedMs > oldestMs) continue;
      this.#hosts.delete(key);
      host.close();
      this.#stats.hostRemoved.value += 1;
      this.#stats.hosts.value -= 1;
      for (const user of this.#users) user.onForgotten(key);
    }
    this.#cancelSweep = this.#hosts.size > 0 ? clock.setTimer(this.#sweep, this.#sweepIntervalMs) : undefined;
  };

  close(): void {
    this.#cancelSweep?.();
    for (const host of this.#hosts.values()) host.close();
    this.#hosts.clear();
  }
}

/** Envoy docs, http_filters/dynamic_forward_proxy_filter. Queries are counted when they end. */
class DnsCacheStats {
  readonly queryAttempt: Stat;
  readonly querySuccess: Stat;
  readonly queryFailure: Stat;
  readonly queryTimeout: Stat;
  readonly addressChanged: Stat;
  readonly hostAdded: Stat;
  readonly hostRemoved: Stat;
  readonly hostOverflow: Stat;
  readonly pendingOverflow: Stat;
  readonly hosts: Stat;

  constructor(stats: StatsStore, name: string) {
    const prefix = `dns_cache.${name}.`;
    this.queryAttempt = stats.counter(`${prefix}dns_query_attempt`);
    this.querySuccess = stats.counter(`${prefix}dns_query_success`);
    this.queryFailure = stats.counter(`${prefix}dns_query_failure`);
    this.queryTimeout = stats.counter(`${prefix}dns_query_timeout`);
    this.addressChanged = stats.counter(`${prefix}host_address_changed`);
    this.hostAdded = stats.counter(`${prefix}host_added`);
    this.hostRemoved = stats.counter(`${prefix}host_removed`);
    this.hostOverflow = stats.counter(`${prefix}host_overflow`);
    this.pendingOverflow = stats.counter(`${prefix}dns_rq_pending_overflow`);
    this.hosts = stats.gauge(`${prefix}num_hosts`);
  }
}
