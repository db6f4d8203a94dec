/** Clusters: for each port of each service one of all its workloads and one per subset, and the application's own. */
import { parseDurationMs } from '../../crds/duration.ts';
import type { Subset } from '../../crds/destination-rule.ts';
import type { LoadBalancerSettings } from '../../crds/traffic-policy.ts';
import type { Cluster, Cluster_LbPolicy } from '../../proxy/api/envoy.gen.ts';
import { formatProtoDuration } from '../../proxy/common/duration.ts';
import { policyOf, type MergedRule, type PolicyBlocks } from '../model/destination-rules.ts';
import type { PushConfig } from '../model/push-context.ts';
import { httpPorts, type Service, type ServicePort } from '../model/service.ts';
import { inboundClusterName, outboundClusterName } from './cluster-name.ts';
import { adsConfigSource } from './config-source.ts';

/** Istio's default for new connections. */
const defaultConnectTimeout = '10s';

/** In the order of the services' hostnames. `namespace`: the client's. */
export function buildOutboundClusters(config: PushConfig, { namespace }: { namespace: string }): Cluster[] {
  return config.services.flatMap((service) => {
    const rule = config.destinationRules.find(service, namespace);
    const subsets = [undefined, ...(rule?.subsets ?? [])];
    return httpPorts(service).flatMap((port) =>
      subsets.map((subset) => buildOutboundCluster(service, port, { rule, subset })),
    );
  });
}

function buildOutboundCluster(
  service: Service,
  port: ServicePort,
  { rule, subset }: { rule: MergedRule | undefined; subset: Subset | undefined },
): Cluster {
  const { hostname, name, namespace } = service;
  return {
    name: outboundClusterName({ port: port.number, subset: subset?.name ?? '', hostname }),
    type: 'EDS',
    eds_cluster_config: { eds_config: adsConfigSource },
    ...buildPolicy(policyOf(rule, subset, port.number)),
    metadata: { filter_metadata: { istio: { services: [{ host: hostname, name, namespace }] } } },
  };
}

const lbPolicies: Readonly<Record<NonNullable<LoadBalancerSettings['simple']>, Cluster_LbPolicy | undefined>> = {
  UNSPECIFIED: undefined,
  LEAST_CONN: 'LEAST_REQUEST',
  LEAST_REQUEST: 'LEAST_REQUEST',
  ROUND_ROBIN: 'ROUND_ROBIN',
  RANDOM: 'RANDOM',
  PASSTHROUGH: undefined,
};

function buildPolicy({ loadBalancer, connectionPool }: PolicyBlocks): Cluster {
  const connectTimeout = connectionPool?.tcp?.connectTimeout;
  const idleTimeout = connectionPool?.http?.idleTimeout;
  return {
    lb_policy: lbPolicies[loadBalancer?.simple ?? 'UNSPECIFIED'] ?? 'LEAST_REQUEST',
    connect_timeout: connectTimeout === undefined ? defaultConnectTimeout : protoDurationOf(connectTimeout),
    ...(idleTimeout === undefined
      ? {}
      : { common_http_protocol_options: { idle_timeout: protoDurationOf(idleTimeout) } }),
  };
}

/** The resource's check has accepted the text; should that ever fail, 0 would mean "no limit" and say so in a dump. */
export function protoDurationOf(goDuration: string): string {
  return formatProtoDuration(parseDurationMs(goDuration) ?? 0);
}

/** The application, on loopback. */
export function buildInboundCluster(appPort: number): Cluster {
  const name = inboundClusterName(appPort);
  const address = { socket_address: { address: '127.0.0.1', port_value: appPort } };
  return {
    name,
    type: 'STATIC',
    connect_timeout: defaultConnectTimeout,
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
}
