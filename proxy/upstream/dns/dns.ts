/** Everything of one proxy that looks names up: the caches by configuration, and the names that clusters share. */
import type { DnsCacheConfig, DnsPolicy } from '../../api/dns.ts';
import type { StatsStore } from '../../common/stats.ts';
import { DnsCache } from './dns-cache.ts';
import { type DnsContext, DnsName, type DnsUser } from './dns-name.ts';
import type { Destination } from './destination.ts';

export interface DnsOptions extends DnsContext {
  readonly stats: StatsStore;
  /** Whether the proxy itself is reached there, for anything but what it takes in for its application. */
  readonly isOwnAddress: (address: string, port: number) => boolean;
}

interface SharedName {
  readonly name: DnsName;
  readonly clusters: Set<DnsUser>;
}

export class Dns {
  readonly #options: DnsOptions;
  readonly #caches = new Map<string, DnsCache>();
  readonly #names = new Map<string, SharedName>();

  constructor(options: DnsOptions) {
    this.#options = options;
  }

  /** The cache of this name; of another one if it is configured otherwise, which Envoy refuses. */
  cache(config: DnsCacheConfig): DnsCache {
    const key = JSON.stringify(config);
    let cache = this.#caches.get(key);
    if (cache === undefined) {
      cache = new DnsCache(config, this.#options, this.#options.stats);
      this.#caches.set(key, cache);
    }
    return cache;
  }

  /** For clusters: one that takes another's place begins with what is known already. */
  acquire(text: string, policy: DnsPolicy, cluster: DnsUser): DnsName {
    const key = keyOf(text, policy);
    let shared = this.#names.get(key);
    if (shared === undefined) {
      shared = { name: new DnsName(text, policy, this.#options), clusters: new Set() };
      this.#names.set(key, shared);
    }
    shared.clusters.add(cluster);
    shared.name.addUser(cluster);
    return shared.name;
  }

  release(name: DnsName, cluster: DnsUser): void {
    const key = keyOf(name.name, name.policy);
    const clusters = this.#names.get(key)?.clusters;
    name.removeUser(cluster);
    clusters?.delete(cluster);
    if (clusters?.size !== 0) return;
    this.#names.delete(key);
    name.close();
  }

  /** A request to the proxy itself would go round and round, or reach what only the machine's owner may. */
  leadsToItself(addresses: readonly string[], { port }: Destination): boolean {
    return addresses.some((address) => this.#options.isOwnAddress(address, port));
  }

  close(): void {
    for (const cache of this.#caches.values()) cache.close();
    for (const { name } of this.#names.values()) name.close();
  }
}

function keyOf(name: string, policy: DnsPolicy): string {
  return JSON.stringify([name, policy]);
}
