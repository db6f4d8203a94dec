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
                headers: {
                  testuser: { regex: '^.+$' },
                  a: {},
                  ':method': { exact: 'GET' },
                  ':scheme': {},
                  ':authority': { regex: 'a.*' },
                },
                method: { exact: 'GET' },
                scheme: { exact: 'http' },
                authority: { prefix: 'reviews' },
                queryParams: { a: { exact: '' }, exact: {} },
                port: 80,
                sourceLabels: { app: 'web' },
                sourceNamespace: 'default',
                gateways: ['mesh'],
                withoutHeaders: { b: { exact: 'c' }, ':path': { prefix: '/v0' } },
              },
            ],
            route: [{ destination: { host: 'reviews', subset: 'v2', port: { number: 80 } }, weight: 5 }],
            timeout: '3s',
            headers: {
              request: { set: { a: '%PROTOCOL%', host: 'b' }, remove: ['c'] },
              response: { add: { d: '%%' } },
            },
            rewrite: { uriRegexRewrite: { match: '/(a)', rewrite: '/\\1' } },
          },
          { redirect: { prefixRewrite: '/b', scheme: 'https', derivePort: 'FROM_REQUEST_PORT', redirectCode: 308 } },
          { directResponse: { status: 418, body: { string: 'teapot' } } },
        ],
      }),
    ],
    [
      'rules for connections',
      virtualService({
        hosts: ['db', 'secret.example.com'],
        tls: [
          {
            match: [
              {
                sniHosts: ['secret.example.com'],
                destinationSubnets: ['10.0.0.0/8'],
                port: 443,
                sourceLabels: { app: 'web' },
                sourceNamespace: 'default',
                gateways: ['mesh'],
              },
            ],
            route: [{ destination: { host: 'secret.example.com', port: { number: 443 } } }],
          },
        ],
        tcp: [
          {
            match: [
              {
                destinationSubnets: ['10.0.0.0/8'],
                port: 5432,
                sourceLabels: { app: 'web' },
                sourceNamespace: 'default',
                gateways: ['mesh'],
              },
            ],
            route: [
              { destination: { host: 'db', subset: 'v1' }, weight: 90 },
              { destination: { host: 'db', subset: 'v2' }, weight: 10 },
            ],
          },
        ],
      }),
    ],
    [
      "a DestinationRule's connections",
      destinationRule({
        trafficPolicy: {
          connectionPool: { tcp: { idleTimeout: '1h', maxConnectionDuration: '1h', maxConnections: 1 } },
        },
      }),
    ],
    [
      'HTTP/2 towards the hosts of a DestinationRule',
      destinationRule({
        trafficPolicy: {
          connectionPool: {
            http: {
              h2UpgradePolicy: 'UPGRADE',
              maxConcurrentStreams: 10,
              http2KeepAlive: { interval: '1m', timeout: '5s' },
            },
          },
        },
        subsets: [{ name: 'a', trafficPolicy: { connectionPool: { http: { useClientProtocol: true } } } }],
      }),
    ],
    [
      'zone aware routing',
      destinationRule({
        trafficPolicy: {
          outlierDetection: {},
          loadBalancer: {
            zoneAwareLbSetting: {
              enabled: true,
              failover: [{ from: 'a', to: 'b' }],
              failoverPriority: ['version'],
              minClusterSize: 2,
            },
          },
        },
      }),
    ],
    [
      'tunnels',
      destinationRule({
        trafficPolicy: { tunnel: { targetHost: 'a.example.com', targetPort: 443 } },
        subsets: [
          { name: 'a', trafficPolicy: { tunnel: { protocol: 'POST', targetHost: '10.0.0.1', targetPort: 443 } } },
        ],
      }),
    ],
    ['virtual addresses', serviceEntry({ addresses: ['10.0.0.1', '10.1.0.0/16'] })],
    [
      'a DestinationRule',
      destinationRule({
        exportTo: ['.', 'shop'],
        trafficPolicy: {
          loadBalancer: {
            simple: 'ROUND_ROBIN',
            localityLbSetting: { distribute: [{ from: 'a/*', to: { 'a/b': 80, c: 20 } }] },
          },
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
    [
      'a DestinationRule for some clients',
      destinationRule({
        exportTo: ['.'],
        workloadSelector: { matchLabels: { app: 'web' } },
        trafficPolicy: {
          loadBalancer: { localityLbSetting: { failover: [{ from: 'a', to: 'b' }], failoverPriority: ['app', 'v=1'] } },
          outlierDetection: {},
        },
      }),
    ],
    [
      'a ServiceEntry with a selector',
      serviceEntry({ exportTo: ['.', 'shop'], workloadSelector: { labels: { app: 'a' } } }),
    ],
    [
      'a WorkloadEntry',
      resource('WorkloadEntry', {
        address: '10.0.0.1',
        ports: { http: 8080 },
        labels: { app: 'a' },
        weight: 2,
        locality: 'region/zone/subzone',
      }),
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
    ['a delegate', virtualService({ hosts: [], exportTo: ['.', 'shop'], http: [{ directResponse: { status: 200 } }] })],
    ['a rule that includes others', virtualService({ http: [{ delegate: { name: 'a', namespace: 'b' } }] })],
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
    [
      'a rule that sets framing',
      { headers: { response: { set: { 'Content-Length': '5' } } } },
      'spec.http[0].headers.response.set.Content-Length: must not be changed: each sidecar frames bodies itself',
    ],
    [
      'a rule that removes framing',
      { headers: { request: { remove: ['a', 'transfer-encoding'] } } },
      'spec.http[0].headers.request.remove[1]: must not be removed: each sidecar frames bodies itself',
    ],
    [
      'variables that no sidecar knows',
      { headers: { request: { set: { a: '%NOBODY%' } } } },
      'spec.http[0].headers.request.set.a: has the variable %NOBODY%, which is not supported',
    ],
    [
      'a Host that is no text',
      { route: [{ destination: { host: 'a' }, headers: { request: { set: { Host: 'a b' } } } }] },
      'spec.http[0].route[0].headers.request.set.Host: must be printable ASCII without spaces, got "a b"',
    ],
    [
      'rewriting to what is no path',
      { rewrite: { uri: '/ä' } },
      'spec.http[0].rewrite.uri: must be printable ASCII without spaces, got "/ä"',
    ],
    [
      'groups that an expression does not have',
      { rewrite: { uriRegexRewrite: { match: '/(a)', rewrite: '/\\2' } } },
      'spec.http[0].rewrite.uriRegexRewrite: substitution must name one of 1 groups, got \\2',
    ],
    [
      'redirects that clients do not follow',
      { route: [], redirect: { uri: '/', redirectCode: 304 } },
      `spec.http[0].redirect.redirectCode: 304 ${notYet}, only 301, 302, 303, 307, 308`,
    ],
    [
      'pseudo headers that no request has',
      { match: [{ headers: { ':status': {} } }] },
      `spec.http[0].match[0].headers[":status"]: ${notYet}`,
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
      'a part of a label in SNI',
      virtualService({
        hosts: ['*'],
        gateways: ['edge'],
        tls: [{ match: [{ sniHosts: ['*-a.example.com', '*.example.com'] }], route: [{ destination: { host: 'a' } }] }],
      }),
      `spec.tls[0].match[0].sniHosts[0]: "*-a.example.com" ${notYet}, only "*." and a domain`,
    ],
    [
      "a TCP rule's source address",
      virtualService({ tcp: [{ match: [{ sourceSubnet: '10.0.0.0/8' }], route: [{ destination: { host: 'a' } }] }] }),
      `spec.tcp[0].match[0].sourceSubnet: ${notYet}`,
    ],
    [
      'limits',
      destinationRule({
        subsets: [
          { name: 'a', trafficPolicy: { connectionPool: { tcp: { tcpKeepalive: { probes: 128, interval: '5s' } } } } },
        ],
      }),
      `spec.subsets[0].trafficPolicy.connectionPool.tcp.tcpKeepalive.probes: 128 ${notYet}, only up to 127`,
    ],
    [
      'TLS',
      destinationRule({ trafficPolicy: { tls: { mode: 'ISTIO_MUTUAL' } } }),
      `spec.trafficPolicy.tls.mode: "ISTIO_MUTUAL" ${notYet}, only "DISABLE", "SIMPLE", "MUTUAL"`,
    ],
    [
      'tunnels in HTTP/2',
      destinationRule({
        trafficPolicy: {
          tunnel: { targetHost: 'a.example.com', targetPort: 443 },
          portLevelSettings: [{ port: { number: 80 }, connectionPool: { http: { h2UpgradePolicy: 'UPGRADE' } } }],
        },
      }),
      `spec.trafficPolicy.portLevelSettings[0].connectionPool.http.h2UpgradePolicy: "UPGRADE" ${notYet} beside tunnel: proxies are asked for tunnels in HTTP/1.1`,
    ],
    [
      'TLS with secrets of the control plane',
      destinationRule({ trafficPolicy: { tls: { mode: 'SIMPLE', credentialName: 'a' } } }),
      `spec.trafficPolicy.tls.credentialName: ${notYet}`,
    ],
    [
      'a client certificate that is never shown',
      destinationRule({ trafficPolicy: { tls: { mode: 'SIMPLE', clientCertificate: '/a.pem' } } }),
      'spec.trafficPolicy.tls.clientCertificate: has no effect with mode SIMPLE',
    ],
    [
      'revoked certificates that nobody looks at',
      destinationRule({ trafficPolicy: { tls: { mode: 'SIMPLE', insecureSkipVerify: true, caCrl: '/crl.pem' } } }),
      'spec.trafficPolicy.tls.caCrl: has no effect when insecureSkipVerify is true',
    ],
    [
      'a server name that is too long',
      destinationRule({ trafficPolicy: { tls: { mode: 'SIMPLE', sni: 'a'.repeat(256) } } }),
      'spec.trafficPolicy.tls.sni: must have at most 255 bytes',
    ],
    [
      'TLS of a port',
      destinationRule({ trafficPolicy: { portLevelSettings: [{ port: { number: 80 }, tls: { sni: 'a' } }] } }),
      'spec.trafficPolicy.portLevelSettings[0].tls.sni: has no effect with mode DISABLE',
    ],
    [
      'workloads whose names are looked up',
      JSON.parse(
        JSON.stringify(
          serviceEntry({ resolution: 'DNS', endpoints: undefined, workloadSelector: { labels: { app: 'a' } } }),
        ),
      ) as object,
      `spec.workloadSelector: ${notYet}, only with resolution STATIC`,
    ],
    [
      'endpoints that are sockets of the file system',
      serviceEntry({ endpoints: [{ address: 'unix:///a' }] }),
      `spec.endpoints[0].address: "unix:///a" ${notYet}, only an IP address or a host name`,
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
    [
      'localities of more than three parts',
      resource('WorkloadEntry', { address: '10.0.0.1', locality: 'a/b/c/d' }),
      'spec.locality: must be region/zone/subzone, shortened from the right, got "a/b/c/d"',
    ],
    [
      'localities without a region',
      serviceEntry({ endpoints: [{ address: '10.0.0.1', locality: '/b' }] }),
      'spec.endpoints[0].locality: must be region/zone/subzone, shortened from the right, got "/b"',
    ],
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
