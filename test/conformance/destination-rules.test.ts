import { describe, expect, test } from 'vitest';
import { echo } from '../support/backend.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { destinationRule, reviewsSubsets, reviewsV1AndV2, virtualService } from '../simulation/yaml.ts';
import { type Instance, LiveMesh } from './live-mesh.ts';

const toSubset = (subset: string): string =>
  virtualService('reviews', `[{ route: [{ destination: { host: reviews, subset: ${subset} } }] }]`);
const instancesOf = (count: number): Instance[] =>
  Array.from({ length: count }, (_, i) => ({ service: 'reviews', version: `n${i}` }));

const reviewsCluster = 'cluster.outbound|80||reviews.default.svc.cluster.local';

/** By what a connection of the sidecar can be told from the others: it allows one request at a time. */
const oneAtATime = 'connectionPool: { http: { http1MaxPendingRequests: 1, http2MaxRequests: 1 } }';

/** Flags of two requests at the same time at an instance that takes its time. */
async function flagsOfTwo(mesh: LiveMesh, host = 'reviews'): Promise<string[]> {
  const answers = await Promise.all([mesh.call({ host }), mesh.call({ host })]);
  return answers.map(({ flag = '-' }) => flag).sort();
}

const slow = (service: string, namespace = 'default'): Instance => ({
  service,
  namespace,
  respond: (_, response) => void setTimeout(() => response.end('{}'), 60),
});

describe('which DestinationRule holds', () => {
  test("D1: the client's namespace is asked first, then the service's, and no other", async () => {
    const limit = (namespace: string): string =>
      destinationRule('reviews.shop.svc.cluster.local', `trafficPolicy: { ${oneAtATime} }`, { namespace });
    const start = (yaml: string): Promise<LiveMesh> => LiveMesh.start({ instances: [slow('reviews', 'shop')], yaml });
    for (const namespace of ['default', 'shop', 'istio-system']) {
      expect(await flagsOfTwo(await start(limit(namespace)), 'reviews.shop')).toEqual(['-', 'UO']);
    }
    expect(await flagsOfTwo(await start(limit('elsewhere')), 'reviews.shop')).toEqual(['-', '-']);
  });

  test('D2: the subsets of several rules for one host are joined', async () => {
    const subset = (version: string): string =>
      destinationRule('reviews', `subsets: [{ name: ${version}, labels: { version: ${version} } }]`, { name: version });
    const mesh = await LiveMesh.start({
      instances: reviewsV1AndV2,
      yaml: subset('v1') + subset('v2') + toSubset('v1'),
    });
    expect((await mesh.call({})).landed).toBe('reviews-v1');
    await mesh.apply(toSubset('v2'));
    expect((await mesh.call({})).landed).toBe('reviews-v2');
  });

  test("D3: a subset's policy holds for routes that name the subset only", async () => {
    const yaml = destinationRule('reviews', `subsets: [{ name: all, trafficPolicy: { ${oneAtATime} } }]`);
    const mesh = await LiveMesh.start({ instances: [slow('reviews')], yaml });
    expect(await flagsOfTwo(mesh)).toEqual(['-', '-']);
    await mesh.apply(toSubset('all'));
    expect(await flagsOfTwo(mesh)).toEqual(['-', 'UO']);
  });

  test('D4: settings of a port replace those of the rule, and what they leave out is the default', async () => {
    const policy = (more: string): string =>
      destinationRule(
        'reviews',
        `trafficPolicy: { ${oneAtATime}, portLevelSettings: [{ port: { number: 80 }, ${more} }] }`,
      );
    const mesh = await LiveMesh.start({
      instances: [slow('reviews')],
      yaml: policy('loadBalancer: { simple: RANDOM }'),
    });
    expect(await flagsOfTwo(mesh)).toEqual(['-', '-']);
    await mesh.apply(policy(oneAtATime));
    expect(await flagsOfTwo(mesh)).toEqual(['-', 'UO']);
  });
});

describe('limits and health', () => {
  test('D5: without limits of its own a service takes any number of requests', async () => {
    const mesh = await LiveMesh.start({ instances: [slow('reviews')] });
    const answers = await Promise.all(Array.from({ length: 200 }, () => mesh.call({})));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  });

  test('D6: an instance that fails every other request is ejected, though it never fails twice in a row', async () => {
    let requests = 0;
    const shaky: Instance = {
      service: 'reviews',
      version: 'shaky',
      respond: (request, response, backend) => {
        requests += 1;
        if (requests % 2 === 0) response.writeHead(500).end();
        else echo(request, response, backend);
      },
    };
    const healthy = (version: string): Instance => ({ service: 'reviews', version });
    const yaml = destinationRule(
      'reviews',
      'trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN }, outlierDetection: { interval: 1s, baseEjectionTime: 300s, maxEjectionPercent: 50 } }',
    );
    const clock = new ManualClock();
    const mesh = await LiveMesh.start({ instances: [healthy('a'), shaky, healthy('b')], yaml, client: { clock } });
    expect(await mesh.share(90)).toEqual({ 'reviews-a': 30, 'reviews-shaky': 15, 'reviews-b': 30, '500': 15 });
    clock.advance(1_000);
    expect(await mesh.share(20)).toEqual({ 'reviews-a': 10, 'reviews-b': 10 });
    expect(await mesh.stat(`${reviewsCluster}.outlier_detection.ejections_enforced_failure_percentage`)).toBe(1);
  });

  test('D7: with outlier detection nobody is left when all are ejected: 503 UH, unless minHealthPercent says otherwise', async () => {
    const fails: Instance = { service: 'reviews', respond: (_, response) => void response.writeHead(500).end() };
    const detection = (more = ''): string =>
      destinationRule(
        'reviews',
        `trafficPolicy: { outlierDetection: { consecutive5xxErrors: 2, baseEjectionTime: 60s, maxEjectionPercent: 100${more} } }`,
      );
    const mesh = await LiveMesh.start({ instances: [fails], yaml: detection() });
    expect((await mesh.call({})).status).toBe(500);
    expect((await mesh.call({})).status).toBe(500);
    expect(await mesh.call({})).toMatchObject({ status: 503, flag: 'UH' });
    const panicking = await LiveMesh.start({ instances: [fails], yaml: detection(', minHealthPercent: 50') });
    for (let i = 0; i < 4; i++) expect((await panicking.call({})).status).toBe(500);
  });

  test('D9: a limit of 0 is none', async () => {
    const yaml = destinationRule(
      'reviews',
      'trafficPolicy: { connectionPool: { tcp: { maxConnections: 0 }, http: { http2MaxRequests: 0 } } }',
    );
    const mesh = await LiveMesh.start({ instances: [slow('reviews')], yaml });
    expect(await flagsOfTwo(mesh)).toEqual(['-', '-']);
  });

  test('beyond maxConnections requests wait, and beyond the pending ones they fail at once', async () => {
    const pool = 'connectionPool: { tcp: { maxConnections: 1 }, http: { http1MaxPendingRequests: 1 } }';
    const yaml = destinationRule('reviews', `trafficPolicy: { ${pool} }`);
    const mesh = await LiveMesh.start({ instances: [slow('reviews')], yaml });
    await mesh.call({});
    const answers = await Promise.all([mesh.call({}), mesh.call({}), mesh.call({})]);
    expect(answers.map(({ status, flag }) => flag ?? String(status)).sort()).toEqual(['200', '200', 'UO']);
  });
});

describe('load balancing', () => {
  test('D8: a hash of a header keeps a user at one instance, and a weighted split is not sticky for it', async () => {
    const hashed = 'trafficPolicy: { loadBalancer: { consistentHash: { httpHeaderName: x-user } } }';
    const mesh = await LiveMesh.start({ instances: instancesOf(4), yaml: destinationRule('reviews', hashed) });
    const users = await Promise.all(
      Array.from({ length: 12 }, (_, i) => mesh.share(3, { headers: { 'x-user': `user-${i}` } })),
    );
    for (const places of users) expect(Object.values(places)).toEqual([3]);
    expect(new Set(users.flatMap((places) => Object.keys(places))).size).toBeGreaterThan(1);

    const split = `[{ route: [{ destination: { host: reviews, subset: v1 }, weight: 50 }, { destination: { host: reviews, subset: v2 }, weight: 50 }] }]`;
    const both =
      destinationRule('reviews', hashed, { name: 'hash' }) + reviewsSubsets + virtualService('reviews', split);
    const splitting = await LiveMesh.start({ instances: reviewsV1AndV2, yaml: both });
    expect(Object.keys(await splitting.share(40, { headers: { 'x-user': 'ann' } })).sort()).toEqual([
      'reviews-v1',
      'reviews-v2',
    ]);
  });

  test.each(['ROUND_ROBIN', 'LEAST_REQUEST', 'RANDOM'])('%s reaches every instance', async (simple) => {
    const yaml = destinationRule('reviews', `trafficPolicy: { loadBalancer: { simple: ${simple} } }`);
    const mesh = await LiveMesh.start({ instances: instancesOf(3), yaml });
    const shares = await mesh.share(90);
    expect(Object.keys(shares)).toHaveLength(3);
    if (simple === 'ROUND_ROBIN') expect(Object.values(shares)).toEqual([30, 30, 30]);
  });
});
