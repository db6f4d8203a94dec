import { describe, expect, test } from 'vitest';
import { parseLocality } from '../../pilot/model/locality.ts';
import type { SimulatedWorkload } from './simulated-workload.ts';
import { Simulation } from './simulation.ts';
import { destinationRule, reviewsV1AndV2, virtualService } from './yaml.ts';

type Mutable = { -readonly [K in keyof SimulatedWorkload]: SimulatedWorkload[K] };

const byLatency = (spec: string, balancer = 'peak-ewma', name = 'rule'): string =>
  destinationRule('reviews', spec, { name }).replace(
    'namespace: default }',
    `namespace: default, annotations: { heddle.dev/load-balancer: "${balancer}" } }`,
  );

const versions = (...latencies: readonly number[]): Mutable[] =>
  latencies.map((latencyMs, i) => ({ service: 'reviews', version: `v${i + 1}`, latencyMs }));

describe('heddle.dev/load-balancer: peak-ewma', () => {
  test('sends requests where they are answered soonest', async () => {
    const workloads = versions(200, 20, 20);
    const mesh = await Simulation.start({ yaml: byLatency(''), workloads });
    const { v1: slow = 0, v2 = 0, v3 = 0 } = mesh.share(300, { host: 'reviews' });
    expect(slow).toBeLessThan(10);
    expect(Math.min(v2, v3)).toBeGreaterThan(80);
    const plain = await Simulation.start({ yaml: destinationRule('reviews', ''), workloads });
    expect(plain.share(300, { host: 'reviews' })['v1']).toBeGreaterThan(60);
  });

  test('leaves a workload that becomes slow, and finds it again when it is fast; sooner with a shorter decay', async () => {
    const returnsAfter = async (balancer: string): Promise<number> => {
      const workloads = versions(20, 20);
      const mesh = await Simulation.start({ yaml: byLatency('', balancer), workloads });
      mesh.share(50, { host: 'reviews' });
      const [first] = workloads as [Mutable, Mutable];
      first.latencyMs = 1_000;
      expect(mesh.share(100, { host: 'reviews' })['v1']).toBeLessThan(4);
      first.latencyMs = 20;
      for (let i = 0; i < 10_000; i++) if (mesh.call({ host: 'reviews' }).version === 'v1') return i;
      return Infinity;
    };
    const [normal, quick] = [await returnsAfter('peak-ewma'), await returnsAfter('peak-ewma;decay=1s')];
    expect(quick).toBeLessThan(normal / 3);
    expect(normal).toBeLessThan(10_000);
  });

  test('a workload that gives no answer in time is left too', async () => {
    const workloads = versions(20, 20, 20);
    (workloads[0] as Mutable).behaviour = 'is silent';
    const once = virtualService(
      'reviews',
      '[{ route: [{ destination: { host: reviews } }], timeout: 2s, retries: { attempts: 0 } }]',
    );
    const mesh = await Simulation.start({ yaml: byLatency('') + once, workloads });
    expect(mesh.share(100, { host: 'reviews' })['UT']).toBe(1);
  });

  test('a workload that refuses connections does not look fast for it', async () => {
    const workloads = versions(20, 20);
    (workloads[0] as Mutable).behaviour = 'refuses';
    const once = virtualService(
      'reviews',
      '[{ route: [{ destination: { host: reviews } }], retries: { attempts: 0 } }]',
    );
    const mesh = await Simulation.start({ yaml: byLatency('') + once, workloads });
    // Each failure makes it look worse, until the other one is better.
    expect(mesh.share(100, { host: 'reviews' })['UF']).toBeLessThan(8);
    mesh.share(50, { host: 'reviews' });
    (workloads[0] as Mutable).behaviour = 'answers';
    mesh.clock.advance(30_000);
    expect(mesh.share(1_000, { host: 'reviews' })['v1']).toBeGreaterThan(100);
  });

  test('is for the subsets of the rule too, and keeps them apart', async () => {
    const yaml =
      byLatency('subsets: [{ name: v1, labels: { version: v1 } }]') +
      virtualService('reviews', '[{ route: [{ destination: { host: reviews, subset: v1 } }] }]');
    const workloads = [...versions(200), { service: 'reviews', version: 'v1', latencyMs: 20 }];
    const mesh = await Simulation.start({ yaml, workloads });
    const calls = Array.from({ length: 100 }, () => mesh.call({ host: 'reviews' }).endpoint);
    expect(calls.filter((endpoint) => endpoint === '10.0.0.1:15006').length).toBeLessThan(4);
  });

  test('of the oldest rule with a policy counts, as its policy does (D2)', async () => {
    const share = async (yaml: string): Promise<number> => {
      const mesh = await Simulation.start({ yaml, workloads: versions(200, 20) });
      return mesh.share(100, { host: 'reviews' })['v1'] ?? 0;
    };
    const random = destinationRule('reviews', 'trafficPolicy: { loadBalancer: { simple: RANDOM } }', { name: 'other' });
    expect(await share(byLatency('') + random)).toBeLessThan(5);
    expect(await share(random + byLatency(''))).toBeGreaterThan(30);
    const subsetsOnly = destinationRule('reviews', 'subsets: [{ name: v1, labels: { version: v1 } }]', {
      name: 'other',
    });
    expect(await share(subsetsOnly + byLatency(''))).toBeLessThan(5);
  });

  test('fails over by priority, and weighs latency among the workloads of one place', async () => {
    const yaml = byLatency(
      'trafficPolicy: { outlierDetection: {}, loadBalancer: { localityLbSetting: { failoverPriority: [tier] } } }',
    );
    const workloads = [
      { service: 'reviews', version: 'near-slow', labels: { tier: 'a' }, latencyMs: 100 },
      { service: 'reviews', version: 'near-fast', labels: { tier: 'a' }, latencyMs: 20 },
      { service: 'reviews', version: 'far', labels: { tier: 'b' }, latencyMs: 5 },
    ];
    const client = { labels: { tier: 'a' }, locality: parseLocality('r') };
    const mesh = await Simulation.start({ yaml, workloads, client });
    const { 'near-slow': slow = 0, 'near-fast': fast = 0, far = 0 } = mesh.share(100, { host: 'reviews' });
    expect(far).toBe(0);
    expect(slow).toBeLessThan(4);
    expect(slow + fast).toBe(100);
  });

  test.each([
    ['peak-ewma;decay=soon', ''],
    ['round-robin', ''],
    ['peak-ewma', 'trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } }'],
  ])('%s with "%s" is refused', async (balancer, spec) => {
    await expect(Simulation.start({ yaml: byLatency(spec, balancer), workloads: reviewsV1AndV2 })).rejects.toThrow(
      /heddle\.dev\/load-balancer/,
    );
  });
});
