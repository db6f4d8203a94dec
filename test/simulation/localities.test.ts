import { describe, expect, test } from 'vitest';
import type { NodeMetadata } from '../../proxy/api/node.ts';
import type { LocalityLbSetting } from '../../crds/traffic-policy.ts';
import { parseLocality } from '../../pilot/model/locality.ts';
import type { SimulatedWorkload } from './simulated-workload.ts';
import { Simulation } from './simulation.ts';
import { destinationRule, virtualService } from './yaml.ts';

type Mutable = { -readonly [K in keyof SimulatedWorkload]: SimulatedWorkload[K] };

/** One workload in each place; its version is its place. */
const placedAt = (...places: readonly string[]): Mutable[] =>
  places.map((place) => ({ service: 'reviews', version: place.replaceAll('/', '.'), locality: place }));

/** No retries, so that each call shows where its one attempt went. */
const once = virtualService('reviews', '[{ route: [{ destination: { host: reviews } }], retries: { attempts: 0 } }]');
const outliers = 'outlierDetection: { consecutive5xxErrors: 1, baseEjectionTime: 1h, maxEjectionPercent: 100 }';
const rule = (setting: string, more = ''): string =>
  once +
  destinationRule(
    'reviews',
    `trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN ${setting === '' ? '' : `, localityLbSetting: ${setting}`} } ${more === '' ? '' : `, ${more}`} }`,
  );

function start(
  yaml: string,
  workloads: readonly SimulatedWorkload[],
  place = 'r1/a',
  client: Partial<NodeMetadata> = {},
): Promise<Simulation> {
  return Simulation.start({ yaml, workloads, client: { locality: parseLocality(place), ...client } });
}

/** Percent of the requests that each place gets, rounded to tens. */
function shares(mesh: Simulation, count = 400): Record<string, number> {
  const found = Object.entries(mesh.share(count, { host: 'reviews' }));
  return Object.fromEntries(found.map(([version, n]) => [version, Math.round((10 * n) / count) * 10]));
}

/** Places in the order in which they are used while the ones before fail. */
function orderOf(mesh: Simulation, workloads: readonly Mutable[]): string[][] {
  const order: string[][] = [];
  for (let step = 0; step < workloads.length; step++) {
    const places = Object.keys(mesh.share(40, { host: 'reviews' })).filter((key) => !/^U[FH]$/.test(key));
    if (places.length === 0) break;
    order.push(places.sort());
    for (const workload of workloads) {
      if (places.includes(workload.version ?? '')) workload.behaviour = 'refuses';
    }
    // Each failing host gets its one request, and is ejected.
    mesh.share(10, { host: 'reviews' });
  }
  return order;
}

describe('D7: outlierDetection switches locality failover on', () => {
  const near = ['r1/a', 'r1/b', 'r2/a'] as const;

  test('requests stay in the zone of their client, and when its hosts are ejected they go to the next best', async () => {
    const workloads = placedAt('r1/a/x', 'r1/a/y', 'r1/b', 'r2/a', 'r3');
    const mesh = await start(rule('', outliers), workloads, 'r1/a/x');
    expect(orderOf(mesh, workloads)).toEqual([['r1.a.x'], ['r1.a.y'], ['r1.b'], ['r2.a', 'r3']]);
  });

  test('without it there is none: all places share', async () => {
    expect(shares(await start(rule(''), placedAt(...near)))).toEqual({ 'r1.a': 30, 'r1.b': 30, 'r2.a': 30 });
    const failover = '{ failover: [{ from: r1, to: r2 }] }';
    expect(shares(await start(rule(failover), placedAt(...near)))).toEqual({ 'r1.a': 30, 'r1.b': 30, 'r2.a': 30 });
  });

  test('unless localityLbSetting is not enabled', async () => {
    const mesh = await start(rule('{ enabled: false }', outliers), placedAt(...near));
    expect(shares(mesh)).toEqual({ 'r1.a': 30, 'r1.b': 30, 'r2.a': 30 });
  });

  test('clients whose place nobody knows use all places alike', async () => {
    const mesh = await start(rule('', outliers), placedAt(...near), '');
    expect(shares(mesh)).toEqual({ 'r1.a': 30, 'r1.b': 30, 'r2.a': 30 });
  });

  test('a zone that loses some of its hosts hands over what overprovisioning does not cover', async () => {
    const workloads = placedAt('r1/a', 'r1/a', 'r1/b', 'r1/b');
    const mesh = await start(rule('', outliers), workloads);
    expect(shares(mesh)).toEqual({ 'r1.a': 100 });
    (workloads[0] as Mutable).behaviour = 'refuses';
    mesh.share(20, { host: 'reviews' });
    expect(shares(mesh)).toEqual({ 'r1.a': 70, 'r1.b': 30 });
  });

  test('of a subset and of a port counts there alone', async () => {
    const yaml =
      destinationRule('reviews', `subsets: [{ name: near, trafficPolicy: { ${outliers} } }]`) +
      virtualService(
        'reviews',
        `
  - match: [{ uri: { prefix: /near } }]
    route: [{ destination: { host: reviews, subset: near } }]
  - route: [{ destination: { host: reviews } }]`,
      );
    const mesh = await start(yaml, placedAt(...near));
    expect(Object.keys(mesh.share(50, { host: 'reviews', path: '/near' }))).toEqual(['r1.a']);
    expect(Object.keys(mesh.share(50, { host: 'reviews' }))).toHaveLength(3);
  });
});

describe('localityLbSetting.failover', () => {
  const failover = '{ failover: [{ from: r1, to: r3 }] }';

  test('names the region that comes before all other regions', async () => {
    const workloads = placedAt('r1/a', 'r1/b', 'r2', 'r3', 'r4');
    const mesh = await start(rule(failover, outliers), workloads);
    expect(orderOf(mesh, workloads)).toEqual([['r1.a'], ['r1.b'], ['r3'], ['r2', 'r4']]);
  });

  test('says nothing to clients in other regions', async () => {
    const workloads = placedAt('r1', 'r2', 'r3');
    const mesh = await start(rule(failover, outliers), workloads, 'r2');
    expect(orderOf(mesh, workloads)).toEqual([['r2'], ['r1', 'r3']]);
  });
});

describe('localityLbSetting.failoverPriority', () => {
  test('ranks endpoints by how many labels, from the first, they share with the client', async () => {
    const workloads = placedAt('r1/a', 'r1/b', 'r2/a', 'r2/b');
    const setting = '{ failoverPriority: [topology.kubernetes.io/region, topology.kubernetes.io/zone] }';
    const mesh = await start(rule(setting, outliers), workloads);
    expect(orderOf(mesh, workloads)).toEqual([['r1.a'], ['r1.b'], ['r2.a', 'r2.b']]);
  });

  test('may go by any label, also among endpoints of one place', async () => {
    const tier = (version: string, labels: Record<string, string>): Mutable => ({
      service: 'reviews',
      version,
      labels,
    });
    const workloads = [
      tier('neither', { tier: 'x', rack: 'x' }),
      tier('rack', { tier: 'x', rack: '1' }),
      tier('both', { tier: 'gold', rack: '1' }),
      tier('tier', { tier: 'gold', rack: '2' }),
    ];
    const client = { labels: { app: 'client', tier: 'gold', rack: '1' } };
    const mesh = await start(rule('{ failoverPriority: [tier, rack] }', outliers), workloads, '', client);
    expect(orderOf(mesh, workloads)).toEqual([['both'], ['tier'], ['neither', 'rack']]);
  });

  test('may give the value that counts instead of that of the client', async () => {
    const workloads: Mutable[] = ['v1', 'v2'].map((version) => ({ service: 'reviews', version }));
    const mesh = await start(rule('{ failoverPriority: ["version=v2"] }', outliers), workloads, '');
    expect(orderOf(mesh, workloads)).toEqual([['v2'], ['v1']]);
  });

  test('comes before regions where the rule has both', async () => {
    const at = (version: string, locality: string, tier: string): Mutable => ({
      service: 'reviews',
      version,
      locality,
      labels: { tier },
    });
    const workloads = [at('near', 'r1', 'x'), at('far', 'r2', 'gold'), at('farthest', 'r3', 'gold')];
    const setting = '{ failoverPriority: ["tier=gold"], failover: [{ from: r1, to: r2 }] }';
    const mesh = await start(rule(setting, outliers), workloads, 'r1');
    expect(orderOf(mesh, workloads)).toEqual([['far'], ['farthest'], ['near']]);
  });

  test('a foreign network, when it comes first, ranks behind everything else', async () => {
    const at = (version: string, network: string, rack: string): Mutable => ({
      service: 'reviews',
      version,
      labels: { 'topology.istio.io/network': network, rack },
    });
    const workloads = [at('own-far', 'n1', '2'), at('own-near', 'n1', '1'), at('foreign-near', 'n2', '1')];
    const client = { labels: { app: 'client', 'topology.istio.io/network': 'n1', rack: '1' } };
    const setting = '{ failoverPriority: [topology.istio.io/network, rack] }';
    const mesh = await start(rule(setting, outliers), workloads, '', client);
    expect(orderOf(mesh, workloads)).toEqual([['own-near'], ['own-far'], ['foreign-near']]);
  });
});

describe('localityLbSetting.distribute', () => {
  const to = (weights: string, from = 'r1/a/*'): string => `{ distribute: [{ from: "${from}", to: { ${weights} } }] }`;

  test('gives places their percentages, however many workloads each has', async () => {
    const workloads = placedAt('r1/a', 'r1/b', 'r1/b', 'r1/b');
    expect(shares(await start(rule(to('"r1/a/*": 80, "r1/b/*": 20')), workloads))).toEqual({ 'r1.a': 80, 'r1.b': 20 });
  });

  test('a place that is not named gets nothing', async () => {
    const mesh = await start(rule(to('"r1/b": 100')), placedAt('r1/a', 'r1/b', 'r2'));
    expect(shares(mesh)).toEqual({ 'r1.b': 100 });
  });

  test('places under one wildcard share its percentage by their workloads', async () => {
    const workloads = placedAt('r1/a', 'r2/a', 'r2/b', 'r2/b', 'r2/b');
    const mesh = await start(rule(to('"r1/*": 20, "r2/*": 80')), workloads);
    expect(shares(mesh, 800)).toEqual({ 'r1.a': 20, 'r2.a': 20, 'r2.b': 60 });
  });

  test('is for the clients that `from` covers; the others use all places alike', async () => {
    const setting = to('"r1/b": 100', 'r1/a');
    const places = ['r1/a', 'r1/b'] as const;
    expect(shares(await start(rule(setting), placedAt(...places), 'r1/a/x'))).toEqual({ 'r1.b': 100 });
    expect(shares(await start(rule(setting), placedAt(...places), 'r1/b'))).toEqual({ 'r1.a': 50, 'r1.b': 50 });
    expect(shares(await start(rule(to('"r1/b": 100', '*')), placedAt(...places), ''))).toEqual({ 'r1.b': 100 });
  });

  test('a place whose workloads are ejected leaves its share to the others', async () => {
    const workloads = placedAt('r1/a', 'r1/b');
    (workloads[0] as Mutable).behaviour = 'refuses';
    const mesh = await start(rule(to('"r1/a": 80, "r1/b": 20'), outliers), workloads);
    mesh.share(20, { host: 'reviews' });
    expect(shares(mesh)).toEqual({ 'r1.b': 100 });
  });

  test('works with consistent hashing: each user has one place, and places have their shares of users', async () => {
    const yaml = destinationRule(
      'reviews',
      `trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: x-user, maglev: { tableSize: 65537 } }, localityLbSetting: ${to('"r1/a": 70, "r1/b": 30')} } }`,
    );
    const mesh = await start(yaml, placedAt('r1/a', 'r1/b', 'r1/b'));
    const users = Array.from({ length: 500 }, (_, i) => ({ host: 'reviews', headers: { 'x-user': `user-${i}` } }));
    const places = users.map((user) => mesh.call(user).endpoint);
    expect(users.map((user) => mesh.call(user).endpoint)).toEqual(places);
    const near = places.filter((place) => place?.startsWith('10.0.0.1:')).length / users.length;
    expect(Math.abs(near - 0.7)).toBeLessThan(0.07);
  });
});

describe('localityLbSetting of the mesh', () => {
  const workloads = placedAt('r1/a', 'r1/b', 'r2');
  const distribute = { distribute: [{ from: 'r1', to: { r1: 20, r2: 80 } }] };
  const startIn = (yaml: string, localityLbSetting: LocalityLbSetting): Promise<Simulation> =>
    Simulation.start({
      yaml,
      workloads,
      client: { locality: parseLocality('r1/a'), labels: { tier: 'gold' } },
      meshConfig: { localityLbSetting },
    });

  test('holds for rules that have none, and for services without a rule', async () => {
    const all = { 'r1.a': 30, 'r1.b': 30, r2: 30 };
    const shared = { 'r1.a': 10, 'r1.b': 10, r2: 80 };
    expect(shares(await startIn(rule('', outliers), { enabled: false }))).toEqual(all);
    expect(shares(await startIn(rule(''), distribute), 800)).toEqual(shared);
    expect(shares(await startIn('', distribute), 800)).toEqual(shared);
  });

  test('gives way to that of a rule as a whole', async () => {
    expect(shares(await startIn(rule('{ enabled: true }', outliers), distribute))).toEqual({ 'r1.a': 100 });
    expect(shares(await startIn(rule('{ enabled: true }', outliers), { enabled: false }))).toEqual({ 'r1.a': 100 });
  });

  test('may compare labels of the client', async () => {
    const tiers = [
      { service: 'reviews', version: 'v1', labels: { tier: 'gold' } },
      { service: 'reviews', version: 'v2', labels: { tier: 'tin' } },
    ];
    const mesh = await Simulation.start({
      yaml: rule('', outliers),
      workloads: tiers,
      client: { labels: { tier: 'gold' } },
      meshConfig: { localityLbSetting: { failoverPriority: ['tier'] } },
    });
    expect(shares(mesh)).toEqual({ v1: 100 });
  });

  test('gives no shares to a rule that goes by latency', async () => {
    const byLatency = rule('', outliers)
      .replace('simple: ROUND_ROBIN', '')
      .replace(
        'name: rule, namespace: default }',
        'name: rule, namespace: default, annotations: { heddle.dev/load-balancer: peak-ewma } }',
      );
    expect(shares(await startIn(byLatency, distribute))).toEqual({ 'r1.a': 100 });
  });
});

describe('where a client or a workload runs', () => {
  const topology = { 'topology.kubernetes.io/region': 'r1', 'topology.kubernetes.io/zone': 'a' };

  test.each<[string, Partial<NodeMetadata>]>([
    ['is what it says itself', { locality: parseLocality('r1/a') }],
    ['is what its labels say', { labels: topology }],
    ['is what one label says', { labels: { 'istio-locality': 'r1.a' } }],
    [
      'is what one label of the newer name says',
      { labels: { 'topology.istio.io/locality': 'r1.a', 'istio-locality': 'r2' } },
    ],
    [
      'is rather what it says itself than what labels say',
      { locality: parseLocality('r1/a'), labels: { 'istio-locality': 'r2' } },
    ],
  ])('%s', async (_, given) => {
    const workloads = placedAt('r1/a', 'r1/b', 'r2');
    const mesh = await Simulation.start({ yaml: rule('', outliers), workloads, client: { labels: {}, ...given } });
    expect(shares(mesh)).toEqual({ 'r1.a': 100 });
  });

  test('is taken from labels of a workload too, and a subset may select by it', async () => {
    const workloads = [
      { service: 'reviews', version: 'near', labels: topology },
      { service: 'reviews', version: 'far', locality: 'r2' },
    ];
    expect(shares(await start(rule('', outliers), workloads))).toEqual({ near: 100 });
    const subset = 'subsets: [{ name: far, labels: { topology.kubernetes.io/region: r2 } }]';
    const toFar = virtualService('reviews', '[{ route: [{ destination: { host: reviews, subset: far } }] }]');
    expect(shares(await start(destinationRule('reviews', subset) + toFar, workloads))).toEqual({ far: 100 });
  });

  const entry = (endpoints: string): string => `
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: api, namespace: default }
spec:
  hosts: [api.example.com]
  ports: [{ number: 80, name: http, protocol: HTTP }]
  resolution: STATIC
  ${endpoints}
`;
  const near = destinationRule('api.example.com', `trafficPolicy: { ${outliers} }`);
  const placesOf = (mesh: Simulation): Set<string | undefined> =>
    new Set(Array.from({ length: 50 }, () => mesh.call({ host: 'api.example.com' }).endpoint));

  test('is the `locality` of an endpoint of a ServiceEntry', async () => {
    const endpoints = 'endpoints: [{ address: 192.0.2.1, locality: r2/a }, { address: 192.0.2.2, locality: r1/a/x }]';
    expect(placesOf(await start(entry(endpoints) + near, []))).toEqual(new Set(['192.0.2.2:80']));
  });

  test('is the `locality` of a WorkloadEntry', async () => {
    const workload = (name: string, address: string, locality: string): string => `
---
apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata: { name: ${name}, namespace: default }
spec: { address: ${address}, locality: ${locality}, labels: { app: api } }
`;
    const yaml =
      entry('workloadSelector: { labels: { app: api } }') +
      workload('one', '192.0.2.1', 'r1/b') +
      workload('two', '192.0.2.2', 'r1/a');
    expect(placesOf(await start(yaml + near, []))).toEqual(new Set(['192.0.2.2:80']));
  });
});
