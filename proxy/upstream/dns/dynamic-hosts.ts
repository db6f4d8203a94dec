/**
 * Envoy's cluster of the dynamic forward proxy: each request goes to the host that its authority names. A host is there
 * from the first request for it until the cache forgets it.
 */
import type { DnsCacheConfig } from '../../api/dns.ts';
import type { Endpoint } from '../../api/cluster.ts';
import { MeshError } from '../../common/errors.ts';
import type { Host } from '../host.ts';
import type { Picker } from '../picker.ts';
import type { Destination } from './destination.ts';
import type { DnsCache, DnsCacheUser } from './dns-cache.ts';
import type { DnsName } from './dns-name.ts';
import type { DiscoveringCluster, HostDiscovery } from './host-discovery.ts';

interface KnownDestination {
  readonly addresses: readonly string[];
  readonly endpoints: readonly Endpoint[];
  /** In the order of `addresses`. */
  hosts: readonly Host[];
}

const nowhere = { region: '', zone: '', subZone: '', weight: 0 };

export class DynamicHosts implements HostDiscovery, DnsCacheUser, Picker {
  readonly cache: DnsCache;
  readonly #cluster: DiscoveringCluster;
  readonly #destinations = new Map<string, KnownDestination>();

  constructor(cache: DnsCacheConfig, cluster: DiscoveringCluster) {
    this.cache = cluster.dns.cache(cache);
    this.#cluster = cluster;
  }

  get picker(): Picker {
    return this;
  }

  start(): Promise<void> {
    this.cache.addUser(this);
    return Promise.resolve();
  }

  prepare(destination: Destination | undefined): DnsName | MeshError | undefined {
    if (destination === undefined) return new MeshError('dns_failure', 'the request names no host');
    const name = this.cache.use(destination);
    if (name === undefined) {
      const { maxHosts } = this.cache.config;
      return new MeshError('overflow', `the DNS cache is full: ${maxHosts} hosts are in use`);
    }
    if (name.isPending) return name;
    const { addresses, failure } = name;
    if (addresses.length === 0) {
      const reason = `no service, and no host in DNS, has the name ${destination.name} (${failure})`;
      return new MeshError('dns_failure', reason);
    }
    if (this.#cluster.dns.leadsToItself(addresses, destination)) {
      return new MeshError('forwarding_loop', `${destination.key} is the proxy itself`);
    }
    if (this.#destinations.get(destination.key)?.addresses !== addresses) this.#learn(destination, addresses);
    return undefined;
  }

  #learn({ key, port }: Destination, addresses: readonly string[]): void {
    const endpoints = addresses.map((address): Endpoint => ({
      address,
      port,
      isHealthy: true,
      weight: 1,
      priority: 0,
      locality: nowhere,
      workload: undefined,
      healthCheck: undefined,
    }));
    this.#destinations.set(key, { addresses, endpoints, hosts: [] });
    this.#updateHosts();
  }

  onForgotten(key: string): void {
    if (this.#destinations.delete(key)) this.#updateHosts();
  }

  /** Destinations with one address and port share its host. */
  #updateHosts(): void {
    const all = [...this.#destinations.values()].flatMap(({ endpoints }) => endpoints);
    const byAddress = new Map(all.map((endpoint) => [addressOf(endpoint), endpoint]));
    this.#cluster.updateAssignment({
      clusterName: this.#cluster.name,
      endpoints: [...byAddress.values()],
      overprovisioningFactor: 140,
    });
    const hosts = new Map(this.#cluster.hosts().map((host) => [host.address, host]));
    for (const destination of this.#destinations.values()) {
      destination.hosts = destination.endpoints.flatMap((endpoint) => hosts.get(addressOf(endpoint)) ?? []);
    }
  }

  /** The first address; another attempt is made at the next one. */
  pick(_hash?: number, attempt = 0, destination = ''): Host | undefined {
    const hosts = this.#destinations.get(destination)?.hosts;
    if (hosts === undefined) return undefined;
    for (let i = 0; i < hosts.length; i++) {
      const host = hosts[(attempt + i) % hosts.length];
      if (host?.isAvailable === true) return host;
    }
    return undefined;
  }

  close(): void {
    this.cache.removeUser(this);
  }
}

function addressOf({ address, port }: Endpoint): string {
  return `${address}:${port}`;
}
