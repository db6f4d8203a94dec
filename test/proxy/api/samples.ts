/** Small valid resources in JSON form; tests change what they are about. */
import type {
  Cluster,
  ClusterLoadAssignment,
  HttpConnectionManager,
  Listener,
  Route,
  RouteConfiguration,
  Secret,
} from '../../../proxy/api/envoy.gen.ts';
import type { MessageName } from '../../../proxy/api/protojson.ts';

export function typed(name: MessageName, fields: object = {}): { '@type': string } {
  return { '@type': `type.googleapis.com/${name}`, ...fields };
}

export const ads = { ads: {} };

export function assignmentJson(clusterName: string, ...ports: number[]): ClusterLoadAssignment {
  return {
    cluster_name: clusterName,
    endpoints: [
      {
        lb_endpoints: ports.map((port) => ({
          endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } },
        })),
      },
    ],
  };
}

export function staticClusterJson(name: string, ...ports: number[]): Cluster {
  return { name, type: 'STATIC', load_assignment: assignmentJson(name, ...ports) };
}

export function edsClusterJson(name: string, serviceName?: string): Cluster {
  const eds = serviceName === undefined ? {} : { service_name: serviceName };
  return { name, type: 'EDS', eds_cluster_config: { eds_config: ads, ...eds } };
}

/** Certificate and authority come from SDS. */
export function tlsClusterJson(name: string, certificate: string, authority: string): Cluster {
  const named = (secret: string) => ({ name: secret, sds_config: ads });
  const common_tls_context = {
    tls_certificate_sds_secret_configs: [named(certificate)],
    validation_context_sds_secret_config: named(authority),
  };
  const type = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext';
  return {
    ...staticClusterJson(name, 443),
    transport_socket: { name: 'envoy.transport_sockets.tls', typed_config: typed(type, { common_tls_context }) },
  };
}

export function secretJson(name: string, ca = '/etc/ca.pem'): Secret {
  return { name, validation_context: { trusted_ca: { filename: ca } } };
}

export const http2Options = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': typed(
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    { explicit_http_config: { http2_protocol_options: {} } },
  ),
};

export function routeJson(cluster: string): Route {
  return { match: { prefix: '/' }, route: { cluster } };
}

export function routeConfigurationJson(name: string, ...clusters: string[]): RouteConfiguration {
  return { name, virtual_hosts: [{ name: 'all', domains: ['*'], routes: clusters.map(routeJson) }] };
}

export function managerJson(fields: HttpConnectionManager): HttpConnectionManager {
  return {
    stat_prefix: 'test',
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: typed('envoy.extensions.filters.http.router.v3.Router'),
      },
    ],
    ...fields,
  };
}

export function listenerJson(name: string, manager: HttpConnectionManager, port = 0): Listener {
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: typed(
              'envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
              managerJson(manager),
            ),
          },
        ],
      },
    ],
  };
}

export function rdsListenerJson(name: string, routeConfigName: string): Listener {
  return listenerJson(name, { rds: { config_source: ads, route_config_name: routeConfigName } });
}
