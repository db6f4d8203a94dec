/** Clusters: for each port of each service one of all its workloads and one per subset, and the application's own. */
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { Subset } from '../../crds/destination-rule.ts';
import type { ServiceIdentity } from '../../proxy/api/cluster.ts';
import type { Cluster, envoy_config_core_v3_Metadata as Metadata } from '../../proxy/api/envoy.gen.ts';
import { serviceMetadata } from '../../proxy/api/istio-metadata.ts';
import type { Client, LocatedClient } from '../model/client.ts';
import { policyOf, type PolicyBlocks } from '../model/destination-rules.ts';
import type { MergedRule } from '../model/namespace-rules.ts';
import type { PushConfig } from '../model/push-context.ts';
import {
  connectionPorts,
  httpPorts,
  type HttpVersion,
  interceptedProtocol,
  isHeadless,
  isReachedAtWorkloads,
  type Service,
  type ServicePort,
} from '../model/service.ts';
import { inboundClusterName, originalDestinationSubset, outboundClusterName } from './cluster-name.ts';
import { buildDiscovery } from './cluster-discovery.ts';
import { buildConnectionPool } from './connection-pool.ts';
import { buildHealthCheck } from './health-check.ts';
import { buildInterceptionClusters, originalDestinationDiscovery } from './original-destination.ts';
import { buildPassthroughCluster } from './outbound-policy.ts';
import { buildOutlierDetection } from './outlier-detection.ts';
import { withProtocolOptions } from './protocol-options.ts';
import { buildTransportSocket } from './transport-socket.ts';
import { type UpstreamHttp, upstreamHttpOf } from './upstream-http.ts';

/** In the order of the services' hostnames, those for undeclared hosts last. */
export function buildOutboundClusters(config: PushConfig, client: Client | LocatedClient): Cluster[] {
  const clusters = config.services.visibleTo(client.namespace).all.flatMap((service) => {
    const rule = config.destinationRules.find(service, client);
    const subsets = [undefined, ...(rule?.subsets ?? [])];
    return portsFor(client, service).flatMap((port) => {
      const context = { rule, client, meshConfig: config.meshConfig };
      return [
        ...subsets.map((subset) => buildOutboundCluster(service, port, { ...context, subset })),
        ...(leadsToWorkloads(client, service, port) ? [buildWorkloadsCluster(service, port, context)] : []),
      ];
    });
  });
  return [...clusters, ...undeclaredClusters(config, client)];
}

/** Nobody gets through a gateway to where no rule leads. */
function undeclaredClusters(config: PushConfig, { isIntercepted, isGateway }: Client): Cluster[] {
  if (isGateway === true) return [];
  return isIntercepted === true ? buildInterceptionClusters(config) : [buildPassthroughCluster(config)];
}

/** Where requests are addressed to a sidecar, nothing else than requests comes. */
function portsFor({ isIntercepted, isGateway }: Client, service: Service): readonly ServicePort[] {
  return isIntercepted === true || isGateway === true ? connectionPorts(service) : httpPorts(service);
}

/** Requests do by names of workloads, which only a service without any address has. */
function leadsToWorkloads({ isIntercepted }: Client, service: Service, port: ServicePort): boolean {
  const isNamed = isHeadless(service) || interceptedProtocol(port) !== 'HTTP';
  return isIntercepted === true && isReachedAtWorkloads(service) && isNamed;
}

/** For connections that were made for one of the service's workloads. */
function buildWorkloadsCluster(service: Service, port: ServicePort, context: Omit<ClusterContext, 'subset'>): Cluster {
  const { hostname, name, namespace } = service;
  const { rule, meshConfig } = context;
  const policy = policyOf(rule, undefined, port.number);
  const http = upstreamHttpOf(service, port, policy, context);
  return {
    name: outboundClusterName({ port: port.number, subset: originalDestinationSubset, hostname }),
    ...originalDestinationDiscovery,
    ...buildPolicy(policy, rule, { http, meshConfig }),
    ...buildTransportSocket(policy, { hostname, version: http.version }),
    metadata: clusterMetadata({ host: hostname, name, namespace }, undefined),
  };
}

interface ClusterContext {
  readonly rule: MergedRule | undefined;
  readonly subset: Subset | undefined;
  readonly client: Client | LocatedClient;
  readonly meshConfig: MeshConfig;
}

function buildOutboundCluster(
  service: Service,
  port: ServicePort,
  { rule, subset, client, meshConfig }: ClusterContext,
): Cluster {
  const { hostname, name, namespace } = service;
  const clusterName = outboundClusterName({ port: port.number, subset: subset?.name ?? '', hostname });
  const policy = policyOf(rule, subset, port.number);
  const http = upstreamHttpOf(service, port, policy, { client, meshConfig });
  return {
    name: clusterName,
    ...buildDiscovery({
      clusterName,
      service,
      port,
      labels: subset?.labels ?? {},
      healthCheckPort: rule?.healthCheck?.port ?? 0,
      policy,
      client,
      meshConfig,
    }),
    ...buildPolicy(policy, rule, { http, meshConfig }),
    ...buildTransportSocket(policy, { hostname, version: http.version }),
    ...buildHealthCheck(rule?.healthCheck, hostname),
    metadata: clusterMetadata({ host: hostname, name, namespace }, subset),
  };
}

/** Istio's, and the version that requests count for which reach no endpoint of the subset. */
function clusterMetadata(service: ServiceIdentity, subset: Subset | undefined): Metadata {
  if (subset === undefined) return serviceMetadata(service);
  const version = subset.labels?.['version'];
  return serviceMetadata(service, { subset: subset.name, ...(version === undefined ? {} : { version }) });
}

function buildPolicy(
  policy: PolicyBlocks,
  rule: MergedRule | undefined,
  { http, meshConfig }: { readonly http: UpstreamHttp; readonly meshConfig: MeshConfig },
): Cluster {
  const cluster = {
    ...buildConnectionPool(policy.connectionPool, policy.retryBudget, meshConfig),
    ...buildOutlierDetection(policy.outlierDetection, rule?.outlierRates),
  };
  return withProtocolOptions(cluster, {
    ...http,
    errorStatuses: policy.outlierDetection?.outlierDetectionHttpErrorCodes,
  });
}

/** The application on loopback, which is spoken to in `version`. */
export function buildInboundCluster(appPort: number, version: HttpVersion): Cluster {
  const name = inboundClusterName(appPort);
  const address = { socket_address: { address: '127.0.0.1', port_value: appPort } };
  const cluster: Cluster = {
    name,
    type: 'STATIC',
    ...buildConnectionPool(),
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address } }] }] },
  };
  return withProtocolOptions(cluster, { version });
}
