import { describe, expect, test } from 'vitest';
import type { MeshConfig } from '../../../crds/mesh-config.ts';
import { discover } from '../../../pilot/registry/service-discovery.ts';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import {
  addressesOf,
  describeChains,
  listenerOf,
  managerOf,
  type NodeResources,
  resourcesOfNode,
} from './interception.ts';
import { contextOf, entryYaml, metadataOf, resourcesOf, serviceYaml } from './scenario.ts';

const tcp = '{ number: 5432, name: tcp, protocol: TCP }';

const client = (given: Partial<NodeMetadata> = {}): NodeMetadata =>
  metadataOf({ interceptionMode: 'REDIRECT', service: '', appPort: 0, ...given });

const seenBy = (yaml: string, meshConfig: MeshConfig = {}): NodeResources =>
  resourcesOfNode(client(), discover({ revision: 1, resources: resourcesOf(yaml), workloads: [], meshConfig }));

const namesOf = ({ listeners }: NodeResources): (string | undefined)[] => listeners.map(({ name }) => name);

const withAddress = (yaml: string, address: string): string =>
  yaml.replace('spec: {', `spec: { clusterIP: "${address}",`);

describe('the listener that gets all connections of an application', () => {
  const resources = seenBy('');
  const virtual = listenerOf(resources, 'virtualOutbound');

  test('hands each to the listener of its original destination, and lets the others through', () => {
    expect(addressesOf(virtual)).toEqual(['0.0.0.0:15001', ':::15001']);
    expect(virtual.use_original_dst).toBe(true);
    expect(virtual.traffic_direction).toBe('OUTBOUND');
    expect(describeChains(virtual)).toEqual(['port 15001 -> BlackHoleCluster', 'any -> PassthroughCluster']);
  });

  test('is transparent with TPROXY only', () => {
    const { transparent } = listenerOf(
      resourcesOfNode(client({ interceptionMode: 'TPROXY' }), contextOf('')),
      'virtualOutbound',
    );
    expect(transparent).toBe(true);
    expect(virtual).not.toHaveProperty('transparent');
  });

  test('refuses what nobody declared under REGISTRY_ONLY, and so do the others', () => {
    const yaml = serviceYaml('reviews');
    const blocked = seenBy(yaml, { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } });
    expect(describeChains(listenerOf(blocked, 'virtualOutbound')).at(-1)).toBe('any -> BlackHoleCluster');
    expect(describeChains(listenerOf(blocked, '0.0.0.0_80')).at(-1)).toBe('any -> BlackHoleCluster');
    expect(blocked.routes[0]?.virtual_hosts?.at(-1)?.name).toBe('block_all');
  });

  test('leads to clusters that exist', () => {
    const found = new Map(resources.clusters.map((cluster) => [cluster.name, cluster]));
    for (const name of ['PassthroughCluster', 'InboundPassthroughCluster']) {
      expect(found.get(name)).toMatchObject({ type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' });
    }
    const blackHole = found.get('BlackHoleCluster');
    expect(blackHole?.type).toBe('STATIC');
    expect(blackHole?.load_assignment).toEqual({ cluster_name: 'BlackHoleCluster' });
  });
});

describe('an HTTP port', () => {
  test('has one listener for all services, whose routes are named by the port', () => {
    const resources = seenBy(serviceYaml('reviews') + withAddress(serviceYaml('ratings'), '10.96.0.1'));
    expect(namesOf(resources)).toEqual(['0.0.0.0_80', 'virtualOutbound', 'virtualInbound']);
    const listener = listenerOf(resources, '0.0.0.0_80');
    expect(listener.bind_to_port).toBe(false);
    expect(describeChains(listener)).toEqual([
      '10.96.0.1/32 240.240.0.0/16 -> routes 80',
      'http -> routes 80',
      'any -> PassthroughCluster',
    ]);
  });

  test('is looked at for 50 ms at most, so that a server that speaks first can', () => {
    const listener = listenerOf(seenBy(serviceYaml('reviews')), '0.0.0.0_80');
    expect(listener.listener_filters?.map(({ name }) => name)).toEqual(['envoy.filters.listener.http_inspector']);
    expect(listener.listener_filters_timeout).toBe('0.05s');
    expect(listener.continue_on_listener_filters_timeout).toBe(true);
  });

  test('of a newer service changes no listener: connections stay open', () => {
    const before = listenerOf(seenBy(serviceYaml('reviews')), '0.0.0.0_80');
    expect(listenerOf(seenBy(serviceYaml('reviews') + serviceYaml('ratings')), '0.0.0.0_80')).toEqual(before);
  });

  test('that only rules name is 80', () => {
    const rules = `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: outside }
spec: { hosts: [a.example.org], http: [{ route: [{ destination: { host: reviews } }] }] }
`;
    const resources = seenBy(rules);
    expect(namesOf(resources)).toContain('0.0.0.0_80');
    expect(resources.routes[0]?.virtual_hosts?.map(({ name }) => name)).toEqual(['a.example.org:80', 'allow_any']);
  });

  test.each([15_001, 15_006])('at %i, where the sidecar itself listens, has none: Envoy would refuse both', (port) => {
    expect(namesOf(seenBy(serviceYaml('odd', { ports: `[{ name: http, port: ${port} }]` })))).toEqual([
      'virtualOutbound',
      'virtualInbound',
    ]);
  });
});

describe('a TCP port', () => {
  test('has a listener at the address of its service, and is not looked at', () => {
    const resources = seenBy(withAddress(serviceYaml('db', { ports: '[{ name: tcp, port: 5432 }]' }), '10.96.0.1'));
    const listener = listenerOf(resources, '10.96.0.1_5432');
    expect(describeChains(listener)).toEqual(['any -> outbound|5432||db.default.svc.cluster.local']);
    expect(listener).not.toHaveProperty('listener_filters');
    expect(listener.bind_to_port).toBe(false);
  });

  test('of a service with an address of each family has a listener at both', () => {
    const yaml = serviceYaml('db', { ports: '[{ name: tcp, port: 5432 }]' }).replace(
      'spec: {',
      'spec: { clusterIP: 10.96.0.1, clusterIPs: [10.96.0.1, "fd00:0:0::1"],',
    );
    const resources = seenBy(yaml);
    for (const address of ['10.96.0.1', 'fd00::1']) {
      const listener = listenerOf(resources, `${address}_5432`);
      expect(addressesOf(listener)).toEqual([`${address}:5432`]);
      expect(describeChains(listener)).toEqual(['any -> outbound|5432||db.default.svc.cluster.local']);
    }
  });

  test('of a service without address has one at the address that was allotted to it', () => {
    const names = namesOf(seenBy(serviceYaml('db', { ports: '[{ name: tcp, port: 5432 }]' })));
    expect(names[0]).toMatch(/^240\.240\.\d+\.\d+_5432$/);
  });

  test('of a headless service without workloads has none', () => {
    const resources = seenBy(withAddress(serviceYaml('db', { ports: '[{ name: tcp, port: 5432 }]' }), 'None'));
    expect(namesOf(resources)).toEqual(['virtualOutbound', 'virtualInbound']);
  });

  test('of a block of addresses shares a listener with others', () => {
    const resources = seenBy(
      entryYaml('a', 'hosts: [a.example.com], addresses: [10.1.0.0/16, 10.2.0.1/32], resolution: STATIC', tcp) +
        entryYaml('b', 'hosts: [b.example.com], addresses: [10.3.0.0/16], resolution: STATIC', tcp),
    );
    expect(describeChains(listenerOf(resources, '0.0.0.0_5432'))).toEqual([
      '10.1.0.0/16 -> outbound|5432||a.example.com',
      '10.3.0.0/16 -> outbound|5432||b.example.com',
      'any -> PassthroughCluster',
    ]);
    expect(describeChains(listenerOf(resources, '10.2.0.1_5432'))).toEqual(['any -> outbound|5432||a.example.com']);
  });

  test('that goes where its connections go takes all of them, the first of two services', () => {
    const resources = seenBy(
      entryYaml('a', 'hosts: [a.example.com], resolution: NONE', tcp) +
        entryYaml('b', 'hosts: [b.example.com], resolution: NONE', tcp),
    );
    expect(describeChains(listenerOf(resources, '0.0.0.0_5432'))).toEqual(['any -> outbound|5432||a.example.com']);
    const cluster = resources.clusters.find(({ name }) => name === 'outbound|5432||a.example.com');
    expect(cluster).toMatchObject({ type: 'ORIGINAL_DST', lb_policy: 'CLUSTER_PROVIDED' });
  });

  test('and an HTTP port of one number share a listener', () => {
    const resources = seenBy(
      serviceYaml('web', { ports: '[{ name: http, port: 5432 }]' }) +
        entryYaml('a', 'hosts: [a.example.com], addresses: [10.1.0.0/16], resolution: STATIC', tcp),
    );
    expect(describeChains(listenerOf(resources, '0.0.0.0_5432'))).toEqual([
      '10.1.0.0/16 -> outbound|5432||a.example.com',
      '240.240.0.0/16 -> routes 5432',
      'http -> routes 5432',
      'any -> PassthroughCluster',
    ]);
  });
});

describe('a port of HTTP/2', () => {
  const yaml = withAddress(serviceYaml('rpc', { ports: '[{ name: grpc, port: 50051 }]' }), '10.96.0.1');

  test('has routes, like one of HTTP/1.1', () => {
    const resources = seenBy(yaml);
    expect(namesOf(resources)).toEqual(['0.0.0.0_50051', 'virtualOutbound', 'virtualInbound']);
    expect(describeChains(listenerOf(resources, '0.0.0.0_50051'))).toEqual([
      '10.96.0.1/32 240.240.0.0/16 -> routes 50051',
      'http -> routes 50051',
      'any -> PassthroughCluster',
    ]);
    expect(resources.routes[0]?.virtual_hosts?.map(({ name }) => name)).toEqual([
      'rpc.default.svc.cluster.local:50051',
      'allow_any',
    ]);
  });

  test('is spoken to in HTTP/2, and whoever is not declared in what its client speaks', () => {
    const { clusters } = seenBy(yaml);
    const protocolOf = (name: string) =>
      decodeCluster(clusters.find((each) => each.name === name) ?? {}).value?.protocol;
    expect(protocolOf('outbound|50051||rpc.default.svc.cluster.local')).toBe('http2');
    expect(protocolOf('PassthroughCluster')).toBe('downstream');
  });
});

describe('a port that nobody declared', () => {
  test('is HTTP or TCP by its first bytes, with routes of its own', () => {
    const resources = seenBy(withAddress(serviceYaml('web', { ports: '[{ port: 9000 }]' }), '10.96.0.1'));
    const listener = listenerOf(resources, '10.96.0.1_9000');
    expect(describeChains(listener)).toEqual([
      'http -> routes web.default.svc.cluster.local:9000',
      'any -> outbound|9000||web.default.svc.cluster.local',
    ]);
    expect(listener.filter_chains?.[0]?.filter_chain_match).toEqual({
      transport_protocol: 'raw_buffer',
      application_protocols: ['http/1.0', 'http/1.1', 'h2c'],
    });
    expect(listener.listener_filters_timeout).toBe('0.05s');
    const [routes] = resources.routes;
    expect(routes?.name).toBe('web.default.svc.cluster.local:9000');
    expect(routes?.virtual_hosts?.map(({ domains }) => domains)).toEqual([['*']]);
  });

  test('of a block of addresses is looked at there too: a block counts more than a protocol', () => {
    const resources = seenBy(
      entryYaml(
        'a',
        'hosts: [a.example.com], addresses: [10.1.0.0/16], resolution: STATIC',
        '{ number: 9000, name: any }',
      ),
    );
    expect(describeChains(listenerOf(resources, '0.0.0.0_9000'))).toEqual([
      '10.1.0.0/16, http -> routes 9000',
      '10.1.0.0/16 -> outbound|9000||a.example.com',
      'any -> PassthroughCluster',
    ]);
  });

  test.each([25, 53, 3306, 27_017])('is TCP at %i', (port) => {
    const resources = seenBy(withAddress(serviceYaml('old', { ports: `[{ port: ${port} }]` }), '10.96.0.1'));
    expect(listenerOf(resources, `10.96.0.1_${port}`)).not.toHaveProperty('listener_filters');
  });
});

describe('a TLS port', () => {
  const tls = '{ number: 443, name: tls, protocol: TLS }';

  test('of a service with an address needs no SNI', () => {
    const resources = seenBy(entryYaml('a', 'hosts: [a.example.com], addresses: [10.0.0.1], resolution: DNS', tls));
    const listener = listenerOf(resources, '10.0.0.1_443');
    expect(describeChains(listener)).toEqual(['any -> outbound|443||a.example.com']);
    expect(listener).not.toHaveProperty('listener_filters');
  });

  test('of services without is told by SNI, for which there is time', () => {
    const resources = seenBy(
      entryYaml('a', 'hosts: [a.example.com], resolution: DNS', tls) +
        entryYaml('b', 'hosts: ["*.b.example.com"], resolution: NONE', tls),
    );
    const listener = listenerOf(resources, '0.0.0.0_443');
    expect(describeChains(listener)).toEqual([
      '*.b.example.com -> outbound|443||*.b.example.com',
      'a.example.com -> outbound|443||a.example.com',
      'any -> PassthroughCluster',
    ]);
    expect(listener.listener_filters?.map(({ name }) => name)).toEqual(['envoy.filters.listener.tls_inspector']);
    expect(listener.listener_filters_timeout).toBe('0s');
  });
});

describe('routes of intercepted requests', () => {
  test('are those of all services that have the port, by every spelling and address, with and without the port', () => {
    const [routes] = seenBy(
      withAddress(
        serviceYaml('reviews', { ports: '[{ name: http, port: 80 }, { name: http-b, port: 81 }]' }),
        'fd00::1',
      ) + serviceYaml('db', { ports: '[{ name: tcp, port: 80 }]' }),
    ).routes;
    expect(routes?.name).toBe('80');
    expect(routes?.virtual_hosts?.map(({ name }) => name)).toEqual([
      'reviews.default.svc.cluster.local:80',
      'allow_any',
    ]);
    const domains = routes?.virtual_hosts?.[0]?.domains ?? [];
    for (const name of ['reviews', 'reviews.default', 'reviews.default.svc.cluster.local', '[fd00::1]']) {
      expect(domains).toContain(name);
      expect(domains).toContain(`${name}:80`);
    }
    expect(domains.join()).not.toContain(':81');
  });

  test('lead where the connection was going when nobody declared the host', () => {
    const others = seenBy(serviceYaml('reviews')).routes[0]?.virtual_hosts?.at(-1);
    expect(others?.domains).toEqual(['*']);
    expect(others?.routes?.[0]).toMatchObject({ match: { prefix: '/' }, route: { cluster: 'PassthroughCluster' } });
  });

  test('tell sidecars who calls', () => {
    const host = seenBy(serviceYaml('reviews')).routes[0]?.virtual_hosts?.[0];
    expect(host?.request_headers_to_add?.[0]?.header?.key).toBe('x-envoy-peer-metadata');
  });

  test('are none of other names', () => {
    const { listeners } = seenBy(serviceYaml('db', { ports: '[{ name: tcp, port: 80 }]' }));
    expect(listeners.flatMap(({ filter_chains = [] }) => filter_chains).filter(managerOf)).toEqual([]);
  });
});

describe('a sidecar that is addressed openly', () => {
  const yaml =
    serviceYaml('reviews', {
      ports: '[{ name: http, port: 80 }, { name: tcp, port: 5432 }, { name: web, port: 9000 }]',
    }) + entryYaml('a', 'hosts: [a.example.com], resolution: NONE', tcp);

  test('has two listeners, one route configuration and clusters of HTTP ports only', () => {
    const resources = resourcesOfNode(metadataOf(), contextOf(yaml));
    expect(namesOf(resources)).toEqual(['virtualOutbound', 'virtualInbound']);
    expect(resources.routes.map(({ name }) => name)).toEqual(['http_proxy', 'inbound|8080||']);
    expect(resources.clusters.map(({ name }) => name)).toEqual([
      'outbound|80||reviews.default.svc.cluster.local',
      'outbound|9000||reviews.default.svc.cluster.local',
      'PassthroughCluster',
      'inbound|8080||',
    ]);
    expect(JSON.stringify(resources)).not.toMatch(/ORIGINAL_DST|original_dst|240\.240/);
  });
});
