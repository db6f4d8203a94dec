/** Envoy's clusters of type STRICT_DNS and LOGICAL_DNS: endpoints of the configuration, with addresses for names. */
import { isIP } from 'node:net';
import type { Cluster, Endpoint } from '../../api/cluster.ts';
import { MeshError } from '../../common/errors.ts';
import type { DnsName, DnsUser } from './dns-name.ts';
import type { DiscoveringCluster, HostDiscovery } from './host-discovery.ts';

type DnsDiscovery = Cluster['discovery'] & { readonly kind: 'dns' };

export class ResolvedEndpoints implements HostDiscovery, DnsUser {
  readonly cache = undefined;
  readonly picker = undefined;
  readonly #discovery: DnsDiscovery;
  readonly #cluster: DiscoveringCluster;
  readonly #names = new Map<string, DnsName>();
  #hasEndpoints = false;

  constructor(discovery: DnsDiscovery, cluster: DiscoveringCluster) {
    this.#discovery = discovery;
    this.#cluster = cluster;
  }

  async start(): Promise<void> {
    const { assignment, policy } = this.#discovery;
    for (const { address } of assignment.endpoints) {
      if (isIP(address) !== 0 || this.#names.has(address)) continue;
      this.#names.set(address, this.#cluster.dns.acquire(address, policy, this));
    }
    this.#updateHosts();
    const names = [...this.#names.values()];
    for (const name of names) {
      // Another cluster may have begun to look it up: this one waits for the same answer.
      if (name.isPending) this.onLookUp();
      name.start();
    }
    await Promise.all(names.map((name) => name.whenLookedUp()));
  }

  onLookUp(): void {
    this.#cluster.stats.updateAttempt.value += 1;
  }

  onLookedUp({ failure, isChanged }: DnsName): void {
    const { stats } = this.#cluster;
    (failure === undefined ? stats.updateSuccess : stats.updateFailure).value += 1;
    if (isChanged) this.#updateHosts();
    else if (failure === undefined) stats.updateNoRebuild.value += 1;
  }

  #updateHosts(): void {
    const { assignment, isLogical } = this.#discovery;
    const byAddress = new Map<string, Endpoint>();
    for (const endpoint of assignment.endpoints) {
      const addresses = this.#addressesOf(endpoint);
      for (const address of isLogical ? this.#keepCurrent(addresses) : addresses) {
        const key = `${address}:${endpoint.port}`;
        if (!byAddress.has(key)) byAddress.set(key, { ...endpoint, address });
      }
    }
    this.#hasEndpoints = byAddress.size > 0;
    this.#cluster.updateAssignment({ ...assignment, endpoints: [...byAddress.values()] });
  }

  #addressesOf({ address }: Endpoint): readonly string[] {
    return isIP(address) === 0 ? (this.#names.get(address)?.addresses ?? []) : [address];
  }

  /** Large services turn through many addresses: the one in use stays as long as it is among them. */
  #keepCurrent(addresses: readonly string[]): readonly string[] {
    const current = this.#cluster.hosts()[0]?.endpoint.address;
    return current !== undefined && addresses.includes(current) ? [current] : addresses.slice(0, 1);
  }

  /** Envoy does not use such a cluster before its names are looked up; here its first requests wait. */
  prepare(): DnsName | MeshError | undefined {
    if (this.#hasEndpoints) return undefined;
    let failed: DnsName | undefined = undefined;
    for (const name of this.#names.values()) {
      if (name.isPending) return name;
      failed = name;
    }
    if (failed === undefined) return undefined;
    const reason = `no endpoint in cluster ${this.#cluster.name}: ${failed.name} cannot be resolved (${failed.failure})`;
    return new MeshError('no_healthy_upstream', reason);
  }

  close(): void {
    for (const name of this.#names.values()) this.#cluster.dns.release(name, this);
    this.#names.clear();
  }
}
