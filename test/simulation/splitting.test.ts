import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { exampleFile } from '../support/mesh.ts';
import { Simulation } from './simulation.ts';
import { reviewsSubsets, reviewsV1AndV2, virtualService } from './yaml.ts';

async function shareOf(route: string, count = 4_000): Promise<Record<string, number>> {
  const yaml = reviewsSubsets + virtualService('reviews', `[{ route: ${route} }]`);
  const mesh = await Simulation.start({ yaml, workloads: reviewsV1AndV2 });
  return mesh.share(count, { host: 'reviews' });
}

const to = (subset: string, weight?: number): string =>
  `{ destination: { host: reviews, subset: ${subset} }${weight === undefined ? '' : `, weight: ${weight}`} }`;

describe('S15: weights', () => {
  test('are relative: 1 and 3 are a quarter and three quarters', async () => {
    const { v1 = 0, v2 = 0 } = await shareOf(`[${to('v1', 1)}, ${to('v2', 3)}]`);
    expect(v1 + v2).toBe(4_000);
    expect(v2 / 4_000).toBeGreaterThan(0.73);
    expect(v2 / 4_000).toBeLessThan(0.77);
  });

  test('a single destination gets everything whatever its weight', async () => {
    expect(await shareOf(`[${to('v2', 7)}]`, 100)).toEqual({ v2: 100 });
    expect(await shareOf(`[${to('v2', 0)}]`, 100)).toEqual({ v2: 100 });
  });

  test('a destination of weight 0 gets nothing', async () => {
    expect(await shareOf(`[${to('v1', 0)}, ${to('v2', 1)}]`, 1_000)).toEqual({ v2: 1_000 });
    expect(await shareOf(`[${to('v2', 100)}, ${to('v1', 0)}]`, 1_000)).toEqual({ v2: 1_000 });
  });

  test.each([
    ['two destinations without a weight', `[${to('v1')}, ${to('v2')}]`, /weight/],
    ['a weight below zero', `[${to('v1', -1)}, ${to('v2', 2)}]`, /spec\.http\[0\]\.route\[0\]\.weight/],
  ])('%s are refused', async (_, route, message) => {
    await expect(shareOf(route)).rejects.toThrow(message);
  });
});

describe('the example, word for word', () => {
  const files = ['virtual-service.yaml', 'destination-rule.yaml'];
  const host = 'ftgo-consumer-service';
  const workloads = ['v1', 'v2'].map((version) => ({ service: host, version }));

  async function startExample(seed: number): Promise<Simulation> {
    const documents = await Promise.all(files.map((file) => readFile(exampleFile(file), 'utf8')));
    return Simulation.start({ yaml: documents.join('\n---\n'), workloads, seed });
  }

  test('10,000 requests: v2 gets between 4.3 % and 5.7 %, and not one fails', async () => {
    for (const seed of [1, 2, 3]) {
      const mesh = await startExample(seed);
      const { v1 = 0, v2 = 0 } = mesh.share(10_000, { host });
      expect(v1 + v2).toBe(10_000);
      expect(v2).toBeGreaterThanOrEqual(430);
      expect(v2).toBeLessThanOrEqual(570);
    }
  });

  test('with testuser every request reaches v2, with an empty one it is like any other', async () => {
    const mesh = await startExample(1);
    expect(mesh.share(1_000, { host, headers: { testuser: 'ann' } })).toEqual({ v2: 1_000 });
    const { v1 = 0, v2 = 0 } = mesh.share(1_000, { host, headers: { testuser: '' } });
    expect(v1 + v2).toBe(1_000);
    expect(v1).toBeGreaterThan(900);
  });

  test('new weights are in force as soon as the push is applied', async () => {
    const mesh = await startExample(1);
    await mesh.apply(
      virtualService(host, `[{ route: [{ destination: { host: ${host}, subset: v2 } }] }]`, { name: host }),
    );
    expect(mesh.share(500, { host })).toEqual({ v2: 500 });
  });
});
