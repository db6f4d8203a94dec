import { describe, expect, test } from 'vitest';
import { revisionOf, type CanaryRouting } from '../../crds/canary.ts';
import { Simulation } from './simulation.ts';
import { destinationRule, reviewsSubsets, reviewsV1AndV2, virtualService } from './yaml.ts';

const subsets = { primary: 'v1', canary: 'v2' };

function canary(routing: Partial<CanaryRouting> | undefined, spec: object = {}): string {
  const whole = { host: 'reviews', subsets, ...spec };
  const status = {
    phase: 'Progressing',
    revision: revisionOf(whole),
    routing: { weight: 0, toMatched: false, mirrorPercent: 0, ...routing },
  };
  return `
---
apiVersion: networking.heddle.dev/v1alpha1
kind: Canary
metadata: { name: reviews, namespace: default }
spec: ${JSON.stringify(whole)}
${routing === undefined ? '' : `status: ${JSON.stringify(status)}`}
`;
}

const start = (yaml: string): Promise<Simulation> => Simulation.start({ yaml, workloads: reviewsV1AndV2 });
const reviews = { host: 'reviews' };

describe('the share of a Canary', () => {
  test('is in force for a service that nobody wrote a rule for', async () => {
    const mesh = await start(reviewsSubsets + canary({ weight: 25 }));
    const { v1 = 0, v2 = 0 } = mesh.share(1_000, reviews);
    expect(v1 + v2).toBe(1_000);
    expect(v2).toBeGreaterThan(200);
    expect(v2).toBeLessThan(300);
  });

  test('is nothing before the release has begun, and everything once it is promoted', async () => {
    const mesh = await start(reviewsSubsets + canary(undefined));
    expect(mesh.share(50, reviews)).toEqual({ v1: 50 });
    await mesh.apply(canary({ weight: 100 }));
    expect(mesh.share(50, reviews)).toEqual({ v2: 50 });
    await mesh.apply(canary({ weight: 0 }));
    expect(mesh.share(50, reviews)).toEqual({ v1: 50 });
  });

  test('is nothing for another release than the status is about', async () => {
    const stale = canary({ weight: 100 }).replace('"canary":"v2"}', '"canary":"v2"},"revision":"next"');
    expect((await start(reviewsSubsets + stale)).share(50, reviews)).toEqual({ v1: 50 });
  });

  test('waits until both subsets are there', async () => {
    const onlyV1 = destinationRule('reviews', 'subsets: [{ name: v1, labels: { version: v1 } }]');
    const mesh = await start(onlyV1 + canary({ weight: 100 }));
    expect(Object.keys(mesh.share(50, reviews)).sort()).toEqual(['v1', 'v2']);
  });

  test('is split within the rules that users wrote, which stay as they are', async () => {
    const rules = virtualService(
      'reviews',
      `
  - name: search
    match: [{ uri: { prefix: /search } }]
    route: [{ destination: { host: reviews, subset: v1 } }]
    headers: { response: { set: { x-rule: search } } }
  - name: fixed
    match: [{ uri: { prefix: /ratings } }]
    route: [{ destination: { host: ratings } }]
  - name: rest
    route:
    - { destination: { host: ratings }, weight: 50 }
    - { destination: { host: reviews, subset: v1 }, weight: 50 }`,
    );
    const mesh = await Simulation.start({
      yaml: reviewsSubsets + rules + canary({ weight: 50 }),
      workloads: [...reviewsV1AndV2, { service: 'ratings', version: 'r' }],
    });
    const search = { ...reviews, path: '/search' };
    const { v1 = 0, v2 = 0 } = mesh.share(400, search);
    expect(Math.abs(v1 - v2)).toBeLessThan(80);
    expect(mesh.call(search)).toMatchObject({ route: 'search', responseHeaders: { 'x-rule': 'search' } });
    expect(mesh.share(20, { ...reviews, path: '/ratings' })).toEqual({ r: 20 });
    const rest = mesh.share(800, reviews);
    expect(Math.abs((rest['r'] ?? 0) - 400)).toBeLessThan(80);
    expect(Math.abs((rest['v2'] ?? 0) - 200)).toBeLessThan(60);
  });

  test('leaves rules alone that lead to a third subset', async () => {
    const three = destinationRule(
      'reviews',
      'subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }, { name: old, labels: { version: v1 } }]',
    );
    const rules = virtualService('reviews', '[{ route: [{ destination: { host: reviews, subset: old } }] }]');
    expect((await start(three + rules + canary({ weight: 100 }))).share(20, reviews)).toEqual({ v1: 20 });
  });

  test('sends nobody to a canary whose subset is not there yet', async () => {
    const onlyV1 = destinationRule('reviews', 'subsets: [{ name: v1, labels: { version: v1 } }]');
    const analysis = { match: [{ headers: { 'x-test': { exact: 'yes' } } }] };
    const mesh = await start(onlyV1 + canary({ toMatched: true, mirrorPercent: 100 }, { analysis }));
    expect(mesh.share(20, { ...reviews, headers: { 'x-test': 'yes' } })).toEqual({ v1: 20 });
    expect(mesh.call(reviews).mirrors).toEqual([]);
  });

  test('needs the primary no more once everything goes to the canary', async () => {
    const onlyV2 = destinationRule('reviews', 'subsets: [{ name: v2, labels: { version: v2 } }]');
    expect((await start(onlyV2 + canary({ weight: 100 }))).share(20, reviews)).toEqual({ v2: 20 });
  });

  test('is the same for weights of any size', async () => {
    const huge = 2 ** 31 - 1;
    const rules = virtualService(
      'reviews',
      `[{ route: [{ destination: { host: reviews }, weight: ${huge} }, { destination: { host: ratings }, weight: ${huge} }] }]`,
    );
    const mesh = await Simulation.start({
      yaml: reviewsSubsets + rules + canary({ weight: 50 }),
      workloads: [...reviewsV1AndV2, { service: 'ratings', version: 'r' }],
    });
    const { r = 0, v1 = 0, v2 = 0 } = mesh.share(800, reviews);
    expect(Math.abs(r - 400)).toBeLessThan(80);
    expect(Math.abs(v1 - 200)).toBeLessThan(60);
    expect(Math.abs(v2 - 200)).toBeLessThan(60);
  });

  test('is in force for clients that cannot see the rules of the host, and within those of a wildcard', async () => {
    const hidden = virtualService('reviews', '[{ route: [{ destination: { host: reviews, subset: v1 } }] }]').replace(
      'spec:',
      'spec:\n  exportTo: ["elsewhere"]',
    );
    expect((await start(reviewsSubsets + hidden + canary({ weight: 100 }))).share(20, reviews)).toEqual({ v2: 20 });
    const wildcard = virtualService(
      '*.default.svc.cluster.local',
      '[{ match: [{ uri: { exact: /closed } }], directResponse: { status: 403 } }, { route: [{ destination: { host: reviews } }] }]',
    );
    const mesh = await start(reviewsSubsets + wildcard + canary({ weight: 100 }));
    expect(mesh.share(20, reviews)).toEqual({ v2: 20 });
    expect(mesh.call({ ...reviews, path: '/closed' }).status).toBe(403);
  });

  test('S31: is split within the rules of delegates, and stays sticky there', async () => {
    const part = virtualService('x', '[{ route: [{ destination: { host: reviews } }] }]', { name: 'part' });
    const yaml =
      reviewsSubsets +
      virtualService('reviews', '[{ match: [{ uri: { prefix: /a } }], delegate: { name: part } }]') +
      part.replace('  hosts: ["x"]\n', '');
    const mesh = await start(yaml + canary({ weight: 50 }, { sticky: 'header:x-user' }));
    const versionOf = (user: string): string | undefined =>
      mesh.call({ ...reviews, path: '/a', headers: { 'x-user': user } }).version;
    const users = Array.from({ length: 30 }, (_, i) => `u${i}`);
    const first = users.map(versionOf);
    expect(new Set(first)).toEqual(new Set(['v1', 'v2']));
    expect(users.map(versionOf)).toEqual(first);
  });

  test('is the same for requests that come in through a gateway', async () => {
    const gateway = `
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: { name: front, namespace: default }
spec:
  selector: { gateway: edge }
  servers: [{ port: { number: 80, name: http, protocol: HTTP }, hosts: ["*"] }]
`;
    const rules = virtualService('shop.example.com', '[{ route: [{ destination: { host: reviews } }] }]').replace(
      'spec:',
      'spec:\n  gateways: [front]',
    );
    const atEdge = async (spec: object): Promise<Record<string, number>> => {
      const mesh = await Simulation.start({
        yaml: reviewsSubsets + gateway + rules + canary({ weight: 100 }, spec),
        workloads: reviewsV1AndV2,
        client: { type: 'router', labels: { gateway: 'edge' }, namespace: 'edge' },
      });
      return mesh.share(20, { host: 'shop.example.com' });
    };
    expect(await atEdge({})).toEqual({ v2: 20 });
    expect(await atEdge({ gateways: ['mesh', 'front'] })).toEqual({ v2: 20 });
    expect(Object.keys(await atEdge({ gateways: ['mesh'] })).sort()).toEqual(['v1', 'v2']);
    const inMesh = await start(reviewsSubsets + gateway + rules + canary({ weight: 100 }, { gateways: ['front'] }));
    expect(Object.keys(inMesh.share(20, reviews)).sort()).toEqual(['v1', 'v2']);
  });

  test('test users go to the canary before anybody else', async () => {
    const analysis = { match: [{ headers: { 'x-test': { exact: 'yes' } } }] };
    const mesh = await start(reviewsSubsets + canary({ toMatched: true }, { analysis }));
    expect(mesh.share(20, { ...reviews, headers: { 'x-test': 'yes' } })).toEqual({ v2: 20 });
    expect(mesh.share(20, reviews)).toEqual({ v1: 20 });
  });

  test('test users that a rule excludes do not keep others from the canary', async () => {
    const analysis = { match: [{ uri: { prefix: '/other' } }, { headers: { 'x-test': { exact: 'yes' } } }] };
    const rules = virtualService(
      'reviews',
      '[{ match: [{ uri: { prefix: /a } }], route: [{ destination: { host: reviews } }] }]',
    );
    const mesh = await start(reviewsSubsets + rules + canary({ toMatched: true }, { analysis }));
    expect(mesh.share(20, { ...reviews, path: '/a', headers: { 'x-test': 'yes' } })).toEqual({ v2: 20 });
    expect(mesh.share(20, { ...reviews, path: '/a' })).toEqual({ v1: 20 });
    expect(mesh.share(5, { ...reviews, path: '/other' })).toEqual({ NR: 5 });
  });

  test('a mirror stands beside the one that users wrote, in whichever way', async () => {
    for (const own of [
      'mirror: { host: ratings }, mirrorPercentage: { value: 100 }',
      'mirrors: [{ destination: { host: ratings } }]',
    ]) {
      const rules = virtualService('reviews', `[{ route: [{ destination: { host: reviews } }], ${own} }]`);
      const mesh = await Simulation.start({
        yaml: reviewsSubsets + rules + canary({ mirrorPercent: 100 }),
        workloads: [...reviewsV1AndV2, { service: 'ratings', version: 'r' }],
      });
      expect(mesh.call(reviews).mirrors).toHaveLength(2);
    }
  });

  test('a mirror gets copies while everybody is answered by the primary', async () => {
    const mesh = await start(reviewsSubsets + canary({ mirrorPercent: 100 }));
    expect(mesh.share(10, reviews)).toEqual({ v1: 10 });
    expect(mesh.call(reviews).mirrors).toHaveLength(1);
  });

  test('B5: a sticky release moves users one way only', async () => {
    const spec = { sticky: 'header:x-user' };
    const versionsAt = async (weight: number): Promise<(string | undefined)[]> => {
      const mesh = await start(reviewsSubsets + canary({ weight }, spec));
      return Array.from({ length: 60 }, (_, i) => mesh.call({ ...reviews, headers: { 'x-user': `u${i}` } }).version);
    };
    const [few, many] = [await versionsAt(20), await versionsAt(60)];
    expect(few.filter((version) => version === 'v2').length).toBeGreaterThan(3);
    for (const [i, version] of few.entries()) if (version === 'v2') expect(many[i]).toBe('v2');
  });
});
