/**
 * Envoy's ORIGINAL_DST cluster: each connection goes where it was meant to go before it was redirected here. A host is
 * there from the first connection to it until nobody used it for a while.
 */
import { isIP } from 'node:net';
import type { Cluster, Endpoint } from '../api/cluster.ts';
import type { DiscoveringCluster, HostDiscovery } from './dns/host-discovery.ts';
import type { Host } from './host.ts';
import type { Picker } from './picker.ts';

export type OriginalDestinationConfig = Extract<Cluster['discovery'], { kind: 'original_dst' }>;

/** Whoever asks for more at once is told that there is no host: it would be memory that strangers can spend. */
const maxHosts = 10_000;

const nowhere = { region: '', zone: '', subZone: '', weight: 0 };

interface KnownHost {
  readonly endpoint: Endpoint;
  host: Host | undefined;
  /** Monotonic; when somebody last was seen to use it. */
  usedMs: number;
}

export class OriginalDestinations implements HostDiscovery, Picker {
  readonly cache = undefined;
  readonly #config: OriginalDestinationConfig;
  readonly #cluster: DiscoveringCluster;
  readonly #nowMs: () => number;
  /** By `address:port`. */
  readonly #known = new Map<string, KnownHost>();

  constructor(config: OriginalDestinationConfig, cluster: DiscoveringCluster, nowMs: () => number) {
    this.#config = config;
    this.#cluster = cluster;
    this.#nowMs = nowMs;
  }

  get picker(): Picker {
    return this;
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  prepare(): undefined {
    return undefined;
  }

  /** `destination`: `address:port`, IPv6 without brackets. Undefined for what is no address, or is the proxy itself. */
  pick(_hash?: number, _attempt?: number, destination = ''): Host | undefined {
    const known = this.#known.get(destination) ?? this.#learn(destination);
    if (known === undefined) return undefined;
    known.usedMs = this.#nowMs();
    return known.host;
  }

  #learn(destination: string): KnownHost | undefined {
    const colon = destination.lastIndexOf(':');
    const address = destination.slice(0, colon);
    const port = this.#config.port ?? Number(destination.slice(colon + 1));
    if (isIP(address) === 0 || this.#known.size >= maxHosts) return undefined;
    // A connection that nobody redirected was meant for the proxy: passed on, it would come back for ever.
    if (this.#cluster.dns.leadsToItself([address], { key: destination, name: address, port })) return undefined;
    const endpoint = { ...common, address, port };
    const known: KnownHost = { endpoint, host: undefined, usedMs: this.#nowMs() };
    this.#known.set(destination, known);
    this.#updateHosts();
    return known;
  }

  #updateHosts(): void {
    const byAddress = new Map([...this.#known.values()].map(({ endpoint }) => [addressOf(endpoint), endpoint]));
    this.#cluster.updateAssignment({
      clusterName: this.#cluster.name,
      endpoints: [...byAddress.values()],
      overprovisioningFactor: 140,
    });
    const hosts = new Map(this.#cluster.hosts().map((host) => [host.address, host]));
    for (const known of this.#known.values()) known.host = hosts.get(addressOf(known.endpoint));
  }

  /** Called once a second. */
  sweep(nowMs: number): void {
    const { size } = this.#known;
    for (const [destination, known] of this.#known) {
      if ((known.host?.activeConnections ?? 0) > 0) known.usedMs = nowMs;
      else if (nowMs - known.usedMs >= this.#config.cleanupIntervalMs) this.#known.delete(destination);
    }
    if (this.#known.size < size) this.#updateHosts();
  }

  close(): void {}
}

const common: Omit<Endpoint, 'address' | 'port'> = {
  isHealthy: true,
  weight: 1,
  priority: 0,
  locality: nowhere,
  workload: undefined,
  healthCheck: undefined,
};

function addressOf({ address, port }: Endpoint): string {
  return `${address}:${port}`;
}
