/** YAML and workloads in, a push context out. */
import { loadAll } from 'js-yaml';
import { findUnsupported, validateResource } from '../../../crds/validate.ts';
import type { Resource } from '../../../crds/resource.ts';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import type { LocatedClient } from '../../../pilot/model/client.ts';
import { parseLocality } from '../../../pilot/model/locality.ts';
import { type Labels, workloadOf, type Workload } from '../../../pilot/model/workload.ts';
import { discover, type Discovered } from '../../../pilot/registry/service-discovery.ts';

/** The resources of a YAML stream, checked as `apply` checks them; each is a second younger than the one before. */
export function resourcesOf(yaml: string): Resource[] {
  return loadAll(yaml)
    .filter((document) => document !== null && document !== undefined)
    .map((document, i) => {
      const { resource } = requireValue(validateResource(document), `document ${i}`);
      const unsupported = findUnsupported(document);
      if (unsupported.length > 0) throw new Error(JSON.stringify(unsupported));
      const creationTimestamp = new Date(Date.UTC(2026, 0, 1, 0, 0, i)).toISOString();
      const metadata = {
        ...resource.metadata,
        uid: `uid-${i}`,
        resourceVersion: '1',
        generation: 1,
        creationTimestamp,
      };
      return { ...resource, metadata };
    });
}

export function contextOf(yaml: string, workloads: readonly Workload[] = [], previous?: Discovered): Discovered {
  return discover({ revision: 1, resources: resourcesOf(yaml), workloads }, previous);
}

/** A sidecar of an instance; a service named `reviews` with version v1 unless told otherwise. */
export function metadataOf(given: Partial<NodeMetadata> = {}): NodeMetadata {
  const service = given.service ?? 'reviews';
  const version = given.labels?.['version'] ?? 'v1';
  return {
    name: `${service}-${version}-1`,
    namespace: 'default',
    service,
    workloadName: `${service}-${version}`,
    labels: { app: service, version },
    clusterId: 'Kubernetes',
    address: '10.0.0.1',
    appPort: 8080,
    inboundPort: 15006,
    outboundPort: 15001,
    ...given,
  };
}

export function sidecarWorkload(given: Partial<NodeMetadata> = {}): Workload {
  const workload = workloadOf(metadataOf(given));
  if (workload === undefined) throw new Error('the metadata describe a pure client');
  return workload;
}

/** A client in `default`, in a place such as `region/zone/subzone`. */
export function clientAt(place = '', labels: Labels = {}): LocatedClient {
  return { namespace: 'default', labels, locality: parseLocality(place) };
}

/** A Kubernetes Service; `ports` as in YAML's flow style. */
export function serviceYaml(
  name: string,
  { ports = '[{ name: http, port: 80 }]', namespace = 'default', selector = '{}' } = {},
): string {
  return `
---
apiVersion: v1
kind: Service
metadata: { name: ${name}, namespace: ${namespace} }
spec: { ports: ${ports}, selector: ${selector} }
`;
}

/** A VirtualService for `reviews` in `default`; `http` is indented YAML. */
export function virtualServiceYaml(
  http: string,
  { name = 'rules', hosts = '[reviews]', namespace = 'default' } = {},
): string {
  return `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: ${namespace} }
spec:
  hosts: ${hosts}
  http: ${http}
`;
}

export function destinationRuleYaml(spec: string, { name = 'rule', namespace = 'default' } = {}): string {
  return `
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: ${name}, namespace: ${namespace} }
spec: ${spec}
`;
}

/** A ServiceEntry with one port; `spec` and `port` as in YAML's flow style. */
export function entryYaml(name: string, spec: string, port = '{ number: 80, name: http, protocol: HTTP }'): string {
  return `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec: { ports: [${port}], ${spec} }
`;
}
