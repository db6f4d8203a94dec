import { describe, expect, test } from 'vitest';
import { Simulation } from './simulation.ts';
import { destinationRule, virtualService } from './yaml.ts';

const counted = virtualService(
  'reviews',
  `[{ match: [{ uri: { prefix: /api }, statPrefix: api }], timeout: 1s, retries: { attempts: 1, retryOn: connect-failure, perTryTimeout: 400ms },
     route: [{ destination: { host: reviews } }] },
    { route: [{ destination: { host: reviews } }] }]`,
);
const api = { host: 'reviews', path: '/api' };
const routePrefix = 'vhost.reviews.default.svc.cluster.local:80.route.api.';
const clusterPrefix = 'cluster.outbound|80||reviews.default.svc.cluster.local.';

describe('a match with a statPrefix', () => {
  test('has the statistics of its requests under Envoy’s names, and only of its own', async () => {
    const mesh = await Simulation.start({ yaml: counted, workloads: [{ service: 'reviews' }] });
    for (let i = 0; i < 3; i++) mesh.call(api);
    mesh.call({ host: 'reviews', path: '/other' });
    const names = ['upstream_rq_total', 'upstream_rq_completed', 'upstream_rq_2xx', 'upstream_rq_200'];
    expect(names.map((name) => mesh.stat(routePrefix + name))).toEqual([3, 3, 3, 3]);
    expect(mesh.stat(`${clusterPrefix}upstream_rq_200`)).toBe(4);
    expect(mesh.stat(`${clusterPrefix}upstream_rq_completed`)).toBe(4);
  });

  test('counts retries and what became of them', async () => {
    const workloads = [{ service: 'reviews', behaviour: 'refuses' }] as const;
    const mesh = await Simulation.start({ yaml: counted, workloads });
    expect(mesh.call(api).status).toBe(503);
    const names = ['total', 'retry', 'retry_limit_exceeded', 'retry_success', '503', '5xx', 'completed'];
    expect(names.map((name) => mesh.stat(`${routePrefix}upstream_rq_${name}`))).toEqual([2, 1, 1, 0, 1, 1, 1]);
    expect(mesh.stat(`${clusterPrefix}upstream_rq_503`)).toBe(1);
  });

  test('counts timeouts', async () => {
    const rule = `[{ match: [{ uri: { prefix: / }, statPrefix: api }], timeout: 1s, retries: { attempts: 0 }, route: [{ destination: { host: reviews } }] }]`;
    const workloads = [{ service: 'reviews', behaviour: 'is silent' }] as const;
    const mesh = await Simulation.start({ yaml: virtualService('reviews', rule), workloads });
    expect(mesh.call(api).status).toBe(504);
    expect(mesh.stat(`${routePrefix}upstream_rq_timeout`)).toBe(1);
    expect(mesh.stat(`${routePrefix}upstream_rq_504`)).toBe(1);
  });

  test('goes on counting when rules change', async () => {
    const mesh = await Simulation.start({ yaml: counted, workloads: [{ service: 'reviews' }] });
    mesh.call(api);
    await mesh.apply(destinationRule('reviews', 'trafficPolicy: { loadBalancer: { simple: RANDOM } }'));
    await mesh.apply(counted.replace('timeout: 1s', 'timeout: 2s'));
    mesh.call(api);
    expect(mesh.stat(`${routePrefix}upstream_rq_total`)).toBe(2);
  });
});
