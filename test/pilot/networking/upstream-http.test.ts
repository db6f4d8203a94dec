import { describe, expect, test } from 'vitest';
import type { MeshConfig } from '../../../crds/mesh-config.ts';
import type { Client } from '../../../pilot/model/client.ts';
import type { Workload } from '../../../pilot/model/workload.ts';
import { buildOutboundClusters } from '../../../pilot/networking/clusters.ts';
import { discover } from '../../../pilot/registry/service-discovery.ts';
import type { Cluster } from '../../../proxy/api/cluster.ts';
import { decodeCluster } from '../../../proxy/api/cluster-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { resourcesOfNode } from './interception.ts';
import { contextOf, destinationRuleYaml, metadataOf, resourcesOf, serviceYaml, sidecarWorkload } from './scenario.ts';

interface Scenario {
  readonly yaml?: string;
  readonly workloads?: readonly Workload[];
  readonly meshConfig?: MeshConfig;
  readonly client?: Omit<Client, 'namespace'>;
}

/** One port of each kind, or what workloads bring. */
const ports =
  '[{ name: http, port: 80 }, { name: grpc, port: 81 }, { name: web, port: 82 }, { name: tcp, port: 83 }, { name: https, port: 443 }]';
const everyKind = serviceYaml('reviews', { ports });

function clustersOf({
  yaml = everyKind,
  workloads = [],
  meshConfig = {},
  client = {},
}: Scenario): Map<string, Cluster> {
  const { config } = discover({ revision: 1, resources: resourcesOf(yaml), workloads, meshConfig });
  const clusters = buildOutboundClusters(config, { namespace: 'default', isIntercepted: true, ...client });
  return new Map(
    clusters.map((cluster) => {
      const decoded = requireValue(decodeCluster(cluster), cluster.name ?? '');
      const [, port = '', subset = ''] = decoded.name.split('|');
      return [`${port} ${subset}`.trim(), decoded];
    }),
  );
}

/** What is spoken at each port. */
function versionsOf(scenario: Scenario): Record<string, Cluster['protocol'] | undefined> {
  const clusters = clustersOf(scenario);
  const spoken = ['80', '81', '82', '83', '443'].map((port) => [port, clusters.get(port)?.protocol] as const);
  return Object.fromEntries(spoken.filter(([, version]) => version !== undefined));
}

const rule = (http: string, rest = ''): string =>
  destinationRuleYaml(`{ host: reviews, trafficPolicy: { connectionPool: { http: ${http} } } ${rest} }`);
const withRule = (http: string, rest?: string): Scenario => ({ yaml: everyKind + rule(http, rest) });

const declared = { '80': 'http1', '81': 'http2', '82': 'downstream', '83': 'http1', '443': 'http1' };

describe('what a sidecar speaks with a service', () => {
  test('is what its port declares, and what the client speaks where nothing is declared', () => {
    expect(versionsOf({})).toEqual(declared);
  });

  test('is HTTP/1.1 at a port that nobody declared for a gateway, which offers its clients HTTP/2 by itself', () => {
    expect(versionsOf({ client: { isGateway: true } })).toEqual({ ...declared, '82': 'http1' });
  });

  test('is HTTP/2 where a rule upgrades it', () => {
    const upgraded = { '80': 'http2', '81': 'http2', '82': 'http2', '83': 'http2', '443': 'http2' };
    expect(versionsOf(withRule('{ h2UpgradePolicy: UPGRADE }'))).toEqual(upgraded);
  });

  test('stays what its port declares under DEFAULT and DO_NOT_UPGRADE', () => {
    expect(versionsOf(withRule('{ h2UpgradePolicy: DEFAULT }'))).toEqual(declared);
    expect(versionsOf(withRule('{ h2UpgradePolicy: DO_NOT_UPGRADE }'))).toEqual(declared);
  });

  test('is HTTP/2 at ports of HTTP where the mesh upgrades, unless a rule does not', () => {
    const meshConfig = { h2UpgradePolicy: 'UPGRADE' } as const;
    expect(versionsOf({ meshConfig })).toEqual({ ...declared, '80': 'http2' });
    expect(versionsOf({ meshConfig, ...withRule('{ h2UpgradePolicy: DEFAULT }') })).toEqual({
      ...declared,
      '80': 'http2',
    });
    expect(versionsOf({ meshConfig, ...withRule('{ h2UpgradePolicy: DO_NOT_UPGRADE }') })).toEqual(declared);
    expect(versionsOf({ meshConfig: { h2UpgradePolicy: 'DO_NOT_UPGRADE' } })).toEqual(declared);
  });

  test('is what the client speaks where a rule says so, whatever the port and the mesh say', () => {
    const all = { '80': 'downstream', '81': 'downstream', '82': 'downstream', '83': 'downstream', '443': 'downstream' };
    expect(versionsOf(withRule('{ useClientProtocol: true }'))).toEqual(all);
    const meshConfig = { h2UpgradePolicy: 'UPGRADE' } as const;
    expect(versionsOf({ meshConfig, ...withRule('{ useClientProtocol: true }') })).toEqual(all);
    expect(versionsOf(withRule('{ useClientProtocol: false }'))).toEqual(declared);
  });

  test('may be another one with a subset', () => {
    const subset = '{ name: v1, trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: UPGRADE } } } }';
    const clusters = clustersOf(withRule('{ idleTimeout: 30s }', `, subsets: [${subset}]`));
    expect(clusters.get('80')).toMatchObject({ protocol: 'http1', idleTimeoutMs: 30_000 });
    expect(clusters.get('80 v1')?.protocol).toBe('http2');
  });

  test('is HTTP/1.1 with a proxy that connections are tunnelled through', () => {
    const tunnel = 'tunnel: { targetHost: db.example.com, targetPort: 5432 }';
    const yaml = everyKind + destinationRuleYaml(`{ host: reviews, trafficPolicy: { ${tunnel} } }`);
    const meshConfig = { h2UpgradePolicy: 'UPGRADE' } as const;
    expect(versionsOf({ yaml, meshConfig })).toEqual({ ...declared, '81': 'http1' });
  });

  test('is HTTP/2 where sidecars call it themselves, whatever it is declared as', () => {
    const service = { service: 'reviews.default.svc.cluster.local', port: 80 };
    const als = { extensionProviders: [{ name: 'logs', envoyHttpAls: service }] };
    const authorization = { extensionProviders: [{ name: 'opa', envoyExtAuthzGrpc: service }] };
    for (const meshConfig of [als, authorization]) {
      expect(versionsOf({ meshConfig })).toEqual({ ...declared, '80': 'http2' });
      expect(versionsOf({ meshConfig, ...withRule('{ useClientProtocol: true }') })['80']).toBe('http2');
    }
  });
});

describe('options of HTTP/2', () => {
  test('are those of the rule, beside the others of the pool', () => {
    const http = '{ maxConcurrentStreams: 7, http2KeepAlive: { interval: 1m, timeout: 500ms }, idleTimeout: 30s }';
    const clusters = clustersOf(withRule(http));
    for (const port of ['81', '82']) {
      expect(clusters.get(port)).toMatchObject({
        idleTimeoutMs: 30_000,
        http2: { maxConcurrentStreams: 7, keepalive: { intervalMs: 60_000, timeoutMs: 500 } },
      });
    }
  });

  test('also hold where a rule upgrades to it', () => {
    const cluster = clustersOf(withRule('{ h2UpgradePolicy: UPGRADE, maxConcurrentStreams: 7 }')).get('80');
    expect(cluster).toMatchObject({ protocol: 'http2', http2: { maxConcurrentStreams: 7 } });
  });

  test('are the defaults where nothing is set, and zero is nothing (D9)', () => {
    const limitOf = (scenario: Scenario) => clustersOf(scenario).get('81')?.http2.maxConcurrentStreams;
    expect(limitOf(withRule('{ maxConcurrentStreams: 0 }'))).toBe(limitOf({}));
  });
});

describe('TLS to a service', () => {
  const alpnOf = (http: string) => {
    const pool = `connectionPool: { http: ${http} }`;
    const yaml = destinationRuleYaml(`{ host: reviews, trafficPolicy: { tls: { mode: SIMPLE }, ${pool} } }`);
    const clusters = clustersOf({ yaml: everyKind + yaml });
    return ['80', '81', '82', '443'].map((port) => clusters.get(port)?.tls?.alpnProtocols);
  };

  test('offers HTTP/2 where that is spoken, and nothing elsewhere, as in Istio', () => {
    expect(alpnOf('{ idleTimeout: 30s }')).toEqual([[], ['h2'], [], []]);
    expect(alpnOf('{ h2UpgradePolicy: UPGRADE }')).toEqual([['h2'], ['h2'], ['h2'], ['h2']]);
    expect(alpnOf('{ useClientProtocol: true }')).toEqual([[], [], [], []]);
  });
});

describe('a service that nobody declared', () => {
  const versionOf = (...workloads: Workload[]) => versionsOf({ yaml: '', workloads })['80'];

  test('is spoken to in what the client speaks, also where the mesh upgrades', () => {
    const workloads = [sidecarWorkload()];
    expect(versionsOf({ yaml: '', workloads })).toEqual({ '80': 'downstream' });
    expect(versionsOf({ yaml: '', workloads, meshConfig: { h2UpgradePolicy: 'UPGRADE' } })).toEqual({
      '80': 'downstream',
    });
  });

  test('is spoken to in what its workloads say', () => {
    expect(versionOf(sidecarWorkload({ appProtocol: 'http' }))).toBe('http1');
    expect(versionOf(sidecarWorkload({ appProtocol: 'http2' }))).toBe('http2');
    expect(versionOf(sidecarWorkload(), sidecarWorkload({ appProtocol: 'grpc', address: '10.0.0.2' }))).toBe('http2');
  });

  test('of intercepted workloads has that at its own port too', () => {
    const given = { interceptionMode: 'REDIRECT', appPort: 81, appPorts: [81, 82] } as const;
    expect(versionsOf({ yaml: '', workloads: [sidecarWorkload({ ...given, appProtocol: 'grpc' })] })).toEqual({
      '80': 'http2',
      '81': 'http2',
      '82': 'downstream',
    });
  });
});

describe('the application of a sidecar that is addressed openly', () => {
  const versionFor = (yaml: string, given: Parameters<typeof metadataOf>[0] = {}) => {
    const node = metadataOf({ appPort: 8080, ...given });
    const push = contextOf(yaml, [sidecarWorkload(given)]);
    const inbound = resourcesOfNode(node, push).clusters.find(({ name }) => name === 'inbound|8080||');
    return requireValue(decodeCluster(inbound ?? {}), 'inbound cluster').protocol;
  };
  const declaring = (given: string) => serviceYaml('reviews', { ports: given });

  test('is spoken to in what it says, else in what its service declares, else in what its callers speak', () => {
    expect(versionFor('')).toBe('downstream');
    expect(versionFor('', { appProtocol: 'grpc' })).toBe('http2');
    expect(versionFor(declaring('[{ name: http, port: 80 }]'))).toBe('http1');
    expect(versionFor(declaring('[{ name: grpc, port: 80 }]'))).toBe('http2');
    expect(versionFor(declaring('[{ port: 80 }]'))).toBe('downstream');
    expect(versionFor(declaring('[{ name: http, port: 80 }]'), { appProtocol: 'grpc' })).toBe('http2');
  });

  test('of several ports the one counts that leads to it, and what they have in common where none does', () => {
    const two = (target: string) => declaring(`[{ name: http, port: 80 }, { name: grpc, port: 81${target} }]`);
    expect(versionFor(two(', targetPort: 8080'))).toBe('http2');
    expect(versionFor(two(''))).toBe('downstream');
  });

  test('is found by its labels where it names no service', () => {
    const selecting = serviceYaml('rpc', { ports: '[{ name: grpc, port: 80 }]', selector: '{ app: reviews }' });
    const labels = { app: 'reviews', version: 'v1' };
    expect(versionFor(selecting, { service: '', labels })).toBe('http2');
  });
});
