import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type {
  Bootstrap,
  Cluster,
  ClusterLoadAssignment,
  Listener,
  RouteConfiguration,
} from '../../../proxy/api/envoy.gen.ts';
import { decode, encode } from '../../../proxy/api/protojson.ts';
import { resourceTypes } from '../../../proxy/api/resource-types.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { buildInboundCluster, buildOutboundClusters } from '../../../pilot/networking/clusters.ts';
import { buildLoadAssignment, selectEndpoints } from '../../../pilot/networking/endpoints.ts';
import { buildInboundListener, buildOutboundListener } from '../../../pilot/networking/listeners.ts';
import { buildOutboundHosts } from '../../../pilot/networking/virtual-hosts.ts';
import { encodeSharedRoutes, outboundRoutesFor } from '../../../pilot/xds/outbound-routes.ts';
import {
  clientAt,
  contextOf,
  destinationRuleYaml,
  entryYaml,
  metadataOf,
  serviceYaml,
  sidecarWorkload,
  virtualServiceYaml,
} from './scenario.ts';

/** Everything that the translation can say, at once. */
const yaml =
  serviceYaml('reviews', { ports: '[{ name: http, port: 80 }, { name: http-b, port: 8080 }]' }) +
  serviceYaml('ratings') +
  serviceYaml('details') +
  destinationRuleYaml(
    `
  host: details
  trafficPolicy:
    loadBalancer: { localityLbSetting: { failoverPriority: [app, topology.kubernetes.io/region] } }
    outlierDetection: { minHealthPercent: 10 }
    portLevelSettings:
    - { port: { number: 80 }, loadBalancer: { localityLbSetting: { distribute: [{ from: "*", to: { "r/a": 80, "r/b": 20 } }] } } }`,
    { name: 'places' },
  ) +
  destinationRuleYaml('{ host: ratings }', { name: 'latency' }).replace(
    'namespace: default }',
    'namespace: default, annotations: { heddle.dev/load-balancer: "peak-ewma;decay=5s" } }',
  ) +
  destinationRuleYaml(`
  host: reviews
  trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN }, connectionPool: { tcp: { connectTimeout: 1s }, http: { idleTimeout: 5s } } }
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 }, trafficPolicy: { loadBalancer: { simple: RANDOM } } }]`) +
  virtualServiceYaml(`
  - name: testers
    match:
    - { name: a, uri: { exact: /a }, ignoreUriCase: true, headers: { testuser: { regex: "^.+$" }, b: { exact: x }, c: { prefix: y }, d: {} } }
    - { uri: { regex: "/b/[0-9]+" }, withoutHeaders: { e: { exact: z }, f: {} } }
    route: [{ destination: { host: reviews, subset: v2 } }]
    timeout: 2s
    retries: { attempts: 3, retryRemoteLocalities: true }
  - route:
    - { destination: { host: reviews, subset: v1 }, weight: 95 }
    - { destination: { host: reviews, subset: v2 }, weight: 5 }`) +
  virtualServiceYaml('[{ route: [{ destination: { host: ratings } }] }]', {
    name: 'wild',
    hosts: '["*.example.com"]',
  }) +
  entryYaml('dns', 'hosts: [a.example.net, b.example.net], resolution: DNS') +
  entryYaml('round', 'hosts: [c.example.net], resolution: DNS_ROUND_ROBIN, endpoints: [{ address: d.example.net }]') +
  entryYaml('none', 'hosts: ["*.example.org"], resolution: NONE') +
  entryYaml('dynamic', 'hosts: ["*.example.edu"], resolution: DYNAMIC_DNS');

interface Translated {
  readonly clusters: Cluster[];
  readonly assignments: ClusterLoadAssignment[];
  readonly listeners: Listener[];
  readonly routes: RouteConfiguration;
}

function translate(): Translated {
  const metadata = metadataOf({ address: '127.0.0.1' });
  const { config, workloads } = contextOf(yaml, [
    sidecarWorkload(),
    sidecarWorkload({ name: 'other', address: '10.0.0.2' }),
    ...['a', 'b'].map((zone, i) =>
      sidecarWorkload({
        service: 'details',
        name: zone,
        address: `10.0.0.${i + 3}`,
        locality: { region: 'r', zone, subZone: '' },
      }),
    ),
  ]);
  const outbound = buildOutboundClusters(config, metadata);
  const assignments = outbound.flatMap(({ name = '' }) => {
    const selection = selectEndpoints(config, name, clientAt());
    return selection ? [buildLoadAssignment(workloads.get(selection.hostname) ?? [], selection)] : [];
  });
  const shared = encodeSharedRoutes(buildOutboundHosts(config, metadata));
  const { resources } = requireValue(
    decode('envoy.service.discovery.v3.DiscoveryResponse', Buffer.concat(outboundRoutesFor(shared, metadata).parts())),
    'the response',
  );
  const { '@type': _type, ...routes } = resources?.[0] ?? { '@type': '' };
  return {
    clusters: [...outbound, buildInboundCluster(metadata.appPort, 'downstream')],
    assignments,
    listeners: [buildOutboundListener(metadata), buildInboundListener(metadata)],
    routes,
  };
}

describe('generated resources', () => {
  test('mean the same before and after the wire', () => {
    const { clusters, assignments, listeners } = translate();
    const { CDS, EDS, LDS } = resourceTypes;
    const sent = { CDS: clusters, EDS: assignments, LDS: listeners };
    const received = {
      CDS: clusters.map((cluster) => requireValue(decode(CDS.messageName, encode(CDS.messageName, cluster)), 'CDS')),
      EDS: assignments.map((assignment) =>
        requireValue(decode(EDS.messageName, encode(EDS.messageName, assignment)), 'EDS'),
      ),
      LDS: listeners.map((listener) => requireValue(decode(LDS.messageName, encode(LDS.messageName, listener)), 'LDS')),
    };
    expect(received.CDS.map(CDS.decode)).toEqual(sent.CDS.map(CDS.decode));
    expect(received.EDS.map(EDS.decode)).toEqual(sent.EDS.map(EDS.decode));
    expect(received.LDS.map(LDS.decode)).toEqual(sent.LDS.map(LDS.decode));
  });

  test('routes that were put together from shared bytes are those that were translated', () => {
    const hosts = buildOutboundHosts(contextOf(yaml, [sidecarWorkload()]).config, { namespace: 'default' });
    const received = translate().routes.virtual_hosts?.map(({ request_headers_to_add: _header, ...host }) => host);
    expect(received).toEqual(hosts.map(({ virtualHost }) => virtualHost));
  });

  test("are accepted by the sidecar's own decoders", () => {
    const { clusters, assignments, listeners, routes } = translate();
    const faults = [
      ...clusters.map(resourceTypes.CDS.decode),
      ...assignments.map(resourceTypes.EDS.decode),
      ...listeners.map(resourceTypes.LDS.decode),
      resourceTypes.RDS.decode(routes),
    ].flatMap(({ errors = [] }) => errors);
    expect(faults).toEqual([]);
  });

  const hasEnvoy = spawnSync('envoy', ['--version']).status === 0;

  test.skipIf(!hasEnvoy)('are accepted by a real Envoy, when there is one on this machine', () => {
    const dir = mkdtempSync(join(tmpdir(), 'heddle-envoy-'));
    try {
      // In bytes, as on the wire: an Envoy cannot read the JSON of an extension that it was built without.
      const file = join(dir, 'bootstrap.pb');
      writeFileSync(file, encode('envoy.config.bootstrap.v3.Bootstrap', staticBootstrap(translate())));
      expect(execFileSync('envoy', ['--mode', 'validate', '-c', file, '-l', 'error'], { encoding: 'utf8' })).toMatch(
        /OK/,
      );
    } finally {
      rmSync(dir, { recursive: true });
    }
  });
});

/** What ADS carries, written into one file: endpoints inside their clusters, routes inside their listener. */
function staticBootstrap({ clusters, assignments, listeners, routes }: Translated): Bootstrap {
  const inlined = clusters.map((cluster): Cluster => {
    const load_assignment = assignments.find(({ cluster_name }) => cluster_name === cluster.name);
    if (load_assignment === undefined) return cluster;
    const { eds_cluster_config: _, ...rest } = cluster;
    return { ...rest, type: 'STATIC', load_assignment };
  });
  const text = JSON.stringify(listeners).replace(
    /"rds":\{.*?"http_proxy"\}/,
    () => `"route_config":${JSON.stringify(routes)}`,
  );
  return {
    node: { id: 'test', cluster: 'test' },
    static_resources: { clusters: inlined, listeners: JSON.parse(text) as Listener[] },
  };
}
