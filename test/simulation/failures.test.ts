import { describe, expect, test } from 'vitest';
import { Simulation } from './simulation.ts';
import { destinationRule, reviewsSubsets, virtualService } from './yaml.ts';

const toReviews = (rest = ''): string =>
  virtualService('reviews', `[{ ${rest}route: [{ destination: { host: reviews } }] }]`);

describe('S21: the timeout of a route', () => {
  test('answers 504 with flag UT once it is over', async () => {
    const mesh = await Simulation.start({
      yaml: toReviews('timeout: 1.5s, '),
      workloads: [{ service: 'reviews', behaviour: 'is silent' }],
    });
    const { status, flag, durationMs } = mesh.call({ host: 'reviews' });
    expect({ status, flag }).toEqual({ status: 504, flag: 'UT' });
    expect(durationMs).toBeGreaterThanOrEqual(1_500);
    expect(durationMs).toBeLessThan(1_600);
  });

  test('covers all attempts: a retry does not start it anew', async () => {
    const mesh = await Simulation.start({
      yaml:
        toReviews('timeout: 1s, ') +
        destinationRule('reviews', 'trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } }'),
      workloads: [
        { service: 'reviews', behaviour: 'refuses' },
        { service: 'reviews', behaviour: 'is silent' },
      ],
    });
    for (let i = 0; i < 4; i++) {
      const { flag, durationMs } = mesh.call({ host: 'reviews' });
      expect(flag).toBe('UT');
      expect(durationMs).toBeLessThan(1_100);
    }
  });

  test('does nothing to a request that is answered in time', async () => {
    const mesh = await Simulation.start({ yaml: toReviews('timeout: 1s, '), workloads: [{ service: 'reviews' }] });
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status: 200, flag: '-' });
  });
});

describe('S22: the default retry', () => {
  test('sends a request that found no connection to another host, and it does not fail', async () => {
    const mesh = await Simulation.start({
      workloads: [
        { service: 'reviews', version: 'v1', behaviour: 'refuses' },
        { service: 'reviews', version: 'v2' },
      ],
    });
    const landings = Array.from({ length: 50 }, () => mesh.call({ host: 'reviews', method: 'POST' }));
    expect(new Set(landings.map(({ version }) => version))).toEqual(new Set(['v2']));
    const retried = landings.filter(({ attempts }) => attempts.length > 1);
    expect(retried.length).toBeGreaterThan(5);
    for (const { attempts } of retried) expect(attempts).toEqual(['10.0.0.1:15006', '10.0.0.2:15006']);
  });

  test('is made twice at most: then 503 with flags UF and URX', async () => {
    const mesh = await Simulation.start({
      workloads: [1, 2, 3].map(() => ({ service: 'reviews', behaviour: 'refuses' as const })),
    });
    const { status, flag, attempts } = mesh.call({ host: 'reviews' });
    expect({ status, flag }).toEqual({ status: 503, flag: 'UF,URX' });
    expect(attempts).toHaveLength(3);
  });

  test('waits a little longer each time, at most 25 ms and 75 ms (S24)', async () => {
    const mesh = await Simulation.start({ workloads: [{ service: 'reviews', behaviour: 'refuses' }] });
    for (let i = 0; i < 20; i++) expect(mesh.call({ host: 'reviews' }).durationMs).toBeLessThanOrEqual(25 + 75 + 50);
  });

  test('applies to rules of a VirtualService too', async () => {
    const mesh = await Simulation.start({
      yaml: toReviews(),
      workloads: [{ service: 'reviews', behaviour: 'refuses' }, { service: 'reviews' }],
    });
    for (let i = 0; i < 20; i++) expect(mesh.call({ host: 'reviews' }).status).toBe(200);
  });
});

describe('S33: requests that lead nowhere', () => {
  test('no route matches: 404, NR', async () => {
    const rules = virtualService(
      'reviews',
      '[{ match: [{ uri: { prefix: /a } }], route: [{ destination: { host: reviews } }] }]',
    );
    const mesh = await Simulation.start({ yaml: rules, workloads: [{ service: 'reviews' }] });
    expect(mesh.call({ host: 'reviews', path: '/b' })).toMatchObject({ status: 404, flag: 'NR', attempts: [] });
  });

  test('no service has this name: 404, NR', async () => {
    const mesh = await Simulation.start({ workloads: [{ service: 'reviews' }] });
    expect(mesh.call({ host: 'nobody' })).toMatchObject({ status: 404, flag: 'NR', cluster: undefined });
  });

  test('the subset is not defined: 503, NC', async () => {
    const rules = virtualService('reviews', '[{ route: [{ destination: { host: reviews, subset: v9 } }] }]');
    const mesh = await Simulation.start({ yaml: reviewsSubsets + rules, workloads: [{ service: 'reviews' }] });
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status: 503, flag: 'NC', attempts: [] });
  });

  test('the destination is not known: 503, NC', async () => {
    const rules = virtualService('reviews', '[{ route: [{ destination: { host: gone } }] }]');
    const mesh = await Simulation.start({ yaml: rules, workloads: [{ service: 'reviews' }] });
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status: 503, flag: 'NC' });
  });

  test('the subset has no endpoint: 503, UH', async () => {
    const rules = virtualService('reviews', '[{ route: [{ destination: { host: reviews, subset: v2 } }] }]');
    const mesh = await Simulation.start({ yaml: reviewsSubsets + rules, workloads: [{ service: 'reviews' }] });
    expect(mesh.call({ host: 'reviews' })).toMatchObject({
      status: 503,
      flag: 'UH',
      cluster: 'outbound|80|v2|reviews.default.svc.cluster.local',
      attempts: [],
    });
  });
});
