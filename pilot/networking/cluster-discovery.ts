/** Where an outbound cluster gets its hosts from, and how it chooses among them. */
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { Cluster } from '../../proxy/api/envoy.gen.ts';
import type { Client, LocatedClient } from '../model/client.ts';
import type { PolicyBlocks } from '../model/destination-rules.ts';
import { followsRequests, isLookedUp, type Service, type ServicePort } from '../model/service.ts';
import type { Labels } from '../model/workload.ts';
import { adsConfigSource } from './config-source.ts';
import { buildLoadAssignment } from './endpoints.ts';
import { forwardProxyDiscovery } from './forward-proxy.ts';
import { buildCommonLoadBalancing, buildLoadBalancer } from './load-balancer.ts';
import { originalDestinationDiscovery } from './original-destination.ts';
import { placementFor } from './placement.ts';
import { protoDurationOf } from './proto-duration.ts';
import { isTlsOriginated } from './upstream-tls.ts';

export interface DiscoveryContext {
  readonly clusterName: string;
  readonly service: Service;
  readonly port: ServicePort;
  /** Of the subset; empty: all endpoints. */
  readonly labels: Labels;
  readonly policy: PolicyBlocks;
  /** 0: the endpoint's own. */
  readonly healthCheckPort: number;
  /** Known with its place when some service has its endpoints in its clusters. */
  readonly client: Client | LocatedClient;
  readonly meshConfig: MeshConfig;
}

export function buildDiscovery(context: DiscoveryContext): Cluster {
  const { service, policy, client } = context;
  if (followsRequests(service) || policy.loadBalancer?.simple === 'PASSTHROUGH') {
    const hasDestination = client.isIntercepted === true && service.resolution !== 'DYNAMIC_DNS';
    if (hasDestination) return originalDestinationDiscovery;
    return isTlsOriginated(policy.tls) ? noHosts(context.clusterName) : forwardProxyDiscovery;
  }
  const balancing = { ...buildLoadBalancer(policy), ...buildCommonLoadBalancing(policy, context.meshConfig) };
  if (isLookedUp(service)) {
    return { ...buildDns(context, service.resolution === 'DNS_ROUND_ROBIN'), ...balancing };
  }
  return { type: 'EDS', eds_cluster_config: { eds_config: adsConfigSource }, ...balancing };
}

/**
 * A host that a request names would have to be verified by that name, request by request, which is not in force: nobody
 * is reached (503 UH) rather than somebody without TLS or without verification.
 */
function noHosts(clusterName: string): Cluster {
  return { type: 'STATIC', load_assignment: { cluster_name: clusterName } };
}

/** Istio's default; an answer's own time to live comes first. */
const defaultDnsRefreshRate = '60s';

function buildDns(context: DiscoveryContext, isLogical: boolean): Cluster {
  const { clusterName, service, port, labels, healthCheckPort, policy, client, meshConfig } = context;
  const load_assignment = buildLoadAssignment(service.endpoints, {
    clusterName,
    hostname: service.hostname,
    port,
    labels,
    healthCheckPort,
    placement: !isLogical && 'locality' in client ? placementFor(policy, client, meshConfig) : undefined,
  });
  // A subset may select no endpoint, and LOGICAL_DNS needs one.
  const isEmpty = load_assignment.endpoints === undefined;
  const refreshRate = meshConfig.dnsRefreshRate;
  return {
    type: isLogical && !isEmpty ? 'LOGICAL_DNS' : 'STRICT_DNS',
    load_assignment,
    dns_lookup_family: 'V4_ONLY',
    respect_dns_ttl: true,
    dns_refresh_rate: refreshRate === undefined ? defaultDnsRefreshRate : protoDurationOf(refreshRate),
    // Envoy would wait a whole refresh rate after a failure.
    dns_failure_refresh_rate: { base_interval: '1s', max_interval: '10s' },
  };
}
