import { describe, expect, test } from 'vitest';
import { Simulation } from './simulation.ts';
import { destinationRule, kubernetesService, reviewsSubsets, virtualService } from './yaml.ts';

const users = Array.from({ length: 400 }, (_, i) => `user-${i}`);
const reviews = (count: number, version = 'v1') =>
  Array.from({ length: count }, () => ({ service: 'reviews', version }));

function hashed(consistentHash: string): string {
  return destinationRule('reviews', `trafficPolicy: { loadBalancer: { consistentHash: ${consistentHash} } }`);
}

/** Address of the workload that each user's request reaches. */
function placesOf(mesh: Simulation): (string | undefined)[] {
  return users.map((user) => mesh.call({ host: 'reviews', headers: { 'x-user': user } }).endpoint);
}

describe('D8: consistent hashing', () => {
  test.each([
    ['a ring', '{ httpHeaderName: x-user }'],
    ['a larger ring', '{ httpHeaderName: x-user, ringHash: { minimumRingSize: 8192 } }'],
    ['a ring, written the old way', '{ httpHeaderName: x-user, minimumRingSize: 8192 }'],
    ['a Maglev table', '{ httpHeaderName: x-user, maglev: { tableSize: 65537 } }'],
  ])('%s keeps each user at one workload', async (_, consistentHash) => {
    const mesh = await Simulation.start({ yaml: hashed(consistentHash), workloads: reviews(5) });
    const places = placesOf(mesh);
    expect(new Set(places).size).toBe(5);
    expect(placesOf(mesh)).toEqual(places);
  });

  test('a workload that comes takes about its share and leaves most users where they are', async () => {
    const yaml = hashed('{ httpHeaderName: x-user, maglev: { tableSize: 65537 } }');
    const before = placesOf(await Simulation.start({ yaml, workloads: reviews(9) }));
    const after = placesOf(await Simulation.start({ yaml, workloads: reviews(10) }));
    const moved = before.filter((place, i) => place !== after[i]).length / users.length;
    expect(moved).toBeGreaterThan(0.05);
    expect(moved).toBeLessThan(0.2);
  });

  test('the key may be a query parameter, a cookie or the source address', async () => {
    const placeFor = async (consistentHash: string, request: (nth: number) => object): Promise<number> => {
      const mesh = await Simulation.start({ yaml: hashed(consistentHash), workloads: reviews(5) });
      const places = Array.from({ length: 60 }, (_, i) => mesh.call({ host: 'reviews', ...request(i) }).endpoint);
      return new Set(places).size;
    };
    const query = (value: number) => ({ path: `/?a=1&user=${value}` });
    expect(await placeFor('{ httpQueryParameterName: user }', () => query(7))).toBe(1);
    expect(await placeFor('{ httpQueryParameterName: user }', query)).toBe(5);
    const cookie = (value: number) => ({ headers: { cookie: `other=x; user=${value}` } });
    expect(await placeFor('{ httpCookie: { name: user } }', () => cookie(7))).toBe(1);
    expect(await placeFor('{ httpCookie: { name: user } }', cookie)).toBe(5);
    expect(await placeFor('{ useSourceIp: true }', query)).toBe(1);
  });

  test('a request without the key goes anywhere', async () => {
    const mesh = await Simulation.start({ yaml: hashed('{ httpHeaderName: x-user }'), workloads: reviews(3) });
    const places = Array.from({ length: 60 }, () => mesh.call({ host: 'reviews' }).endpoint);
    expect(new Set(places).size).toBe(3);
  });

  test('of a subset alone counts for routes to that subset', async () => {
    const rule = destinationRule(
      'reviews',
      `subsets: [{ name: all, trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: x-user } } } }]`,
    );
    const toSubset = virtualService(
      'reviews',
      `
  - match: [{ uri: { prefix: /hashed } }]
    route: [{ destination: { host: reviews, subset: all } }]
  - route: [{ destination: { host: reviews } }]`,
    );
    const mesh = await Simulation.start({ yaml: rule + toSubset, workloads: reviews(3) });
    const placesUnder = (path: string): number =>
      new Set(
        Array.from({ length: 60 }, () => mesh.call({ host: 'reviews', path, headers: { 'x-user': 'ada' } }).endpoint),
      ).size;
    expect(placesUnder('/hashed')).toBe(1);
    expect(placesUnder('/')).toBe(3);
  });

  test('does not make a weighted split sticky', async () => {
    const policy = 'trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: x-user } } }';
    const subsets = 'subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]';
    const yaml = destinationRule('reviews', `${policy}\n  ${subsets}`) + split(50, 50, '');
    const mesh = await Simulation.start({ yaml, workloads: [...reviews(3), ...reviews(3, 'v2')] });
    const versions = new Set<string | undefined>();
    const places = new Set<string | undefined>();
    for (let i = 0; i < 60; i++) {
      const { version, endpoint } = mesh.call({ host: 'reviews', headers: { 'x-user': 'ada' } });
      versions.add(version);
      places.add(endpoint);
    }
    expect(versions).toEqual(new Set(['v1', 'v2']));
    // Inside each version always the same workload.
    expect(places.size).toBe(2);
  });
});

describe('D4: the load balancer of a port and of a subset', () => {
  const ports = kubernetesService('reviews', '[{ name: http, port: 80 }, { name: http-b, port: 8080 }]');
  const byUser = 'loadBalancer: { consistentHash: { httpHeaderName: x-user } }';
  const other = 'connectionPool: { tcp: { connectTimeout: 1s } }';

  /** How many workloads serve one user at `host`. */
  async function spreadAt(host: string, policy: string, more = ''): Promise<number> {
    const yaml = ports + destinationRule('reviews', policy) + more;
    const mesh = await Simulation.start({ yaml, workloads: reviews(3) });
    const calls = Array.from({ length: 60 }, () => mesh.call({ host, headers: { 'x-user': 'ada' } }));
    return new Set(calls.map(({ endpoint }) => endpoint)).size;
  }

  test('settings of a port count for that port alone', async () => {
    const policy = `trafficPolicy: { portLevelSettings: [{ port: { number: 8080 }, ${byUser} }] }`;
    expect(await spreadAt('reviews:8080', policy)).toBe(1);
    expect(await spreadAt('reviews', policy)).toBe(3);
  });

  test('settings of a port replace all others: what they leave out is the default', async () => {
    const policy = `trafficPolicy: { ${byUser}, portLevelSettings: [{ port: { number: 8080 }, ${other} }] }`;
    expect(await spreadAt('reviews:8080', policy)).toBe(3);
    expect(await spreadAt('reviews', policy)).toBe(1);
  });

  test('a subset takes over what its own policy leaves out', async () => {
    const policy = `trafficPolicy: { ${byUser} }\n  subsets: [{ name: all, trafficPolicy: { ${other} } }]`;
    const toSubset = virtualService('reviews', '[{ route: [{ destination: { host: reviews, subset: all } }] }]');
    expect(await spreadAt('reviews', policy, toSubset)).toBe(1);
  });
});

function split(v1: number, v2: number, sticky: string): string {
  const route = `[{ route: [
    { destination: { host: reviews, subset: v1 }, weight: ${v1} },
    { destination: { host: reviews, subset: v2 }, weight: ${v2} } ] }]`;
  const annotations = sticky === '' ? '' : `, annotations: { heddle.dev/sticky: "${sticky}" }`;
  return virtualService('reviews', route).replace('namespace: default }', `namespace: default${annotations} }`);
}

describe('B5: a sticky split', () => {
  const workloads = [...reviews(2), ...reviews(2, 'v2')];

  async function versionsAt(
    v1: number,
    v2: number,
    sticky = 'header:x-user',
    seed = 1,
  ): Promise<(string | undefined)[]> {
    const mesh = await Simulation.start({ yaml: reviewsSubsets + split(v1, v2, sticky), workloads, seed });
    return users.map((user) => mesh.call({ host: 'reviews', headers: { 'x-user': user } }).version);
  }

  test('raising a weight moves users to that version only, and lowering it moves only those back', async () => {
    const weights = [0, 1, 5, 10, 25, 50, 75, 100];
    const steps: (string | undefined)[][] = [];
    for (const v2 of weights) steps.push(await versionsAt(100 - v2, v2, 'header:x-user', v2));
    for (let i = 1; i < steps.length; i++) {
      const returned = users.filter((_, user) => steps[i - 1]?.[user] === 'v2' && steps[i]?.[user] !== 'v2');
      expect(returned).toEqual([]);
    }
    const shares = steps.map((versions) => versions.filter((version) => version === 'v2').length / users.length);
    weights.forEach((weight, i) => expect(Math.abs((shares[i] ?? 1) - weight / 100)).toBeLessThan(0.06));
    expect(await versionsAt(75, 25, 'header:x-user', 99)).toEqual(steps[4]);
  });

  test('depends on the ratio of the weights, not on how it is written', async () => {
    expect(await versionsAt(9, 1)).toEqual(await versionsAt(90, 10));
    expect(await versionsAt(3, 1)).toEqual(await versionsAt(7_500, 2_500));
  });

  test('gives every proxy the same answer, whatever its random numbers', async () => {
    expect(await versionsAt(50, 50, 'header:x-user', 7)).toEqual(await versionsAt(50, 50, 'header:x-user', 8));
  });

  test('is off unless asked for', async () => {
    expect(await versionsAt(50, 50, '', 7)).not.toEqual(await versionsAt(50, 50, '', 8));
  });

  test('may go by the source address or by a cookie', async () => {
    expect(new Set(await versionsAt(50, 50, 'source')).size).toBe(1);
    const mesh = await Simulation.start({ yaml: reviewsSubsets + split(50, 50, 'cookie:user'), workloads });
    const versionOf = (user: string) => mesh.call({ host: 'reviews', headers: { cookie: `user=${user}` } }).version;
    expect(users.map(versionOf)).toEqual(users.map(versionOf));
    expect(new Set(users.map(versionOf)).size).toBe(2);
  });

  test('splits at random where a request has not got the key', async () => {
    const mesh = await Simulation.start({ yaml: reviewsSubsets + split(75, 25, 'header:x-user'), workloads });
    const { v2 = 0 } = mesh.share(1_000, { host: 'reviews' });
    expect(Math.abs(v2 / 1_000 - 0.25)).toBeLessThan(0.05);
  });

  test('asked for in words that mean nothing is refused with the words that do', async () => {
    const yaml = reviewsSubsets + split(50, 50, 'user');
    await expect(Simulation.start({ yaml, workloads })).rejects.toThrow(/heddle\.dev\/sticky.*header:NAME.*got.*user/);
  });
});
