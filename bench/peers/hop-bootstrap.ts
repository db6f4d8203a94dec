/** The plain hop as an Envoy bootstrap: one listener, one route, one static cluster. Heddle and Envoy start from the same file. */
import { dump } from 'js-yaml';
import type { Address, Bootstrap, Cluster, Listener } from '../../proxy/api/envoy.gen.ts';
import type { Scene } from './peer.ts';

export function hopBootstrap({ port, backend }: Pick<Scene, 'port' | 'backend'>): string {
  const bootstrap: Bootstrap = {
    node: { id: 'bench', cluster: 'bench' },
    admin: { address: loopback(0) },
    static_resources: { listeners: [hopListener(port)], clusters: [hopCluster(backend.ports[0])] },
  };
  return dump(bootstrap);
}

function hopListener(port: number): Listener {
  return {
    name: 'hop',
    address: loopback(port),
    filter_chains: [
      {
        filters: [
          {
            name: 'envoy.filters.network.http_connection_manager',
            typed_config: {
              '@type':
                'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
              stat_prefix: 'hop',
              route_config: {
                name: 'hop',
                virtual_hosts: [
                  { name: 'all', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'nginx' } }] },
                ],
              },
              http_filters: [
                {
                  name: 'envoy.filters.http.router',
                  typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
                },
              ],
            },
          },
        ],
      },
    ],
  };
}

function hopCluster(port: number): Cluster {
  return {
    name: 'nginx',
    type: 'STATIC',
    connect_timeout: '5s',
    lb_policy: 'ROUND_ROBIN',
    load_assignment: {
      cluster_name: 'nginx',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: loopback(port) } }] }],
    },
  };
}

function loopback(port: number): Address {
  return { socket_address: { address: '127.0.0.1', port_value: port } };
}
