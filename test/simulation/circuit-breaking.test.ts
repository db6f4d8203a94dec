import { describe, expect, test } from 'vitest';
import type { SimulatedWorkload } from './simulated-workload.ts';
import { Simulation } from './simulation.ts';
import { destinationRule, virtualService } from './yaml.ts';

type Mutable = { -readonly [K in keyof SimulatedWorkload]: SimulatedWorkload[K] };

/** No retries, so that each call shows where its one attempt went. */
const once = virtualService('reviews', '[{ route: [{ destination: { host: reviews } }], retries: { attempts: 0 } }]');
const detect = (more = ''): string =>
  once +
  destinationRule(
    'reviews',
    `trafficPolicy:
    loadBalancer: { simple: ROUND_ROBIN }
    outlierDetection: { consecutive5xxErrors: 2, interval: 1s, baseEjectionTime: 30s, maxEjectionPercent: 100 ${more} }`,
  );

function reviews(): [Mutable, Mutable, Mutable] {
  return [
    { service: 'reviews', version: 'v1' },
    { service: 'reviews', version: 'v2' },
    { service: 'reviews', version: 'v3' },
  ];
}

describe('outlierDetection', () => {
  test('D6 a host that fails five times in a row is left alone, the others take its share', async () => {
    const workloads = reviews();
    workloads[0].behaviour = 'refuses';
    const mesh = await Simulation.start({ yaml: detect(), workloads });
    const first = mesh.share(12, { host: 'reviews' });
    expect(first['UF']).toBe(2);
    expect(mesh.share(20, { host: 'reviews' })).toEqual({ v2: 10, v3: 10 });
  });

  test('D6 without it a host that fails keeps its share', async () => {
    const workloads = reviews();
    workloads[0].behaviour = 'refuses';
    const yaml = once + destinationRule('reviews', 'trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } }');
    const mesh = await Simulation.start({ yaml, workloads });
    expect(mesh.share(30, { host: 'reviews' })['UF']).toBe(10);
  });

  test('D7 with it there is no panic: when all hosts are out requests fail with UH', async () => {
    const workloads = reviews();
    for (const workload of workloads) workload.behaviour = 'refuses';
    const mesh = await Simulation.start({ yaml: detect(), workloads });
    expect(mesh.share(6, { host: 'reviews' })).toEqual({ UF: 6 });
    expect(mesh.share(5, { host: 'reviews' })).toEqual({ UH: 5 });
  });

  test('D7 minHealthPercent is the panic threshold: below it requests go to all hosts again', async () => {
    const workloads = reviews();
    for (const workload of workloads) workload.behaviour = 'refuses';
    const mesh = await Simulation.start({ yaml: detect(', minHealthPercent: 50'), workloads });
    expect(mesh.share(12, { host: 'reviews' })).toEqual({ UF: 12 });
  });

  test('B11 after its time a host gets one request; only when that succeeds it gets its share again', async () => {
    const workloads = reviews();
    workloads[0].behaviour = 'refuses';
    const mesh = await Simulation.start({ yaml: detect(), workloads });
    mesh.share(12, { host: 'reviews' });
    mesh.clock.advance(31_000);
    expect(mesh.share(12, { host: 'reviews' })['UF']).toBe(1);
    workloads[0].behaviour = 'answers';
    mesh.clock.advance(31_000);
    expect(mesh.share(12, { host: 'reviews' })['v1']).toBeUndefined();
    mesh.clock.advance(31_000);
    const shares = mesh.share(30, { host: 'reviews' });
    expect(shares['v1']).toBeGreaterThan(5);
    expect(shares['UF']).toBeUndefined();
  });
});

test('D6 a host that gives no answer in time counts as one that fails', async () => {
  const workloads = reviews();
  workloads[0].behaviour = 'is silent';
  const timeout = virtualService(
    'reviews',
    '[{ route: [{ destination: { host: reviews } }], timeout: 1s, retries: { attempts: 0 } }]',
  );
  const mesh = await Simulation.start({ yaml: detect().replace(once, timeout), workloads });
  expect(mesh.share(12, { host: 'reviews' })['UT']).toBe(2);
  expect(mesh.share(20, { host: 'reviews' })).toEqual({ v2: 10, v3: 10 });
});

describe('connectionPool', () => {
  test('D9: a limit of 0 is none, as if it had not been given', async () => {
    const workloads = [{ service: 'reviews' }] as const;
    const zeros =
      '{ tcp: { maxConnections: 0 }, http: { http1MaxPendingRequests: 0, http2MaxRequests: 0, maxRequestsPerConnection: 0 } }';
    const yaml = once + destinationRule('reviews', `trafficPolicy: { connectionPool: ${zeros} }`);
    const mesh = await Simulation.start({ yaml, workloads });
    expect(mesh.share(10, { host: 'reviews' })).toEqual({ v1: 10 });
  });

  test('D5 by default nothing caps what is in flight; a limit of the rule does, with UO', async () => {
    const workloads = [{ service: 'reviews', behaviour: 'is silent' }] as const;
    const timeout = virtualService(
      'reviews',
      '[{ route: [{ destination: { host: reviews } }], timeout: 1s, retries: { attempts: 0 } }]',
    );
    const unlimited = await Simulation.start({ yaml: timeout, workloads });
    expect(unlimited.call({ host: 'reviews' }).flag).toBe('UT');
    const none = destinationRule('reviews', 'trafficPolicy: { connectionPool: { http: { http2MaxRequests: 1 } } }');
    const limited = await Simulation.start({ yaml: timeout + none, workloads });
    const landing = limited.begin({ host: 'reviews' });
    const overflow = limited.call({ host: 'reviews' });
    expect(overflow).toMatchObject({ status: 503, flag: 'UO', attempts: [], durationMs: 0 });
    expect(overflow.responseHeaders['x-envoy-overloaded']).toBe('true');
    expect(landing()).toBeUndefined();
  });
});
