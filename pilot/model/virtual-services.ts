/** Which VirtualService rules a host in the mesh. */
import { meshGateway, resolveGatewayName } from '../../crds/gateway-name.ts';
import { resolveShortName } from '../../crds/host.ts';
import type { Resource } from '../../crds/resource.ts';
import type { VirtualServiceSpec } from '../../crds/virtual-service.ts';
import type { Overlay } from './canaries.ts';
import { includeDelegates } from './delegates.ts';
import { HostTable } from './host-table.ts';
import { isVisibleTo } from './visibility.ts';

export type VirtualService = Resource<VirtualServiceSpec>;

/** Those that apply to sidecars. One that names gateways other than `mesh` does not. */
export class VirtualServices {
  /** Oldest first, delegates included. */
  readonly all: readonly VirtualService[];
  readonly #withHosts: readonly VirtualService[];
  readonly #overlay: Overlay;
  readonly #byGateway = new Map<string, readonly VirtualService[]>();
  readonly #tables = new Map<string, HostTable<VirtualService>>();

  /** `resources` come oldest first; `overlay` is what releases make of them. */
  constructor(resources: readonly VirtualService[], overlay: Overlay = (all) => all) {
    this.#withHosts = includeDelegates(resources);
    this.#overlay = overlay;
    this.all = overlay(this.#withHosts, meshGateway).filter(appliesToMesh);
  }

  /** Those that name a gateway, `NAMESPACE/NAME`, as nodes of `namespace` see them; oldest first. */
  boundTo(gateway: string, namespace: string): VirtualService[] {
    let bound = this.#byGateway.get(gateway);
    if (bound === undefined) {
      bound = this.#overlay(this.#withHosts, gateway).filter((resource) => names(resource, gateway));
      this.#byGateway.set(gateway, bound);
    }
    return bound.filter((resource) => isVisibleTo(resource, namespace));
  }

  /**
   * By host, as clients of `namespace` see them. Rules of several VirtualServices for one host are not merged in the
   * mesh: the oldest wins (semantics S4).
   */
  visibleTo(namespace: string): HostTable<VirtualService> {
    const known = this.#tables.get(namespace);
    if (known !== undefined) return known;
    const byHost = new Map<string, VirtualService>();
    for (const resource of this.all) {
      if (!isVisibleTo(resource, namespace)) continue;
      for (const host of resource.spec.hosts ?? []) {
        const hostname = resolveShortName(host, resource.metadata.namespace).toLowerCase();
        if (!byHost.has(hostname)) byHost.set(hostname, resource);
      }
    }
    const table = new HostTable(byHost);
    this.#tables.set(namespace, table);
    return table;
  }
}

function names({ spec: { gateways = [] }, metadata }: VirtualService, gateway: string): boolean {
  return gateways.some((name) => resolveGatewayName(name, metadata.namespace) === gateway);
}

function appliesToMesh({ spec: { gateways = [] } }: VirtualService): boolean {
  return gateways.length === 0 || gateways.includes(meshGateway);
}
