import { describe, expect, it } from 'vitest';
import {
  destinationRule,
  errorsOf,
  httpRoute,
  resource,
  service,
  serviceEntry,
  unsupportedOf,
  virtualService,
} from './support.ts';

const notYet = 'is not supported yet';

/** Valid in Istio, and unsupported with exactly these lines. */
function expectUnsupported(input: object, ...lines: string[]): void {
  expect(errorsOf(input)).toEqual([]);
  expect(unsupportedOf(input)).toEqual(lines);
}

describe('what is in force', () => {
  it.each([
    [
      'a VirtualService',
      virtualService({
        hosts: ['reviews', '*.example.com'],
        gateways: ['mesh'],
        exportTo: ['*'],
        http: [
          {
            name: 'test users',
            match: [
              {
                name: 'm',
                uri: { regex: '/a.*' },
                ignoreUriCase: true,
                headers: { testuser: { regex: '^.+$' }, a: {} },
                withoutHeaders: { b: { exact: 'c' } },
              },
            ],
            route: [{ destination: { host: 'reviews', subset: 'v2', port: { number: 80 } }, weight: 5 }],
            timeout: '3s',
          },
        ],
      }),
    ],
    [
      'a DestinationRule',
      destinationRule({
        trafficPolicy: {
          loadBalancer: { simple: 'ROUND_ROBIN' },
          connectionPool: { tcp: { connectTimeout: '1s' }, http: { idleTimeout: '30s' } },
        },
        subsets: [{ name: 'v1', labels: { version: 'v1' }, trafficPolicy: { loadBalancer: { simple: 'LEAST_CONN' } } }],
      }),
    ],
    [
      'a ServiceEntry',
      serviceEntry({
        location: 'MESH_INTERNAL',
        endpoints: [{ address: '10.0.0.1', ports: { http: 8080 }, labels: { version: 'v1' }, weight: 3 }],
      }),
    ],
    ['a ServiceEntry with a selector', serviceEntry({ workloadSelector: { labels: { app: 'a' } } })],
    [
      'a WorkloadEntry',
      resource('WorkloadEntry', { address: '10.0.0.1', ports: { http: 8080 }, labels: { app: 'a' }, weight: 2 }),
    ],
    [
      'a Service',
      service({
        selector: { app: 'a' },
        type: 'ClusterIP',
        clusterIP: '10.1.2.3',
        ports: [{ name: 'http', port: 80, targetPort: 8080, protocol: 'TCP', appProtocol: 'http' }],
      }),
    ],
    [
      'a Service with what a cluster fills in',
      service({
        clusterIPs: ['10.1.2.3'],
        internalTrafficPolicy: 'Cluster',
        ipFamilies: ['IPv4'],
        ipFamilyPolicy: 'SingleStack',
        sessionAffinity: 'None',
      }),
    ],
    [
      'empty lists and texts, which protobuf takes for none',
      virtualService({ tls: [], tcp: [], gateways: [], exportTo: [] }),
    ],
  ])('passes: %s', (_name, input) => {
    expectUnsupported(input);
  });
});

describe('what Istio knows and this version does not put in force', () => {
  it.each([
    ['retries', { retries: { attempts: 3 } }, `spec.http[0].retries: ${notYet}`],
    ['retries that are switched off', { retries: {} }, `spec.http[0].retries: ${notYet}`],
    ['faults', { fault: { abort: { httpStatus: 500 } } }, `spec.http[0].fault: ${notYet}`],
    ['mirrors', { mirror: { host: 'a' } }, `spec.http[0].mirror: ${notYet}`],
    ['redirects', { route: [], redirect: { uri: '/' } }, `spec.http[0].redirect: ${notYet}`],
    ['rewrites', { rewrite: { uri: '/' } }, `spec.http[0].rewrite: ${notYet}`],
    ['header rules', { headers: { request: { set: { a: 'b' } } } }, `spec.http[0].headers: ${notYet}`],
    [
      'header rules of a destination',
      { route: [{ destination: { host: 'a' }, headers: {} }] },
      `spec.http[0].route[0].headers: ${notYet}`,
    ],
    ['methods', { match: [{ method: { exact: 'GET' } }] }, `spec.http[0].match[0].method: ${notYet}`],
    [
      'query parameters',
      { match: [{ uri: { prefix: '/' } }, { queryParams: { a: {} } }] },
      `spec.http[0].match[1].queryParams: ${notYet}`,
    ],
    ['source labels', { match: [{ sourceLabels: { app: 'a' } }] }, `spec.http[0].match[0].sourceLabels: ${notYet}`],
    [
      'pseudo headers',
      { match: [{ headers: { ':method': {} } }] },
      `spec.http[0].match[0].headers[":method"]: ${notYet}`,
    ],
    [
      'header names that Istio ignores',
      { match: [{ headers: { uri: { prefix: '/' } } }] },
      'spec.http[0].match[0].headers.uri: is not matched among headers: Istio ignores this name',
    ],
  ])('in HTTP routes: %s', (_name, route, line) => {
    expectUnsupported(httpRoute(route), line);
  });

  it.each([
    [
      'gateways',
      virtualService({ gateways: ['mesh', 'shop/front'] }),
      `spec.gateways[1]: "shop/front" ${notYet}, only "mesh"`,
    ],
    ['delegates', virtualService({ hosts: [] }), `spec.hosts: is required: a delegate, which has no hosts, ${notYet}`],
    ['visibility', virtualService({ exportTo: ['.'] }), `spec.exportTo[0]: "." ${notYet}, only "*"`],
    ['TCP', virtualService({ tcp: [{ route: [{ destination: { host: 'a' } }] }] }), `spec.tcp: ${notYet}`],
    [
      'consistent hashing',
      destinationRule({ trafficPolicy: { loadBalancer: { consistentHash: { useSourceIp: true } } } }),
      `spec.trafficPolicy.loadBalancer.consistentHash: ${notYet}`,
    ],
    [
      'pass-through',
      destinationRule({ trafficPolicy: { loadBalancer: { simple: 'PASSTHROUGH' } } }),
      `spec.trafficPolicy.loadBalancer.simple: "PASSTHROUGH" ${notYet}, only "ROUND_ROBIN", "LEAST_REQUEST", "LEAST_CONN", "RANDOM", "UNSPECIFIED"`,
    ],
    [
      'limits',
      destinationRule({ subsets: [{ name: 'a', trafficPolicy: { connectionPool: { tcp: { maxConnections: 1 } } } }] }),
      `spec.subsets[0].trafficPolicy.connectionPool.tcp.maxConnections: ${notYet}`,
    ],
    [
      'outlier detection',
      destinationRule({ trafficPolicy: { outlierDetection: {} } }),
      `spec.trafficPolicy.outlierDetection: ${notYet}`,
    ],
    ['TLS', destinationRule({ trafficPolicy: { tls: { mode: 'SIMPLE' } } }), `spec.trafficPolicy.tls: ${notYet}`],
    [
      'port-level settings',
      destinationRule({ trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, tls: {} }] } }),
      `spec.trafficPolicy.portLevelSettings: ${notYet}`,
    ],
    ['DNS', serviceEntry({ resolution: 'DNS' }), `spec.resolution: "DNS" ${notYet}, only "STATIC"`],
    [
      'no resolution',
      JSON.parse(JSON.stringify(serviceEntry({ resolution: undefined }))) as object,
      `spec.resolution: is required: the default NONE ${notYet}, only STATIC`,
    ],
    ['virtual addresses', serviceEntry({ addresses: ['10.0.0.1'] }), `spec.addresses: ${notYet}`],
    [
      'endpoints with names',
      serviceEntry({ endpoints: [{ address: 'unix:///a' }] }),
      `spec.endpoints[0].address: "unix:///a" ${notYet}, only an IP address`,
    ],
    [
      'workloads with names',
      resource('WorkloadEntry', { address: 'a.example.com' }),
      `spec.address: "a.example.com" ${notYet}, only an IP address`,
    ],
    [
      'workloads without addresses',
      resource('WorkloadEntry', { network: 'n' }),
      `spec.network: ${notYet}`,
      `spec.address: is required: a workload behind a network's gateway ${notYet}`,
    ],
    ['localities', resource('WorkloadEntry', { address: '10.0.0.1', locality: 'a/b' }), `spec.locality: ${notYet}`],
    ['UDP', service({ ports: [{ port: 53, protocol: 'UDP' }] }), `spec.ports[0].protocol: "UDP" ${notYet}, only "TCP"`],
    [
      'named target ports',
      service({ ports: [{ port: 80, targetPort: 'http' }] }),
      `spec.ports[0].targetPort: "http" ${notYet}, only a port number`,
    ],
    [
      'node ports',
      service({ type: 'NodePort', ports: [{ port: 80, nodePort: 30_080 }] }),
      `spec.ports[0].nodePort: ${notYet}`,
      `spec.type: "NodePort" ${notYet}, only "ClusterIP"`,
    ],
    [
      'session affinity',
      service({ sessionAffinity: 'ClientIP' }),
      `spec.sessionAffinity: "ClientIP" ${notYet}, only "None"`,
    ],
    ['finalizers', { ...service({}), metadata: { name: 'a', finalizers: ['x'] } }, `metadata.finalizers: ${notYet}`],
  ] satisfies [string, object, ...string[]][])('elsewhere: %s', (_name, input, ...lines) => {
    expectUnsupported(input, ...(lines as string[]));
  });
});
