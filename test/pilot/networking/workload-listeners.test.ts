import { describe, expect, test } from 'vitest';
import type { MeshConfig } from '../../../crds/mesh-config.ts';
import type { Workload } from '../../../pilot/model/workload.ts';
import { discover } from '../../../pilot/registry/service-discovery.ts';
import type { NodeMetadata } from '../../../proxy/api/node.ts';
import { describeChains, listenerOf, type NodeResources, resourcesOfNode } from './interception.ts';
import { destinationRuleYaml, entryYaml, metadataOf, resourcesOf, serviceYaml, sidecarWorkload } from './scenario.ts';

const client = metadataOf({ interceptionMode: 'REDIRECT', service: '', appPort: 0 });

/** An instance of `db` at 192.0.2.HOST. */
const instance = (host: number, given: Partial<NodeMetadata> = {}): Workload =>
  sidecarWorkload({
    service: 'db',
    name: `db-${host}`,
    address: `192.0.2.${host}`,
    interceptionMode: 'REDIRECT',
    ...given,
  });

interface Given {
  readonly workloads?: readonly Workload[];
  readonly node?: NodeMetadata;
  readonly meshConfig?: MeshConfig;
}

function seenBy(yaml: string, { workloads = [], node = client, meshConfig = {} }: Given = {}): NodeResources {
  return resourcesOfNode(node, discover({ revision: 1, resources: resourcesOf(yaml), workloads, meshConfig }));
}

/** Without those that all sidecars have. */
const namesOf = ({ listeners }: NodeResources): (string | undefined)[] =>
  listeners.map(({ name }) => name).filter((name) => !name?.startsWith('virtual'));

const headless = (ports: string, name = 'db'): string =>
  serviceYaml(name, { ports }).replace('spec: {', 'spec: { clusterIP: None,');

const db = headless('[{ name: tcp, port: 5432 }]');
const original = 'outbound|5432|@original_dst|db.default.svc.cluster.local';

describe('a TCP port of a headless service', () => {
  test('has a listener at each of its workloads, which leads to that very workload', () => {
    const resources = seenBy(db, { workloads: [instance(1), instance(2, { address: '2001:db8::2' })] });
    expect(namesOf(resources)).toEqual(['192.0.2.1_5432', '2001:db8::2_5432']);
    for (const name of namesOf(resources)) {
      const listener = listenerOf(resources, name ?? '');
      expect(describeChains(listener)).toEqual([`any -> ${original}`]);
      expect(listener.bind_to_port).toBe(false);
      expect(listener).not.toHaveProperty('listener_filters');
    }
  });

  test('has a cluster that goes where connections were going, by the policy of the service', () => {
    const rule = destinationRuleYaml(
      '{ host: db, trafficPolicy: { connectionPool: { tcp: { maxConnections: 7 } }, tls: { mode: SIMPLE } } }',
    );
    const cluster = seenBy(db + rule).clusters.find(({ name }) => name === original);
    expect(cluster).toMatchObject({
      type: 'ORIGINAL_DST',
      lb_policy: 'CLUSTER_PROVIDED',
      circuit_breakers: { thresholds: [{ max_connections: 7 }] },
      transport_socket: { name: 'envoy.transport_sockets.tls' },
      metadata: { filter_metadata: { istio: { services: [{ host: 'db.default.svc.cluster.local' }] } } },
    });
    expect(cluster).not.toHaveProperty('load_assignment');
  });

  test('is followed by rules: to a subset where one is named, and to the workload itself where none is', () => {
    const subsets = destinationRuleYaml('{ host: db, subsets: [{ name: v2, labels: { version: v2 } }] }');
    const rules = (route: string): string => `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: db }
spec: { hosts: [db], tcp: [{ route: ${route} }] }
`;
    const chainsFor = (route: string): string[] =>
      describeChains(listenerOf(seenBy(db + subsets + rules(route), { workloads: [instance(1)] }), '192.0.2.1_5432'));
    expect(chainsFor('[{ destination: { host: db } }]')).toEqual([`any -> ${original}`]);
    expect(
      chainsFor('[{ destination: { host: db }, weight: 9 }, { destination: { host: db, subset: v2 }, weight: 1 }]'),
    ).toEqual([`any -> 9 ${original}, 1 outbound|5432|v2|db.default.svc.cluster.local`]);
  });

  test('is where the workload serves it, which need not be the number of the port', () => {
    const entry = entryYaml(
      'db',
      'hosts: [db.example.com], resolution: STATIC, endpoints: [{ address: 192.0.2.7, ports: { tcp: 6432 } }, { address: 192.0.2.8 }]',
      '{ number: 5432, name: tcp, protocol: TCP, targetPort: 7432 }',
    );
    expect(namesOf(seenBy(entry)).slice(0, 2)).toEqual(['192.0.2.7_6432', '192.0.2.8_7432']);
    expect(describeChains(listenerOf(seenBy(entry), '192.0.2.7_6432'))).toEqual([
      'any -> outbound|5432|@original_dst|db.example.com',
    ]);
  });

  test('is the first service of two whose workloads are the same', () => {
    const yaml = db + headless('[{ name: tcp, port: 5432 }]', 'a').replace('selector: {}', 'selector: { app: db }');
    const resources = seenBy(yaml, { workloads: [instance(1)] });
    expect(describeChains(listenerOf(resources, '192.0.2.1_5432'))).toEqual([
      'any -> outbound|5432|@original_dst|a.default.svc.cluster.local',
    ]);
  });

  test('is not of those who do not know the service, nor of sidecars that are addressed openly', () => {
    const workloads = [instance(1)];
    const hidden = db.replace('metadata: {', "metadata: { annotations: { networking.istio.io/exportTo: '.' },");
    expect(namesOf(seenBy(hidden, { workloads, node: { ...client, namespace: 'shop' } }))).toEqual([]);
    expect(namesOf(seenBy(db, { workloads, node: metadataOf() }))).toEqual([]);
    expect(seenBy(db, { workloads, node: metadataOf() }).clusters.map(({ name }) => name)).not.toContain(original);
    expect(namesOf(seenBy(db, { workloads: [sidecarWorkload({ service: 'db' })] }))).toEqual([]);
  });

  test('gives way to a service whose own address the workload has', () => {
    const entry = entryYaml(
      'other',
      'hosts: [other.example.com], addresses: [192.0.2.1], resolution: STATIC',
      '{ number: 5432, name: tcp, protocol: TCP }',
    );
    const resources = seenBy(db + entry, { workloads: [instance(1)] });
    expect(namesOf(resources)).toEqual(['192.0.2.1_5432']);
    expect(describeChains(listenerOf(resources, '192.0.2.1_5432'))).toEqual([
      'any -> outbound|5432||other.example.com',
    ]);
  });
});

describe('workloads of other services', () => {
  test('are found at their addresses where the service has only one that was allotted', () => {
    const resources = seenBy(serviceYaml('db', { ports: '[{ name: tcp, port: 5432 }]' }), { workloads: [instance(1)] });
    expect(namesOf(resources)).toEqual(['192.0.2.1_5432', expect.stringMatching(/^240\.240\..*_5432$/)]);
  });

  test('are found where nobody declared the service, at the ports that they list', () => {
    const workloads = [instance(1, { appPorts: [80, 7000] })];
    expect(namesOf(seenBy('', { workloads }))).toContain('192.0.2.1_7000');
    expect(namesOf(seenBy('', { workloads }))).not.toContain('192.0.2.1_80');
  });

  test('are not where the service has an address, is looked up, or lets connections go where they want', () => {
    const withAddress = serviceYaml('db', { ports: '[{ name: tcp, port: 5432 }]' }).replace(
      'spec: {',
      'spec: { clusterIP: 10.96.0.1,',
    );
    const tcp = '{ number: 5432, name: tcp, protocol: TCP }';
    const looked = entryYaml('a', 'hosts: [a.example.com], resolution: DNS, endpoints: [{ address: 192.0.2.5 }]', tcp);
    const open = entryYaml('b', 'hosts: [b.example.com], resolution: NONE', tcp);
    const names = namesOf(seenBy(withAddress + looked + open, { workloads: [instance(1)] }));
    expect(names.filter((name) => name?.startsWith('192.0.2'))).toEqual([]);
  });

  test('are told by SNI where several share an address, and by the address where there is none', () => {
    const tls = '{ number: 443, name: tls, protocol: TLS }';
    const shared = (name: string): string =>
      entryYaml(name, `hosts: [${name}.example.com], resolution: STATIC, endpoints: [{ address: 192.0.2.9 }]`, tls);
    const listener = listenerOf(seenBy(shared('a') + shared('b')), '192.0.2.9_443');
    expect(describeChains(listener)).toEqual([
      'a.example.com -> outbound|443|@original_dst|a.example.com',
      'b.example.com -> outbound|443|@original_dst|b.example.com',
      'any -> outbound|443|@original_dst|a.example.com',
    ]);
  });
});

describe('requests to a single workload', () => {
  const unknown = '[{ port: 9200 }]';

  test('at a port that nobody declared are looked at there, and follow the rules when they name the service', () => {
    const resources = seenBy(headless(unknown), { workloads: [instance(1, { appPort: 9200 })] });
    expect(describeChains(listenerOf(resources, '192.0.2.1_9200'))).toEqual([
      'http -> routes @original_dst|db.default.svc.cluster.local:9200',
      'any -> outbound|9200|@original_dst|db.default.svc.cluster.local',
    ]);
    const routes = resources.routes.find(({ name }) => name === '@original_dst|db.default.svc.cluster.local:9200');
    const [own, others] = routes?.virtual_hosts ?? [];
    expect(own?.domains).toContain('db:9200');
    expect(own?.routes?.[0]?.route?.cluster).toBe('outbound|9200||db.default.svc.cluster.local');
    expect(others?.domains).toEqual(['*']);
    expect(others?.routes?.[0]?.route?.cluster).toBe('outbound|9200|@original_dst|db.default.svc.cluster.local');
  });

  test('of a headless service are the service’s by every name below its own, wherever a resolver says it is', () => {
    const resources = seenBy(headless('[{ name: http, port: 80 }]'), {
      meshConfig: { outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' } },
    });
    const hosts = resources.routes.find(({ name }) => name === '80')?.virtual_hosts ?? [];
    const workloads = hosts.find(({ name }) => name === '*.db.default.svc.cluster.local:80');
    for (const name of ['*.db', '*.db.default', '*.db.default.svc', '*.db.default.svc.cluster.local', '*.db:80']) {
      expect(workloads?.domains).toContain(name);
    }
    const cluster = 'outbound|80|@original_dst|db.default.svc.cluster.local';
    expect(workloads?.routes?.[0]?.route?.cluster).toBe(cluster);
    expect(resources.clusters.find(({ name }) => name === cluster)?.type).toBe('ORIGINAL_DST');
    const plain = seenBy(serviceYaml('db')).routes.find(({ name }) => name === '80')?.virtual_hosts ?? [];
    expect(plain.map(({ name }) => name)).toEqual(['db.default.svc.cluster.local:80', 'allow_any']);
  });

  test('are left to whoever declared such a name', () => {
    const named = entryYaml('named', 'hosts: ["*.db.default.svc.cluster.local"], resolution: NONE');
    const { routes } = seenBy(headless('[{ name: http, port: 80 }]') + named);
    const hosts = routes.find(({ name }) => name === '80')?.virtual_hosts ?? [];
    const found = hosts.filter(({ domains = [] }) => domains.includes('*.db.default.svc.cluster.local'));
    expect(found.map((host) => host.routes?.[0]?.route?.cluster)).toEqual([
      'outbound|80||*.db.default.svc.cluster.local',
    ]);
  });
});
