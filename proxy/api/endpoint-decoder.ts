/** Decodes `envoy.config.endpoint.v3.ClusterLoadAssignment`. */
import type { Decoded } from '../common/decoded.ts';
import { decodeAddress } from './address-decoder.ts';
import type { ClusterLoadAssignment, Endpoint, EndpointHealthCheck, Locality } from './cluster.ts';
import type {
  ClusterLoadAssignment as ClusterLoadAssignmentJson,
  Endpoint_HealthCheckConfig as HealthCheckConfigJson,
  ClusterLoadAssignment_Policy as PolicyJson,
  LbEndpoint as LbEndpointJson,
  LocalityLbEndpoints as LocalityLbEndpointsJson,
} from './envoy.gen.ts';
import { decodeFields, type Fields } from './fields.ts';
import { decodeWorkload } from './istio-metadata.ts';

export function decodeClusterLoadAssignment(json: ClusterLoadAssignmentJson): Decoded<ClusterLoadAssignment> {
  return decodeFields(json, '', (fields) => readClusterLoadAssignment(fields));
}

interface AddressRules {
  /** The cluster looks names up. */
  readonly mayBeNames: boolean;
}

/** Each endpoint knows its locality and priority. An address that is listed twice is one endpoint, the first. */
export function readClusterLoadAssignment(
  fields: Fields<ClusterLoadAssignmentJson>,
  rules: AddressRules = { mayBeNames: false },
): ClusterLoadAssignment {
  const localities = fields.list('endpoints', (locality) => readLocalityEndpoints(locality, rules));
  const overprovisioningFactor = readOverprovisioningFactor(fields.message('policy'));
  const endpoints = new Map<string, Endpoint>();
  for (const endpoint of localities.flat()) {
    const key = `${endpoint.address} ${endpoint.port}`;
    if (!endpoints.has(key)) endpoints.set(key, endpoint);
  }
  return { clusterName: fields.name('cluster_name'), endpoints: [...endpoints.values()], overprovisioningFactor };
}

function readLocalityEndpoints(fields: Fields<LocalityLbEndpointsJson>, rules: AddressRules): Endpoint[] {
  fields.ignore('metadata', 'proximity');
  const name = fields.message('locality');
  const locality = {
    region: name?.text('region') ?? '',
    zone: name?.text('zone') ?? '',
    subZone: name?.text('sub_zone') ?? '',
    weight: fields.number('load_balancing_weight', { defaultValue: 0 }),
  };
  const priority = fields.number('priority', { defaultValue: 0, max: 128 });
  return fields.list('lb_endpoints', (endpoint) => readEndpoint(endpoint, { locality, priority }, rules));
}

function readEndpoint(
  fields: Fields<LbEndpointJson>,
  place: { readonly locality: Locality; readonly priority: number },
  { mayBeNames }: AddressRules,
): Endpoint {
  const endpoint = fields.required('endpoint');
  // Names for people; connections go to the address.
  endpoint.ignore('hostname');
  const health = fields.take('health_status') ?? 'UNKNOWN';
  return {
    ...decodeAddress(endpoint.required('address'), 1, mayBeNames),
    isHealthy: health === 'UNKNOWN' || health === 'HEALTHY',
    healthCheck: readHealthCheckConfig(endpoint.message('health_check_config')),
    weight: fields.number('load_balancing_weight', { defaultValue: 1, min: 1 }),
    ...place,
    workload: decodeWorkload(fields.message('metadata')),
  };
}

function readHealthCheckConfig(config: Fields<HealthCheckConfigJson> | undefined): EndpointHealthCheck | undefined {
  if (config === undefined) return undefined;
  return {
    port: config.number('port_value', { defaultValue: 0, max: 65_535 }),
    hostname: config.text('hostname'),
    isDisabled: config.flag('disable_active_health_check'),
  };
}

function readOverprovisioningFactor(policy: Fields<PolicyJson> | undefined): number {
  return policy?.number('overprovisioning_factor', { defaultValue: 140, min: 1 }) ?? 140;
}
