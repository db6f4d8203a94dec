import { describe, expect, test } from 'vitest';
import { decode, encode } from '../../../proxy/api/protojson.ts';
import { resourceTypes } from '../../../proxy/api/resource-types.ts';
import { requirePeers } from '../../support/peers.ts';
import { validateWithEnvoy } from './envoy-validation.ts';
import { resourcesOfNode } from './interception.ts';
import { contextOf, destinationRuleYaml, metadataOf, serviceYaml, sidecarWorkload } from './scenario.ts';

const entry = (name: string, spec: string): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: ${name} }
spec: { ${spec} }
`;

/** Every kind of port and address, and every kind of rule for connections, at once. */
const yaml =
  serviceYaml('reviews', {
    ports:
      '[{ name: http, port: 80, targetPort: 8080 }, { name: tcp-db, port: 5432 }, { name: web, port: 9000 }, { name: https, port: 443 }, { name: grpc, port: 50051 }]',
  }) +
  serviceYaml('mail', {
    ports: '[{ name: smtp, port: 25 }, { name: http, port: 15001 }, { name: http-b, port: 15006 }]',
  }) +
  serviceYaml('vip', { ports: '[{ name: tcp, port: 80 }, { name: web, port: 9000 }]' }).replace(
    'spec: {',
    'spec: { clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7, "fd00::7"],',
  ) +
  serviceYaml('headless', { ports: '[{ name: http, port: 80 }, { name: tcp, port: 6379 }]' }).replace(
    'spec: {',
    'spec: { clusterIP: None,',
  ) +
  entry(
    'block',
    'hosts: [block.example.com], addresses: [192.168.0.0/16, 10.1.2.3/32], ports: [{ number: 5432, name: tcp, protocol: TCP }, { number: 9000, name: any }], resolution: STATIC, endpoints: [{ address: 192.168.0.9 }]',
  ) +
  entry(
    'anywhere',
    'hosts: [any.example.com], ports: [{ number: 7000, name: tcp, protocol: TCP }, { number: 7001, name: any }], resolution: NONE',
  ) +
  entry(
    'tls-a',
    'hosts: [a.example.com, "*.b.example.com"], ports: [{ number: 443, name: tls, protocol: TLS }], resolution: NONE',
  ) +
  entry(
    'dns',
    'hosts: [c.example.com], ports: [{ number: 80, name: http, protocol: HTTP }, { number: 443, name: tls, protocol: HTTPS }], resolution: DNS',
  ) +
  entry(
    'dynamic',
    'hosts: ["*.example.edu"], ports: [{ number: 80, name: http, protocol: HTTP }], resolution: DYNAMIC_DNS',
  ) +
  destinationRuleYaml(
    '{ host: reviews, trafficPolicy: { loadBalancer: { consistentHash: { useSourceIp: true } }, connectionPool: { tcp: { idleTimeout: 10s, maxConnectionDuration: 60s } } }, subsets: [{ name: v1, labels: { version: v1 } }] }',
  ) +
  `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: rules }
spec:
  hosts: [reviews]
  tcp:
  - match: [{ port: 5432, destinationSubnets: [10.0.0.0/8] }]
    route: [{ destination: { host: vip, port: { number: 80 } } }]
  - match: [{ port: 5432, destinationSubnets: [10.1.0.0/8, 11.0.0.0/8, "fd00::1/8"] }]
    route: [{ destination: { host: mail, port: { number: 25 } } }]
  - match: [{ port: 5432 }]
    route: [{ destination: { host: reviews, subset: v1 }, weight: 90 }, { destination: { host: vip, port: { number: 80 } }, weight: 10 }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: secret }
spec:
  hosts: [a.example.com, "*.b.example.com"]
  tls:
  - match: [{ sniHosts: [a.example.com] }]
    route: [{ destination: { host: a.example.com } }]
  - match: [{ sniHosts: [a.example.com, X.b.example.com] }]
    route: [{ destination: { host: reviews, port: { number: 443 } } }]
  - match: [{ sniHosts: ["*.b.example.com"], destinationSubnets: [10.0.0.0/8] }]
    route: [{ destination: { host: "*.b.example.com" } }]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: outside }
spec: { hosts: [outside.example.org], http: [{ route: [{ destination: { host: reviews } }] }] }
`;

/** Headless, and of one that has no address but an allotted one. */
const addressed = ['headless', 'mail'].map((service, i) =>
  sidecarWorkload({
    service,
    interceptionMode: 'REDIRECT',
    appPorts: [6379],
    address: i === 0 ? '10.0.0.2' : 'fd00::2',
  }),
);

const node = metadataOf({ interceptionMode: 'REDIRECT', appPorts: [8080, 5432, 9999], address: '10.0.0.1' });

describe('all that an intercepted node gets', () => {
  test.for(['REDIRECT', 'TPROXY'] as const)('is accepted by a real Envoy: %s', async (interceptionMode, context) => {
    requirePeers(context, 'envoy');
    await validateWithEnvoy(
      resourcesOfNode({ ...node, interceptionMode }, contextOf(yaml, [sidecarWorkload(node), ...addressed])),
    );
  });

  test.each(['REDIRECT', 'TPROXY'] as const)("is accepted by the sidecar's own decoders: %s", (interceptionMode) => {
    const client = metadataOf({ interceptionMode, service: '', appPorts: [9999] });
    const { clusters, assignments, listeners, routes } = resourcesOfNode(
      client,
      contextOf(yaml, [sidecarWorkload(node), ...addressed]),
    );
    const faults = [
      ...clusters.map(resourceTypes.CDS.decode),
      ...assignments.map(resourceTypes.EDS.decode),
      ...listeners.map(resourceTypes.LDS.decode),
      ...routes.map(resourceTypes.RDS.decode),
    ].flatMap(({ errors = [] }) => errors);
    expect(faults).toEqual([]);
  });

  test('means the same before and after the wire', () => {
    const { listeners } = resourcesOfNode(node, contextOf(yaml, [sidecarWorkload(node), ...addressed]));
    for (const listener of listeners) {
      const name = 'envoy.config.listener.v3.Listener';
      expect(decode(name, encode(name, listener)).value).toEqual(listener);
    }
  });
});
