/** Services and workloads that users declare: the kinds Service, ServiceEntry and WorkloadEntry. */
import { exportToAnnotation, parseExportTo } from '../../crds/export-to.ts';
import type { Resource } from '../../crds/resource.ts';
import type { ServiceEntrySpec, ServicePort as EntryPort } from '../../crds/service-entry.ts';
import type { KubernetesServicePort, ServiceSpec } from '../../crds/service.ts';
import type { WorkloadEntrySpec } from '../../crds/workload-entry.ts';
import { clusterDomain } from '../../crds/host.ts';
import { localityOfLabels, parseLocality, withTopologyLabels } from '../model/locality.ts';
import { memoize } from '../model/memoize.ts';
import { clusterHostname, protocolOf, type Service, type ServicePort } from '../model/service.ts';
import type { Workload } from '../model/workload.ts';

/** The services that one resource declares; the same objects for the same resource. */
export const servicesOf = memoize((resource: Resource, _key: null): readonly Service[] => {
  if (resource.kind === 'Service') return [fromService(resource as Resource<ServiceSpec>)];
  if (resource.kind === 'ServiceEntry') return fromServiceEntry(resource as Resource<ServiceEntrySpec>);
  return [];
});

/** The workload that a WorkloadEntry describes; the same object for the same resource. */
export const workloadsOf = memoize((resource: Resource, _key: null): readonly Workload[] => {
  if (resource.kind !== 'WorkloadEntry') return [];
  const { name, namespace } = resource.metadata;
  return listedWorkloads([(resource as Resource<WorkloadEntrySpec>).spec], namespace, () => name);
});

function fromService({ metadata, spec }: Resource<ServiceSpec>): Service {
  const { name, namespace, annotations = {} } = metadata;
  return {
    hostname: clusterHostname(name, namespace),
    name,
    namespace,
    exportTo: parseExportTo(annotations[exportToAnnotation] ?? ''),
    ports: (spec.ports ?? []).map(kubernetesPort),
    addresses: clusterAddresses(spec),
    isMeshExternal: false,
    selector: spec.selector,
    endpoints: [],
  };
}

function clusterAddresses({ clusterIP = '', clusterIPs = [] }: ServiceSpec): readonly string[] | undefined {
  if (clusterIP === 'None' || clusterIPs.includes('None')) return [];
  const addresses = new Set([clusterIP, ...clusterIPs].filter((address) => address !== ''));
  return addresses.size === 0 ? undefined : [...addresses];
}

/** A `targetPort` by name means a container's port; without containers only its number says anything. */
function kubernetesPort({ port, name = '', protocol, appProtocol, targetPort }: KubernetesServicePort): ServicePort {
  const isTcp = protocol === undefined || protocol === 'TCP';
  return {
    name,
    number: port,
    protocol: isTcp ? protocolOf(name, appProtocol) : 'UDP',
    targetPort: typeof targetPort === 'number' ? targetPort : port,
  };
}

function fromServiceEntry({ metadata, spec }: Resource<ServiceEntrySpec>): readonly Service[] {
  const { name, namespace } = metadata;
  const ports = (spec.ports ?? []).map(entryPort);
  const { resolution = 'NONE' } = spec;
  const isLookedUp = resolution === 'DNS' || resolution === 'DNS_ROUND_ROBIN';
  const endpoints = listedWorkloads(spec.endpoints ?? [], namespace, (i) => `${name}-${i}`);
  return spec.hosts.map((host) => {
    const hostname = host.toLowerCase();
    return {
      hostname,
      name: shortNameOf(hostname, namespace),
      namespace,
      exportTo: spec.exportTo,
      ports,
      addresses: spec.addresses?.length ? spec.addresses : undefined,
      isMeshExternal: spec.location !== 'MESH_INTERNAL',
      selector: spec.workloadSelector?.labels,
      // Without endpoints the host stands for itself.
      endpoints:
        isLookedUp && endpoints.length === 0
          ? listedWorkloads([{ address: hostname }], namespace, () => name)
          : endpoints,
      resolution,
    };
  });
}

function shortNameOf(hostname: string, namespace: string): string {
  const suffix = `.${namespace}.svc.${clusterDomain}`;
  return hostname.endsWith(suffix) ? hostname.slice(0, -suffix.length) : hostname;
}

function entryPort({ number, name, protocol, targetPort = 0 }: EntryPort): ServicePort {
  return { name, number, protocol: protocolOf(name, protocol), targetPort: targetPort === 0 ? number : targetPort };
}

/** An entry that is reached by a socket path, or through another network's gateway, has no workload here. */
function listedWorkloads(
  entries: readonly WorkloadEntrySpec[],
  namespace: string,
  nameAt: (index: number) => string,
): readonly Workload[] {
  return entries.flatMap((entry, index): Workload[] => {
    const { address = '', labels = {}, weight = 1, ports = {} } = entry;
    if (address === '' || address.startsWith('unix://')) return [];
    const name = nameAt(index);
    const locality = entry.locality ? parseLocality(entry.locality) : localityOfLabels(labels);
    return [
      {
        name,
        namespace,
        workloadName: name,
        service: '',
        labels: withTopologyLabels(labels, locality, defaultClusterId),
        locality,
        clusterId: defaultClusterId,
        address,
        weight: Math.max(1, weight),
        ports: { kind: 'direct', byName: ports },
      },
    ];
  });
}

/** Istio's id of the only cluster of a mesh. */
const defaultClusterId = 'Kubernetes';
