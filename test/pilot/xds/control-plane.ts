/** An ADS server over a memory store, for tests to connect fake sidecars to. */
import { MemoryStore } from '../../../crds/memory-store.ts';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import { silentLogger } from '../../../proxy/common/log.ts';
import { WorkloadRegistry } from '../../../pilot/registry/workload-registry.ts';
import { AdsServer, type Keepalive } from '../../../pilot/xds/ads-server.ts';
import { DiscoveryServer } from '../../../pilot/xds/discovery-server.ts';
import type { SocketAddress } from '../../../pilot/xds/generators.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { metadataOf, resourcesOf } from '../networking/scenario.ts';
import { clusterNames, FakeSidecar, type Received } from './fake-sidecar.ts';

/** However slow the machine is, nobody is given up. */
const patient: Keepalive = { intervalMs: 3_600_000, timeoutMs: 3_600_000 };

export class ControlPlane {
  readonly clock = new ManualClock();
  readonly store = new MemoryStore({ clock: this.clock });
  readonly registry = new WorkloadRegistry(this.clock);
  readonly discovery: DiscoveryServer;
  readonly server: AdsServer;
  readonly #sidecars: FakeSidecar[] = [];

  private constructor(mixerAddress: SocketAddress | undefined, keepalive: Keepalive) {
    const { clock, store, registry } = this;
    const logger = silentLogger;
    this.discovery = new DiscoveryServer({ store, registry, mixerAddress, clock, logger });
    this.server = new AdsServer({ host: '127.0.0.1', port: 0, discovery: this.discovery, keepalive, clock, logger });
  }

  static async start(yaml = '', mixerAddress?: SocketAddress, keepalive = patient): Promise<ControlPlane> {
    const controlPlane = new ControlPlane(mixerAddress, keepalive);
    await controlPlane.store.open();
    await controlPlane.apply(yaml);
    controlPlane.discovery.start();
    await controlPlane.server.start();
    return controlPlane;
  }

  async apply(yaml: string): Promise<void> {
    await this.store.commit(resourcesOf(yaml).map((resource) => ({ op: 'put', resource })));
    await turn();
  }

  async delete(kind: string, name: string): Promise<void> {
    await this.store.commit([{ op: 'delete', key: { kind, namespace: 'default', name } }]);
    await turn();
  }

  connect(metadata: Partial<NodeMetadata> = {}): FakeSidecar {
    const sidecar = new FakeSidecar(this.server.port, metadataOf(metadata));
    this.#sidecars.push(sidecar);
    return sidecar;
  }

  /** A sidecar that accepts everything and is subscribed to all it needs: its workload is registered. */
  async connectSynced(metadata: Partial<NodeMetadata> = {}): Promise<FakeSidecar> {
    const sidecar = this.connect(metadata);
    sidecar.isAccepting = true;
    sidecar.subscribe('CDS');
    sidecar.subscribe('EDS', ['mixer', ...outboundNames(await sidecar.next('CDS'))]);
    await sidecar.next('EDS');
    sidecar.subscribe('LDS');
    await sidecar.next('LDS');
    sidecar.subscribe('RDS', ['http_proxy']);
    await sidecar.next('RDS');
    await sidecar.barrier();
    await turn();
    await sidecar.barrier();
    sidecar.takeAll();
    return sidecar;
  }

  /** A synced sidecar that serves nothing. */
  connectClient(): Promise<FakeSidecar> {
    return this.connectSynced({ service: '', name: 'client', appPort: 0, inboundPort: 0 });
  }

  async close(): Promise<void> {
    for (const sidecar of this.#sidecars) sidecar.close();
    this.discovery.close();
    await this.server.close();
    await this.store.close();
  }
}

export function outboundNames(received: Received): string[] {
  return clusterNames(received).filter((name) => name.startsWith('outbound|'));
}

/** A push is computed in the next turn of the event loop. */
export function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
}
