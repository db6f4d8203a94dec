/** What must hold between the parts of a bootstrap. */
import type { Cluster } from './api/cluster.ts';
import { httpConnectionManagersOf, listenerAddressesOf } from './api/listener.ts';
import type { Bootstrap } from './bootstrap.ts';
import type { FieldError } from './common/decoded.ts';
import { findKeepaliveFault } from './upstream/tcp-keepalive.ts';

export function checkBootstrap(bootstrap: Bootstrap): FieldError[] {
  return [
    ...checkUniqueNames('static_resources.clusters', bootstrap.staticClusters),
    ...checkUniqueNames('static_resources.listeners', bootstrap.staticListeners),
    ...checkAddresses(bootstrap),
    ...checkGrpcServices(bootstrap),
    ...checkLocalCluster(bootstrap),
    ...checkDiscovery(bootstrap),
    ...checkKeepalive(bootstrap),
    ...checkReadinessProbe(bootstrap),
  ];
}

function checkUniqueNames(path: string, items: readonly { readonly name: string }[]): FieldError[] {
  const first = new Map<string, number>();
  return items.flatMap(({ name }, i) => {
    const other = first.get(name);
    if (other === undefined) first.set(name, i);
    if (other === undefined || name === '') return [];
    return [{ path: `${path}[${i}].name`, message: `must be unique, got "${name}", the name of ${path}[${other}]` }];
  });
}

/** Port 0 is another port every time. */
function checkAddresses({ staticListeners, admin }: Bootstrap): FieldError[] {
  const owners = new Map<string, string>();
  if (admin !== undefined && admin.port !== 0) owners.set(`${admin.address} ${admin.port}`, 'admin');
  return staticListeners.flatMap((listener, i) => {
    const path = `static_resources.listeners[${i}]`;
    return listenerAddressesOf(listener).flatMap(({ address, port }, j) => {
      const owner = port === 0 ? undefined : owners.get(`${address} ${port}`);
      if (owner === undefined) owners.set(`${address} ${port}`, path);
      const field = j === 0 ? 'address' : `additional_addresses[${j - 1}]`;
      return owner === undefined ? [] : [{ path: `${path}.${field}`, message: `must be unique, ${owner} has it too` }];
    });
  });
}

/** Clusters behind gRPC services are known from the start and speak HTTP/2. */
function checkGrpcServices({ staticClusters, ads, metricsServices }: Bootstrap): FieldError[] {
  const references = metricsServices.map(({ clusterName }, i) => ({
    clusterName,
    path: `stats_sinks[${i}].typed_config.grpc_service.envoy_grpc.cluster_name`,
  }));
  const adsPath = 'dynamic_resources.ads_config.grpc_services[0].envoy_grpc.cluster_name';
  if (ads !== undefined) references.push({ clusterName: ads.clusterName, path: adsPath });
  const clusters = new Map(staticClusters.map((cluster) => [cluster.name, cluster]));
  return references.flatMap(({ clusterName, path }) => {
    const cluster = clusters.get(clusterName);
    const message = clusterName === '' ? undefined : faultOfGrpcCluster(clusterName, cluster);
    if (message !== undefined) return [{ path, message }];
    if (path !== adsPath && cluster?.tls !== undefined) return [{ path, message: tlsMessage }];
    return path === adsPath ? faultsOfAdsCluster(path, cluster) : [];
  });
}

const tlsMessage = 'must name a cluster without transport_socket: gRPC over TLS is for the control plane alone';

function faultsOfAdsCluster(path: string, cluster: Cluster | undefined): FieldError[] {
  if (cluster === undefined) return [];
  const { discovery, name } = cluster;
  if (discovery.kind === 'static' || discovery.kind === 'dns') return [];
  const reason = discovery.kind === 'eds' ? 'needs ADS itself' : 'has no hosts of its own';
  return [{ path, message: `must name a cluster of type STATIC, STRICT_DNS or LOGICAL_DNS: "${name}" ${reason}` }];
}

function faultOfGrpcCluster(name: string, cluster: Cluster | undefined): string | undefined {
  if (cluster === undefined) return `must name a cluster of static_resources, "${name}" is none`;
  if (cluster.proxyProtocol !== undefined)
    return 'must name a cluster without transport_socket: gRPC speaks no PROXY protocol';
  if (cluster.sourceAddresses !== undefined) return `must name a cluster without upstream_bind_config: gRPC has none`;
  return cluster.protocol === 'http2'
    ? undefined
    : `must name a cluster with http2_protocol_options, "${name}" has none`;
}

/** As in Envoy, which looks there only. */
function checkLocalCluster({ localClusterName: name, staticClusters }: Bootstrap): FieldError[] {
  if (name === undefined || staticClusters.some((cluster) => cluster.name === name)) return [];
  const message = `must name a cluster of static_resources, "${name}" is none`;
  return [{ path: 'cluster_manager.local_cluster_name', message }];
}

/** Whoever takes resources from a control plane says where it is, and who asks. */
function checkDiscovery({ node, ads, staticClusters, staticListeners }: Bootstrap): FieldError[] {
  if (ads !== undefined) {
    return (['id', 'cluster'] as const).flatMap((key) =>
      node[key] === 'unknown' ? [{ path: `node.${key}`, message: 'must be set: the control plane asks for it' }] : [],
    );
  }
  const message = 'needs dynamic_resources.ads_config';
  return [
    ...staticClusters.flatMap(({ discovery }, i) =>
      discovery.kind === 'eds' ? [{ path: `static_resources.clusters[${i}].eds_cluster_config`, message }] : [],
    ),
    ...staticListeners.flatMap((listener, i) =>
      httpConnectionManagersOf(listener).some(({ routes }) => routes.kind === 'rds')
        ? [{ path: `static_resources.listeners[${i}]`, message: `has rds, which ${message}` }]
        : [],
    ),
  ];
}

function checkKeepalive({ staticClusters }: Bootstrap): FieldError[] {
  return staticClusters.flatMap((cluster, i) => {
    const fault = findKeepaliveFault(cluster);
    return fault === undefined ? [] : [{ ...fault, path: `static_resources.clusters[${i}].${fault.path}` }];
  });
}

function checkReadinessProbe({ node, ads }: Bootstrap): FieldError[] {
  const probe = node.metadata.readinessProbe;
  const path = 'node.metadata.PROXY_CONFIG.readinessProbe';
  if (probe === undefined) return [];
  if (probe.tcpPort === undefined) {
    return [
      { path, message: 'must be a tcpSocket with a port from 1 to 65535 and nothing else: no other is supported' },
    ];
  }
  return ads === undefined
    ? [{ path, message: 'needs dynamic_resources.ads_config: its outcome is reported there' }]
    : [];
}
