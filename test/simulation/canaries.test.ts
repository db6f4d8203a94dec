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

  test('test users go to the canary before anybody else', async () => {
    const analysis = { match: [{ headers: { 'x-test': { exact: 'yes' } } }] };
    const mesh = await start(reviewsSubsets + canary({ toMatched: true }, { analysis }));
    expect(mesh.share(20, { ...reviews, headers: { 'x-test': 'yes' } })).toEqual({ v2: 20 });
    expect(mesh.share(20, reviews)).toEqual({ v1: 20 });
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
