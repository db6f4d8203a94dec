/** Which VirtualService rules a host in the mesh. */
import { resolveShortName } from '../../crds/host.ts';
import type { Resource } from '../../crds/resource.ts';
import type { VirtualServiceSpec } from '../../crds/virtual-service.ts';
import { HostTable } from './host-table.ts';

export type VirtualService = Resource<VirtualServiceSpec>;

/**
 * `resources` come oldest first. Rules of several VirtualServices for one host are not merged in the mesh: the oldest
 * wins (semantics S4). One that names gateways other than `mesh` does not apply to sidecars.
 */
export function indexVirtualServices(resources: readonly VirtualService[]): HostTable<VirtualService> {
  const byHost = new Map<string, VirtualService>();
  for (const resource of resources) {
    if (!appliesToMesh(resource)) continue;
    for (const host of resource.spec.hosts ?? []) {
      const hostname = resolveShortName(host, resource.metadata.namespace).toLowerCase();
      if (!byHost.has(hostname)) byHost.set(hostname, resource);
    }
  }
  return new HostTable(byHost);
}

function appliesToMesh({ spec: { gateways = [] } }: VirtualService): boolean {
  return gateways.length === 0 || gateways.includes('mesh');
}
