import { describe, expect, test } from 'vitest';
import type { SimulatedWorkload } from './simulated-workload.ts';
import { Simulation } from './simulation.ts';
import { virtualService } from './yaml.ts';

const audit = '10.0.0.2:15006';

async function withMirror(mirror: string, auditor: Partial<SimulatedWorkload> = {}): Promise<Simulation> {
  const rules = virtualService('reviews', `[{ ${mirror}, route: [{ destination: { host: reviews } }] }]`);
  const workloads = [{ service: 'reviews' }, { service: 'audit', ...auditor }, { service: 'archive' }];
  return Simulation.start({ yaml: rules, workloads });
}

/** How many of `count` requests were copied. */
function mirrored(mesh: Simulation, count: number): number {
  return Array.from({ length: count }, () => mesh.call({ host: 'reviews' }).mirrors.length).reduce((a, b) => a + b, 0);
}

describe('S26: mirrors', () => {
  test('without a percentage every request is copied, and answered by its own destination', async () => {
    const mesh = await withMirror('mirror: { host: audit }');
    const landing = mesh.call({ host: 'reviews', path: '/a?b=c', headers: { 'x-user': 'ann' } });
    expect(landing).toMatchObject({ status: 200, service: 'reviews', attempts: ['10.0.0.1:15006'] });
    expect(landing.mirrors).toMatchObject([{ address: audit, headers: { host: 'reviews-shadow', 'x-user': 'ann' } }]);
  });

  test('the suffix of the Host stands before its port', async () => {
    const mesh = await withMirror('mirror: { host: audit }');
    expect(mesh.call({ host: 'reviews:80' }).mirrors[0]?.headers['host']).toBe('reviews-shadow:80');
  });

  test.each([
    ['mirrorPercentage: { value: 25 }', 440, 560],
    ['mirrorPercent: 25', 440, 560],
    ['mirrorPercentage: { value: 0.0001 }', 0, 2],
    ['mirrorPercentage: { value: 0 }', 0, 0],
    ['mirrorPercent: 0', 0, 0],
    ['mirrorPercentage: { value: 100 }, mirrorPercent: 0', 2_000, 2_000],
  ])('%s copies that share', async (percentage, min, max) => {
    const count = mirrored(await withMirror(`mirror: { host: audit }, ${percentage}`), 2_000);
    expect(count).toBeGreaterThanOrEqual(min);
    expect(count).toBeLessThanOrEqual(max);
  });

  test('several mirrors each have a share of their own', async () => {
    const mesh = await withMirror(
      'mirrors: [{ destination: { host: audit } }, { destination: { host: archive }, percentage: { value: 50 } }]',
    );
    const landings = Array.from({ length: 400 }, () => mesh.call({ host: 'reviews' }));
    const addresses = landings.flatMap(({ mirrors }) => mirrors.map(({ address }) => address));
    expect(addresses.filter((address) => address === audit)).toHaveLength(400);
    const archived = addresses.length - 400;
    expect(archived).toBeGreaterThan(150);
    expect(archived).toBeLessThan(250);
  });

  test.each(['refuses', 'is silent'] as const)(
    'a mirror that %s neither fails nor delays a request',
    async (behaviour) => {
      const mesh = await withMirror('mirror: { host: audit }', { behaviour });
      const { status, flag, durationMs, mirrors } = mesh.call({ host: 'reviews' });
      expect({ status, flag, mirrors: mirrors.length }).toEqual({ status: 200, flag: '-', mirrors: 1 });
      expect(durationMs).toBeLessThan(20);
    },
  );

  test('a mirror that is not known is passed over', async () => {
    const mesh = await withMirror('mirror: { host: nobody }');
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status: 200, mirrors: [] });
  });
});
