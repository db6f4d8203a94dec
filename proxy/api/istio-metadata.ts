/**
 * What Istio writes into `metadata.filter_metadata.istio`: on a cluster the service behind it, on an endpoint the
 * workload that listens there. Telemetry takes the destination's labels from here.
 */
import type { ServiceIdentity, WorkloadIdentity } from './cluster.ts';
import type { envoy_config_core_v3_Metadata as Metadata } from './envoy.gen.ts';
import type { Fields } from './fields.ts';
import { show } from './field-path.ts';

/** `subset`: of a cluster of the service's, with the version that its workloads have. */
export function serviceMetadata(
  { host, name, namespace }: ServiceIdentity,
  subset: { readonly subset?: string; readonly version?: string } = {},
): Metadata {
  return { filter_metadata: { istio: { services: [{ host, name, namespace }], ...subset } } };
}

/** Parts may be empty but contain no `;`. */
export function workloadMetadata(workload: WorkloadIdentity): Metadata {
  const { name, namespace, canonicalService, canonicalRevision, clusterId } = workload;
  const parts = [name, namespace, canonicalService, canonicalRevision, clusterId];
  return { filter_metadata: { istio: { workload: parts.join(';') } } };
}

/** The first service; metadata of other filters has no effect on Heddle. */
export function decodeService(metadata: Fields<Metadata> | undefined): ServiceIdentity | undefined {
  const istio = istioMetadata(metadata);
  const services = istio?.['services'];
  if (metadata === undefined || services === undefined) return undefined;
  const first: unknown = Array.isArray(services) ? services[0] : undefined;
  const { host, name, namespace } = isRecord(first) ? first : {};
  if (typeof host === 'string' && typeof name === 'string' && typeof namespace === 'string') {
    const version = istio?.['version'];
    return typeof version === 'string' ? { host, name, namespace, version } : { host, name, namespace };
  }
  metadata.fail('filter_metadata', 'must name host, name and namespace in istio.services[0]');
  return undefined;
}

export function decodeWorkload(metadata: Fields<Metadata> | undefined): WorkloadIdentity | undefined {
  const workload = istioMetadata(metadata)?.['workload'];
  if (metadata === undefined || workload === undefined) return undefined;
  const parts = typeof workload === 'string' ? workload.split(';') : [];
  const [name = '', namespace = '', canonicalService = '', canonicalRevision = '', clusterId = ''] = parts;
  if (parts.length === 5) return { name, namespace, canonicalService, canonicalRevision, clusterId };
  metadata.fail(
    'filter_metadata',
    `must have istio.workload as workload;namespace;service;revision;cluster, got ${show(workload)}`,
  );
  return undefined;
}

function istioMetadata(metadata: Fields<Metadata> | undefined): Readonly<Record<string, unknown>> | undefined {
  metadata?.ignore('typed_filter_metadata');
  const filters = metadata?.take('filter_metadata');
  return filters !== undefined && Object.hasOwn(filters, 'istio') ? filters['istio'] : undefined;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null;
}
