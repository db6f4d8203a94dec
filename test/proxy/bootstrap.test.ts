import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { Bootstrap, Cluster, Listener } from '../../proxy/api/envoy.gen.ts';
import { readBootstrap } from '../../proxy/bootstrap.ts';
import { formatFieldErrors } from '../../proxy/common/decoded.ts';
import {
  ads,
  edsClusterJson,
  http2Options,
  listenerJson,
  rdsListenerJson,
  routeConfigurationJson,
  staticClusterJson,
  typed,
} from './api/samples.ts';

/** A reverse proxy as a user writes it, in YAML and with keys in both spellings. */
const reverseProxy = `
admin: { access_log_path: /dev/null, address: { socket_address: { address: 127.0.0.1, port_value: 9901 } } }
static_resources:
  listeners:
  - address: { socketAddress: { address: 127.0.0.1, portValue: 10000 } }
    filterChains:
    - filters:
      - name: envoy.filters.network.http_connection_manager
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: ingress_http
          codec_type: AUTO
          route_config:
            name: local
            virtual_hosts:
            - name: backend
              domains: ["*"]
              routes:
              - match: { prefix: "/", headers: [{ name: testuser, string_match: { safe_regex: { regex: "^.+$" } } }] }
                route: { cluster: v2, timeout: 0s }
              - match: { prefix: "/" }
                route: { weighted_clusters: { clusters: [{ name: v1, weight: 95 }, { name: v2, weight: 5 }] } }
          http_filters:
          - name: envoy.filters.http.router
            typed_config: { "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }
  clusters:
  - name: v1
    connect_timeout: 0.25s
    type: STATIC
    load_assignment: &here
      cluster_name: v1
      endpoints: [{ lb_endpoints: [{ endpoint: { address: { socket_address: { address: 127.0.0.1, port_value: 9001 } } } }] }]
  - { name: v2, lb_policy: LEAST_REQUEST, load_assignment: *here }
`;

function grpcCluster(cluster: Cluster): Cluster {
  return { ...cluster, typed_extension_protocol_options: http2Options };
}

/** A sidecar, as `heddle run` starts it. */
function sidecar(change: Bootstrap = {}): Bootstrap {
  return {
    node: {
      id: 'sidecar~127.0.0.1~a-1.default~default.svc.cluster.local',
      cluster: 'a.default',
      metadata: { NAME: 'a-1' },
    },
    static_resources: {
      clusters: [grpcCluster(staticClusterJson('xds', 15_010)), grpcCluster(edsClusterJson('mixer'))],
    },
    dynamic_resources: {
      ads_config: {
        api_type: 'GRPC',
        transport_api_version: 'V3',
        grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }],
      },
      cds_config: { ...ads, resource_api_version: 'V3' },
      lds_config: { ...ads, resource_api_version: 'V3' },
    },
    stats_sinks: [metricsSink('mixer')],
    stats_flush_interval: '1s',
    ...change,
  };
}

function metricsSink(cluster_name: string, fields: object = {}) {
  return {
    name: 'envoy.stat_sinks.metrics_service',
    typed_config: typed('envoy.config.metrics.v3.MetricsServiceConfig', {
      transport_api_version: 'V3',
      grpc_service: { envoy_grpc: { cluster_name } },
      ...fields,
    }),
  };
}

const staticOnly = (listeners: Listener[], clusters: Cluster[]): Bootstrap => ({
  static_resources: { listeners, clusters },
});

function faults(json: unknown): string[] {
  const { errors } = readBootstrap(typeof json === 'string' ? json : JSON.stringify(json), 'bootstrap.yaml');
  return formatFieldErrors(errors ?? []).split('\n');
}

describe('a bootstrap', () => {
  test('of a reverse proxy needs no node and no control plane', () => {
    const { value } = readBootstrap(reverseProxy, 'bootstrap.yaml');
    expect(value).toMatchObject({
      node: { id: 'unknown', cluster: 'unknown', metadata: { namespace: 'default' } },
      admin: { address: '127.0.0.1', port: 9901 },
      staticListeners: [{ name: '127.0.0.1_10000', port: 10_000 }],
      staticClusters: [
        { name: 'v1', connectTimeoutMs: 250 },
        { name: 'v2', lbPolicy: 'LEAST_REQUEST' },
      ],
      ads: undefined,
      metricsServices: [],
      statsFlushIntervalMs: 5_000,
    });
    expect(Object.isFrozen(value?.staticClusters[0])).toBe(true);
  });

  test('names the cluster that is the own service, which must be static', () => {
    const named = (local_cluster_name: string) => ({
      ...staticOnly([], [staticClusterJson('own', 1)]),
      cluster_manager: { local_cluster_name },
    });
    expect(readBootstrap(JSON.stringify(named('own')), 'generated').value?.localClusterName).toBe('own');
    expect(faults(named('other'))).toEqual([
      'cluster_manager.local_cluster_name: must name a cluster of static_resources, "other" is none',
    ]);
    expect(faults({ cluster_manager: { upstream_bind_config: {} } }).join()).toMatch(/upstream_bind_config: is not/);
  });

  test('of a sidecar names its control plane and its metrics service', () => {
    expect(readBootstrap(JSON.stringify(sidecar()), 'generated').value).toMatchObject({
      node: { cluster: 'a.default', metadata: { name: 'a-1' } },
      admin: undefined,
      staticListeners: [],
      staticClusters: [
        { name: 'xds', protocol: 'http2' },
        { name: 'mixer', protocol: 'http2', discovery: { kind: 'eds', serviceName: 'mixer' } },
      ],
      ads: { clusterName: 'xds', hasClusterDiscovery: true, hasListenerDiscovery: true },
      metricsServices: [{ clusterName: 'mixer' }],
      statsFlushIntervalMs: 1_000,
    });
  });

  test('may limit the connections of all listeners, at one or more', () => {
    const limited = (max: number) => ({
      overload_manager: {
        resource_monitors: [
          {
            name: 'envoy.resource_monitors.global_downstream_max_connections',
            typed_config: {
              '@type':
                'type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3.DownstreamConnectionsConfig',
              max_active_downstream_connections: max,
            },
          },
        ],
      },
    });
    expect(readBootstrap(JSON.stringify(limited(7)), 'generated').value?.maxDownstreamConnections).toBe(7);
    expect(readBootstrap('{}', 'generated').value?.maxDownstreamConnections).toBeUndefined();
    expect(faults(limited(0)).join()).toContain('max_active_downstream_connections: must be from 1 to');
    const [monitor] = limited(7).overload_manager.resource_monitors;
    const twice = { overload_manager: { resource_monitors: [monitor, monitor] } };
    expect(faults(twice).join()).toContain('resource_monitors: must be one monitor at most, got 2');
    expect(faults({ overload_manager: { actions: [{ name: 'a' }] } }).join()).toContain('overload_manager.actions');
  });

  test('may route to a cluster that does not exist', () => {
    const listener = listenerJson('l', { route_config: routeConfigurationJson('r', 'nowhere') });
    expect(faults(staticOnly([listener], []))).toEqual(['']);
  });

  test('may be almost empty', () => {
    expect(faults('{}')).toEqual(['']);
  });
});

describe('faults', () => {
  test('of syntax name the file, the line and the column', () => {
    expect(faults('admin: [\nnode: }')[0]).toMatch(/^must be YAML or JSON: .*bootstrap\.yaml.*2/s);
    expect(faults('')[0]).toMatch(/^must be YAML or JSON: /);
    expect(faults('just text')).toEqual(['must be an object, got "just text"']);
  });

  test('of spelling and type come together, with paths in the spelling of the file', () => {
    const text = reverseProxy
      .replace('stat_prefix: ingress_http', 'statprefix: ingress_http')
      .replace('connect_timeout: 0.25s', 'connectTimeout: 5')
      .replace('portValue: 10000', 'portValue: "x"');
    const hcm = 'static_resources.listeners[0].filterChains[0].filters[0].typed_config';
    expect(faults(text).sort()).toEqual([
      'static_resources.clusters[0].connectTimeout: must be a duration such as "0.25s", got 5',
      'static_resources.listeners[0].address.socketAddress.portValue: must be an integer from 0 to 4294967295, got "x"',
      `${hcm}.statprefix: is not a field of HttpConnectionManager; did you mean "stat_prefix"?`,
    ]);
  });

  test('of meaning come together too', () => {
    const cluster = { ...staticClusterJson('a', 1), type: 'ORIGINAL_DST' as const, connect_timeout: '0s' };
    const listener = listenerJson('l', { rds: { config_source: ads, route_config_name: '' } }, 70_000);
    const json: Bootstrap = {
      ...staticOnly([listener], [cluster, edsClusterJson('')]),
      stats_flush_interval: '0s',
      node: { metadata: { APP_PORT: -1 } },
      layered_runtime: {},
      stats_sinks: [metricsSink('a', { transport_api_version: 'V2', report_counters_as_deltas: true })],
    };
    expect(faults(json)).toEqual(
      expect.arrayContaining([
        'static_resources.listeners[0].address.socket_address.port_value: must be from 0 to 65535, got 70000',
        'static_resources.listeners[0].filter_chains[0].filters[0].typed_config.rds.route_config_name: must be set',
        'static_resources.clusters[0].connect_timeout: must be more than 0s',
        'static_resources.clusters[1].name: must be set',
        'stats_flush_interval: must be at least 0.001s',
        'node.metadata.APP_PORT: must be a port from 0 to 65535, got -1',
        'layered_runtime: is not supported',
        'stats_sinks[0].typed_config.transport_api_version: must be V3',
        'stats_sinks[0].typed_config.report_counters_as_deltas: true is not supported, only false is',
      ]),
    );
  });

  const adsPath = 'dynamic_resources.ads_config';
  const adsCluster = `${adsPath}.grpc_services[0].envoy_grpc.cluster_name`;
  const sinkCluster = 'stats_sinks[0].typed_config.grpc_service.envoy_grpc.cluster_name';
  const dynamic = sidecar().dynamic_resources;
  const overTls = (cluster: Cluster): Cluster => ({
    ...cluster,
    transport_socket: {
      name: 'envoy.transport_sockets.tls',
      typed_config: {
        '@type': typeUrlOf('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'),
        common_tls_context: {},
      },
    },
  });
  const probe = 'node.metadata.PROXY_CONFIG.readinessProbe';
  const probing = (readinessProbe: object): Bootstrap => ({
    node: { id: 'a', cluster: 'a', metadata: { PROXY_CONFIG: { readinessProbe } } },
  });
  test.each<[string, Bootstrap, string[]]>([
    [
      'a control plane that is no cluster',
      sidecar({ static_resources: {}, stats_sinks: [] }),
      [`${adsCluster}: must name a cluster of static_resources, "xds" is none`],
    ],
    [
      'a control plane that is found through itself',
      sidecar({ static_resources: { clusters: [grpcCluster(edsClusterJson('xds'))] }, stats_sinks: [] }),
      [`${adsCluster}: must name a cluster of type STATIC, STRICT_DNS or LOGICAL_DNS: "xds" needs ADS itself`],
    ],
    [
      'gRPC over HTTP/1.1',
      sidecar({
        static_resources: { clusters: [grpcCluster(staticClusterJson('xds', 1)), staticClusterJson('mixer', 2)] },
      }),
      [`${sinkCluster}: must name a cluster with http2_protocol_options, "mixer" has none`],
    ],
    [
      'reports over TLS',
      sidecar({
        static_resources: {
          clusters: ['xds', 'mixer'].map((name) => overTls(grpcCluster(staticClusterJson(name, 1)))),
        },
      }),
      [`${sinkCluster}: must name a cluster without transport_socket: gRPC over TLS is for the control plane alone`],
    ],
    [
      'names and addresses that are taken',
      {
        admin: { address: { socket_address: { address: '127.0.0.1', port_value: 80 } } },
        ...staticOnly(
          [rdsListenerJson('l', 'r'), listenerJson('l', { route_config: {} }, 80)].map((listener) => ({
            ...listener,
            filter_chains: listenerJson('l', { route_config: {} }).filter_chains ?? [],
          })),
          [staticClusterJson('a', 1), staticClusterJson('a', 2)],
        ),
      },
      [
        'static_resources.clusters[1].name: must be unique, got "a", the name of static_resources.clusters[0]',
        'static_resources.listeners[1].name: must be unique, got "l", the name of static_resources.listeners[0]',
        'static_resources.listeners[1].address: must be unique, admin has it too',
      ],
    ],
    [
      'resources from a control plane that is not there',
      staticOnly([rdsListenerJson('l', 'r')], [edsClusterJson('a')]),
      [
        'static_resources.clusters[0].eds_cluster_config: needs dynamic_resources.ads_config',
        'static_resources.listeners[0]: has rds, which needs dynamic_resources.ads_config',
      ],
    ],
    [
      'a readiness probe that is not a plain connection',
      sidecar(probing({ httpGet: { port: 8080 } })),
      [`${probe}: must be a tcpSocket with a port from 1 to 65535 and nothing else: no other is supported`],
    ],
    [
      'a readiness probe that nobody is told of',
      probing({ tcpSocket: { port: 8080 } }),
      [`${probe}: needs dynamic_resources.ads_config: its outcome is reported there`],
    ],
    [
      'discovery without ads_config',
      { dynamic_resources: { lds_config: ads }, node: { id: 'a', cluster: 'a' } },
      ['dynamic_resources.ads_config: must be set'],
    ],
    [
      'a control plane that would not know who asks',
      sidecar({ node: {} }),
      [
        'node.id: must be set: the control plane asks for it',
        'node.cluster: must be set: the control plane asks for it',
      ],
    ],
    [
      'incremental ADS of an unknown version',
      sidecar({ dynamic_resources: { ...dynamic, ads_config: { api_type: 'DELTA_GRPC', grpc_services: [] } } }),
      [
        `${adsPath}.api_type: must be GRPC, the only supported type`,
        `${adsPath}.transport_api_version: must be V3`,
        `${adsPath}.grpc_services: must be one gRPC service, got 0`,
      ],
    ],
  ])('%s', (_what, json, expected) => {
    expect(faults(json)).toEqual(expected);
  });
});

const envoyVersion = spawnSync('envoy', ['--version'], { encoding: 'utf8' });
const envoyReason = envoyVersion.status === 0 ? '' : ' (skipped: no envoy on this machine)';

describe(`a real Envoy takes what is accepted here${envoyReason}`, () => {
  test.skipIf(envoyVersion.status !== 0).each<[string, string]>([
    ['a reverse proxy', reverseProxy],
    ['a sidecar', JSON.stringify(sidecar())],
    [
      'what is done anyway, written out',
      JSON.stringify(
        staticOnly(
          [
            listenerJson('l', {
              use_remote_address: false,
              path_with_escaped_slashes_action: 'KEEP_UNCHANGED',
              common_http_protocol_options: { max_headers_count: 50, idle_timeout: '60s' },
              access_log: [
                { name: 'a', typed_config: typed('envoy.extensions.access_loggers.stream.v3.StdoutAccessLog') },
              ],
              route_config: {
                ...routeConfigurationJson('r', 'a'),
                response_headers_to_add: [{ header: { key: 'x', value: '100%%' }, append_action: 'ADD_IF_ABSENT' }],
              },
            }),
          ],
          [
            {
              ...staticClusterJson('a', 1),
              lb_policy: 'LEAST_REQUEST',
              least_request_lb_config: { choice_count: 2 },
              common_lb_config: { healthy_panic_threshold: { value: 0 } },
            },
          ],
        ),
      ),
    ],
  ])('%s', (_what, text) => {
    expect(faults(text)).toEqual(['']);
    const folder = mkdtempSync(join(tmpdir(), 'heddle-bootstrap-'));
    try {
      const file = join(folder, 'bootstrap.yaml');
      writeFileSync(file, text);
      const result = spawnSync('envoy', ['--mode', 'validate', '-c', file], { encoding: 'utf8' });
      expect(result.status, result.stderr).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
