/** Decodes `envoy.config.endpoint.v3.ClusterLoadAssignment`. */
import type { Decoded } from '../common/decoded.ts';
import { decodeAddress } from './address-decoder.ts';
import type { ClusterLoadAssignment, Endpoint } from './cluster.ts';
import type {
  ClusterLoadAssignment as ClusterLoadAssignmentJson,
  ClusterLoadAssignment_Policy as PolicyJson,
  LbEndpoint as LbEndpointJson,
} from './envoy.gen.ts';
import { decodeFields, type Fields } from './fields.ts';
import { decodeWorkload } from './istio-metadata.ts';

export function decodeClusterLoadAssignment(json: ClusterLoadAssignmentJson): Decoded<ClusterLoadAssignment> {
  return decodeFields(json, '', readClusterLoadAssignment);
}

/**
 * Localities are flattened: their weights only count when a cluster asks for locality weighting, which is not
 * supported. An address that is listed twice is one endpoint, the first.
 */
export function readClusterLoadAssignment(fields: Fields<ClusterLoadAssignmentJson>): ClusterLoadAssignment {
  const localities = fields.list('endpoints', (locality) => {
    locality.ignore('locality', 'metadata', 'load_balancing_weight', 'proximity');
    return locality.list('lb_endpoints', readEndpoint);
  });
  const policy = fields.message('policy');
  if (policy !== undefined) readPolicy(policy);
  const endpoints = new Map<string, Endpoint>();
  for (const endpoint of localities.flat()) {
    const key = `${endpoint.address} ${endpoint.port}`;
    if (!endpoints.has(key)) endpoints.set(key, endpoint);
  }
  return { clusterName: fields.name('cluster_name'), endpoints: [...endpoints.values()] };
}

function readEndpoint(fields: Fields<LbEndpointJson>): Endpoint {
  const endpoint = fields.required('endpoint');
  // Names for people; connections go to the address.
  endpoint.ignore('hostname');
  const health = fields.take('health_status') ?? 'UNKNOWN';
  return {
    ...decodeAddress(endpoint.required('address'), 1),
    isHealthy: health === 'UNKNOWN' || health === 'HEALTHY',
    weight: fields.number('load_balancing_weight', { defaultValue: 1, min: 1 }),
    workload: decodeWorkload(fields.message('metadata')),
  };
}

/** How far health spills over to the next priority does not matter where all endpoints have priority 0. */
function readPolicy(policy: Fields<PolicyJson>): void {
  policy.ignore('overprovisioning_factor');
}
