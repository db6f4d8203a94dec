import { describe, expect, test } from 'vitest';
import type { SimulatedWorkload } from './simulated-workload.ts';
import { Simulation } from './simulation.ts';
import { destinationRule, virtualService } from './yaml.ts';

type Mutable = { -readonly [K in keyof SimulatedWorkload]: SimulatedWorkload[K] };

const once = virtualService('reviews', '[{ route: [{ destination: { host: reviews } }], retries: { attempts: 0 } }]');

function annotated(annotations: string, policy: string): string {
  const rule = destinationRule('reviews', `trafficPolicy: ${policy}`);
  return once + rule.replace('namespace: default }', `namespace: default, annotations: { ${annotations} } }`);
}

function checked(settings: string, policy = '{ loadBalancer: { simple: ROUND_ROBIN } }'): string {
  return annotated(`heddle.dev/health-check: "${settings}"`, policy);
}

function reviews(): [Mutable, Mutable, Mutable] {
  return [
    { service: 'reviews', version: 'v1' },
    { service: 'reviews', version: 'v2' },
    { service: 'reviews', version: 'v3' },
  ];
}

const noPanic = '{ loadBalancer: { simple: ROUND_ROBIN }, outlierDetection: { consecutive5xxErrors: 0 } }';

describe('heddle.dev/health-check', () => {
  test('a host whose check fails gets no requests until its checks succeed again', async () => {
    const workloads = reviews();
    workloads[0].isUnwell = true;
    const mesh = await Simulation.start({ yaml: checked('http:/healthz; interval=5s; healthy=2'), workloads });
    mesh.clock.advance(1);
    expect(mesh.share(20, { host: 'reviews' })).toEqual({ v2: 10, v3: 10 });
    workloads[0].isUnwell = false;
    mesh.clock.advance(5_500);
    expect(mesh.share(20, { host: 'reviews' })['v1'], 'after one success of two').toBeUndefined();
    mesh.clock.advance(5_500);
    expect(mesh.share(30, { host: 'reviews' })).toEqual({ v1: 10, v2: 10, v3: 10 });
  });

  test('no request is sent to a host before its first check, neither of a new cluster nor of a changed one', async () => {
    const workloads = reviews();
    workloads[0].isUnwell = true;
    const fresh = await Simulation.start({ yaml: checked('http:/healthz'), workloads });
    expect(fresh.share(20, { host: 'reviews' })).toEqual({ v2: 10, v3: 10 });
    const changed = await Simulation.start({ yaml: once, workloads });
    expect(changed.share(20, { host: 'reviews' })['v1']).toBeGreaterThan(0);
    await changed.apply(checked('http:/healthz'));
    expect(changed.share(20, { host: 'reviews' })).toEqual({ v2: 10, v3: 10 });
  });

  test('hosts that say nothing keep the others waiting for as long as a check may take', async () => {
    const workloads = reviews();
    workloads[0].behaviour = 'is silent';
    const mesh = await Simulation.start({ yaml: checked('http:/healthz; timeout=2s'), workloads });
    expect(mesh.clock.monotonicMs()).toBeGreaterThanOrEqual(2_000);
    expect(mesh.clock.monotonicMs()).toBeLessThan(2_500);
    expect(mesh.share(20, { host: 'reviews' })).toEqual({ v2: 10, v3: 10 });
  });

  test('a host that cannot be reached is out after as many failures as `unhealthy` says', async () => {
    const workloads = reviews();
    const mesh = await Simulation.start({ yaml: checked('tcp; interval=5s; unhealthy=2'), workloads });
    mesh.clock.advance(1);
    workloads[0].behaviour = 'refuses';
    mesh.clock.advance(5_500);
    expect(mesh.share(30, { host: 'reviews' })['UF'], 'after one failure').toBe(10);
    mesh.clock.advance(5_500);
    expect(mesh.share(30, { host: 'reviews' })).toEqual({ v2: 15, v3: 15 });
    expect(mesh.stat('cluster.outbound|80||reviews.default.svc.cluster.local.health_check.network_failure')).toBe(2);
  });

  test('B13: when no host passes its checks requests fail with UH and the reason', async () => {
    const workloads = reviews();
    for (const workload of workloads) workload.isUnwell = true;
    const mesh = await Simulation.start({ yaml: checked('http:/healthz', noPanic), workloads });
    mesh.clock.advance(1);
    const { status, flag, responseHeaders } = mesh.call({ host: 'reviews' });
    expect({ status, flag }).toEqual({ status: 503, flag: 'UH' });
    expect(responseHeaders['x-heddle-reason']).toBe(
      'UH no healthy endpoint in cluster outbound|80||reviews.default.svc.cluster.local: of 3, 3 failed active health checks',
    );
  });

  test('a response with x-envoy-immediate-health-check-fail takes its host out at once', async () => {
    const workloads = reviews();
    const mesh = await Simulation.start({ yaml: checked('http:/healthz; interval=10s'), workloads });
    mesh.clock.advance(1);
    workloads[0].behaviour = 'is going down';
    expect(mesh.share(21, { host: 'reviews' })['v1']).toBe(1);
    expect(mesh.stat('cluster.outbound|80||reviews.default.svc.cluster.local.health_check.passive_failure')).toBe(1);
  });

  test('without checks nobody acts on that header', async () => {
    const workloads = reviews();
    workloads[0].behaviour = 'is going down';
    const yaml = once + destinationRule('reviews', 'trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN } }');
    const mesh = await Simulation.start({ yaml, workloads });
    expect(mesh.share(30, { host: 'reviews' })['v1']).toBe(10);
  });

  test('a push that changes the cluster does not bring back a host that is known to be unhealthy', async () => {
    const workloads = reviews();
    workloads[0].isUnwell = true;
    const mesh = await Simulation.start({ yaml: checked('http:/healthz'), workloads });
    mesh.clock.advance(1);
    expect(mesh.share(20, { host: 'reviews' })['v1']).toBeUndefined();
    await mesh.apply(checked('http:/healthz; interval=20s'));
    expect(mesh.share(20, { host: 'reviews' })['v1']).toBeUndefined();
  });
});

describe('outlier detection by rates', () => {
  const detect =
    '{ loadBalancer: { simple: ROUND_ROBIN }, outlierDetection: { interval: 1s, baseEjectionTime: 30s, maxEjectionPercent: 50 } }';
  const rule = once + destinationRule('reviews', `trafficPolicy: ${detect}`);
  const shaky = (): [Mutable, Mutable, Mutable] => {
    const workloads = reviews();
    workloads[0].behaviour = 'fails every other';
    return workloads;
  };

  test('D6, B11: a host that fails every other request is ejected', async () => {
    const mesh = await Simulation.start({ yaml: rule, workloads: shaky() });
    mesh.share(90, { host: 'reviews' });
    mesh.clock.advance(1_000);
    expect(mesh.share(20, { host: 'reviews' })).toEqual({ v2: 10, v3: 10 });
    const name = 'outlier_detection.ejections_enforced_failure_percentage';
    expect(mesh.stat(`cluster.outbound|80||reviews.default.svc.cluster.local.${name}`)).toBe(1);
  });

  test('D6: a few requests prove nothing', async () => {
    const mesh = await Simulation.start({ yaml: rule, workloads: shaky() });
    mesh.share(30, { host: 'reviews' });
    mesh.clock.advance(1_000);
    expect(mesh.share(30, { host: 'reviews' })['v1']).toBe(10);
  });

  test('D6: the annotation switches it off, as Istio has it', async () => {
    const yaml = annotated('heddle.dev/outlier-rates: "off"', detect);
    const mesh = await Simulation.start({ yaml, workloads: shaky() });
    mesh.share(90, { host: 'reviews' });
    mesh.clock.advance(1_000);
    expect(mesh.share(30, { host: 'reviews' })['v1']).toBe(10);
  });

  test('B11: it chooses another share and volume', async () => {
    const yaml = annotated('heddle.dev/outlier-rates: "failure-percentage=60; failure-volume=5"', detect);
    const workloads = shaky();
    const mesh = await Simulation.start({ yaml, workloads });
    mesh.share(60, { host: 'reviews' });
    mesh.clock.advance(1_000);
    expect(mesh.share(30, { host: 'reviews' })['v1'], 'at 50 %').toBe(10);
    workloads[0].behaviour = 'refuses';
    mesh.share(12, { host: 'reviews' });
    mesh.share(6, { host: 'reviews' });
    mesh.clock.advance(1_000);
    expect(mesh.share(20, { host: 'reviews' })).toEqual({ v2: 10, v3: 10 });
  });
});

describe('outlierDetectionHttpErrorCodes', () => {
  const detect = (codes: string): string =>
    once +
    destinationRule(
      'reviews',
      `trafficPolicy: { loadBalancer: { simple: ROUND_ROBIN }, outlierDetection: { consecutive5xxErrors: 2, maxEjectionPercent: 50 ${codes} } }`,
    );

  test('a status among them counts as an error', async () => {
    const workloads = reviews();
    workloads[0].behaviour = 'is overloaded';
    const mesh = await Simulation.start({ yaml: detect(', outlierDetectionHttpErrorCodes: [429, 500]'), workloads });
    expect(mesh.share(6, { host: 'reviews' })['v1']).toBe(2);
    expect(mesh.share(20, { host: 'reviews' })).toEqual({ v2: 10, v3: 10 });
  });

  test('without them it does not, and a 500 that is none of them does not either', async () => {
    const workloads = reviews();
    workloads[0].behaviour = 'is overloaded';
    const mesh = await Simulation.start({ yaml: detect(''), workloads });
    expect(mesh.share(30, { host: 'reviews' })['v1']).toBe(10);
    workloads[0].behaviour = 'fails every other';
    await mesh.apply(
      detect(', outlierDetectionHttpErrorCodes: [429]').replace('consecutive5xxErrors: 2', 'consecutive5xxErrors: 1'),
    );
    expect(mesh.share(30, { host: 'reviews' })['v1']).toBe(10);
  });
});
