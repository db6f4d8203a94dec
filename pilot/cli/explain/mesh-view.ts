/** What an explanation is based on: resources with the places where they were written, and who is there. */
import { clusterDomain, resolveShortName } from '../../../crds/host.ts';
import type { MeshConfig } from '../../../crds/mesh-config.ts';
import type { Resource } from '../../../crds/resource.ts';
import type { VirtualServiceSpec } from '../../../crds/virtual-service.ts';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import type { PushContext } from '../../model/push-context.ts';
import type { Workload } from '../../model/workload.ts';
import { discover } from '../../registry/service-discovery.ts';
import type { ExplainClient } from './explanation.ts';

export interface MeshView {
  /** Oldest first. */
  readonly resources: readonly Resource[];
  readonly workloads: readonly Workload[];
  readonly meshConfig: MeshConfig;
  /** Who listens is known: a control plane was asked. Otherwise every known service is assumed to have endpoints. */
  readonly knowsEndpoints: boolean;
  /** `file:line` of what stands at `path` of a resource; undefined for what did not come from a file. */
  locate(resource: ResourceName, path: string): string | undefined;
}

export interface ResourceName {
  readonly kind: string;
  /** `NAMESPACE/NAME`. */
  readonly name: string;
}

/** Hosts that are taken for services because the files rule them, with the push context that knows them. */
export function viewContext(view: MeshView): { readonly push: PushContext; readonly assumed: readonly string[] } {
  const { resources, workloads, meshConfig, knowsEndpoints } = view;
  const input = { revision: 1, resources, workloads, meshConfig };
  const push = discover(input);
  if (knowsEndpoints) return { push, assumed: [] };
  const known = push.config.services;
  const assumed = [...new Set(resources.flatMap(ruledHosts))].filter((host) => known.find(host) === undefined);
  if (assumed.length === 0) return { push, assumed };
  return { push: discover({ ...input, resources: [...resources, ...assumed.map(assumedService)] }), assumed };
}

const kindsWithHost: ReadonlySet<string> = new Set(['DestinationRule', 'CheckRule', 'RateLimit']);
const clusterSuffix = `.svc.${clusterDomain}`;

/** Files rarely hold the services that workloads register themselves; whoever rules a host of the cluster means one. */
export function ruledHosts({ kind, spec, metadata: { namespace } }: Resource): string[] {
  const hosts =
    kind === 'VirtualService'
      ? ((spec as VirtualServiceSpec).hosts ?? [])
      : kindsWithHost.has(kind)
        ? [(spec as { readonly host?: string }).host ?? []].flat()
        : [];
  return hosts
    .map((host) => resolveShortName(host, namespace).toLowerCase())
    .filter((host) => host.endsWith(clusterSuffix) && !host.includes('*') && host.split('.').length === 5);
}

/** As a workload registers one: port 80, and nobody knows which version of HTTP it speaks. */
function assumedService(hostname: string): Resource {
  const [name = '', namespace = ''] = hostname.split('.');
  const stored = { uid: hostname, resourceVersion: '1', generation: 1, creationTimestamp: '1970-01-01T00:00:00Z' };
  const spec = { ports: [{ port: 80 }] };
  return { apiVersion: 'v1', kind: 'Service', metadata: { name, namespace, ...stored }, spec };
}

/** A pure client: it serves nothing. */
export function clientNode({ namespace, labels }: ExplainClient): NodeMetadata {
  return {
    name: 'explain',
    namespace,
    service: '',
    workloadName: 'explain',
    labels,
    clusterId: 'Kubernetes',
    address: '127.0.0.1',
    appPort: 0,
    inboundPort: 0,
    outboundPort: 15_001,
  };
}
