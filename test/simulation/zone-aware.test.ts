import { describe, expect, test } from 'vitest';
import { parseLocality } from '../../pilot/model/locality.ts';
import type { SimulatedWorkload } from './simulated-workload.ts';
import { Simulation } from './simulation.ts';
import { destinationRule, virtualService } from './yaml.ts';

type Mutable = { -readonly [K in keyof SimulatedWorkload]: SimulatedWorkload[K] };

const placed = (service: string, ...places: readonly string[]): Mutable[] =>
  places.map((place) => ({
    service,
    locality: place,
    ...(service === 'reviews' ? { version: place.replace('/', '.') } : {}),
  }));

const threeZones = ['r1/a', 'r1/a', 'r1/b', 'r1/b', 'r1/c', 'r1/c'];
const once = virtualService('reviews', '[{ route: [{ destination: { host: reviews } }], retries: { attempts: 0 } }]');
const rule = (setting: string, more = ''): string =>
  once + destinationRule('reviews', `trafficPolicy: { loadBalancer: { zoneAwareLbSetting: ${setting} } ${more} }`);

/** The client is the first instance of `web`, whose instances are at these places. */
function start(
  yaml: string,
  callers: readonly string[],
  reviews: readonly Mutable[] = placed('reviews', ...threeZones),
): Promise<Simulation> {
  const web = placed('web', ...callers);
  const own = { name: 'web-v1-0', service: 'web', workloadName: 'web-v1', labels: { app: 'web', version: 'v1' } };
  const client = { ...own, locality: parseLocality(callers[0] ?? 'r1/a') };
  return Simulation.start({ yaml, client, workloads: [...web, ...reviews] });
}

/** Percent of the requests that each place gets, rounded to tens. */
function shares(mesh: Simulation, count = 400): Record<string, number> {
  const found = Object.entries(mesh.share(count, { host: 'reviews' }));
  return Object.fromEntries(found.map(([version, n]) => [version, Math.round((10 * n) / count) * 10]));
}

/** A third each, give or take. */
function expectEvenly(mesh: Simulation): void {
  const found = mesh.share(900, { host: 'reviews' });
  expect(Object.keys(found).sort()).toEqual(['r1.a', 'r1.b', 'r1.c']);
  for (const count of Object.values(found)) expect(Math.abs(count - 300)).toBeLessThan(60);
}

const oneEach = ['r1/a', 'r1/b', 'r1/c'];

describe('zoneAwareLbSetting', () => {
  test('requests stay in the zone while that is fair, with or without outlier detection', async () => {
    expect(shares(await start(rule('{}'), oneEach))).toEqual({ 'r1.a': 100 });
    expect(shares(await start(rule('{ enabled: true }', ', outlierDetection: {}'), oneEach))).toEqual({ 'r1.a': 100 });
  });

  test('a zone with too many callers sends the others what is too much for it', async () => {
    // Two thirds of the callers, a third of the hosts.
    const found = shares(await start(rule('{}'), ['r1/a', 'r1/a', 'r1/a', 'r1/a', 'r1/b', 'r1/c']));
    expect(found['r1.a']).toBe(50);
  });

  test('no rule, or one that switches it off: zones make no difference', async () => {
    expectEvenly(await start(once, oneEach));
    expectEvenly(await start(rule('{ enabled: false }'), oneEach));
    // Though another service wants it.
    const other = destinationRule('web', 'trafficPolicy: { loadBalancer: { zoneAwareLbSetting: {} } }');
    expectEvenly(await start(once + other, oneEach));
  });

  test('a client without a service, or whose service is in one zone: zones make no difference', async () => {
    const workloads = placed('reviews', ...threeZones);
    const client = { locality: parseLocality('r1/a') };
    expectEvenly(await Simulation.start({ yaml: rule('{}'), workloads, client }));
    expectEvenly(await start(rule('{}'), ['r1/a', 'r1/a']));
  });

  test('minClusterSize: with fewer hosts zones make no difference, 6 unless the rule says otherwise', async () => {
    const four = placed('reviews', 'r1/a', 'r1/b', 'r1/c', 'r1/c');
    expect(shares(await start(rule('{}'), oneEach, four))).not.toHaveProperty('r1.a', 100);
    // A quarter of the hosts for a third of the callers.
    const found = shares(await start(rule('{ minClusterSize: 4 }'), oneEach, four), 2_000);
    expect(found).toEqual({ 'r1.a': 80, 'r1.c': 20 });
  });

  test('other regions are for failures: first the one that failover names', async () => {
    const reviews = placed('reviews', ...threeZones, 'r2/a', 'r3/a');
    const outliers = ', outlierDetection: { consecutive5xxErrors: 1, baseEjectionTime: 1h, maxEjectionPercent: 100 }';
    const mesh = await start(rule('{ failover: [{ from: r1, to: r3 }] }', outliers), oneEach, reviews);
    expect(shares(mesh)).toEqual({ 'r1.a': 100 });
    const fail = (region: string): void => {
      for (const workload of reviews) if (workload.locality?.startsWith(region)) workload.behaviour = 'refuses';
      mesh.share(40, { host: 'reviews' });
    };
    fail('r1');
    expect(shares(mesh)).toEqual({ 'r3.a': 100 });
    fail('r3');
    expect(shares(mesh)).toEqual({ 'r2.a': 100 });
  });

  test('a host of the zone that is ejected hands its part to the other zones', async () => {
    const reviews = placed('reviews', ...threeZones);
    const outliers = ', outlierDetection: { consecutive5xxErrors: 1, baseEjectionTime: 1h, maxEjectionPercent: 100 }';
    const mesh = await start(rule('{ minClusterSize: 2 }', outliers), oneEach, reviews);
    if (reviews[0] !== undefined) reviews[0].behaviour = 'refuses';
    mesh.share(40, { host: 'reviews' });
    // One host of five for a third of the callers.
    expect(shares(mesh, 2_000)).toEqual({ 'r1.a': 60, 'r1.b': 20, 'r1.c': 20 });
  });
});
