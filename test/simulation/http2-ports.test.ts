/** Rules of requests hold on ports of HTTP/2 and gRPC as on those of HTTP/1.1. */
import { describe, expect, test } from 'vitest';
import type { MeshConfig } from '../../crds/mesh-config.ts';
import type { SimulatedWorkload } from './simulated-workload.ts';
import { Simulation } from './simulation.ts';
import { destinationRule, kubernetesService, reviewsSubsets, reviewsV1AndV2, virtualService } from './yaml.ts';

/** Of `reviews`, whose only port is one of gRPC, and is not the one that requests go to by default. */
const grpcPort = kubernetesService('reviews', '[{ name: grpc, port: 50051 }]');
const call = { host: 'reviews:50051', method: 'POST', path: '/shop.Reviews/Get' };
const headers = { 'content-type': 'application/grpc', te: 'trailers' };

function start(yaml: string, workloads: readonly SimulatedWorkload[] = reviewsV1AndV2): Promise<Simulation> {
  return Simulation.start({ yaml: grpcPort + yaml, workloads });
}

const toBoth = 'route: [{ destination: { host: reviews } }]';

describe('rules hold on a gRPC port', () => {
  test('a rule for one method of a service, one for a header, and one for the rest', async () => {
    const mesh = await start(
      reviewsSubsets +
        virtualService(
          'reviews',
          `
  - name: put
    match: [{ uri: { exact: /shop.Reviews/Put } }]
    route: [{ destination: { host: reviews, subset: v2 } }]
  - name: testers
    match: [{ headers: { end-user: { exact: jason }, ":method": { exact: POST } } }]
    route: [{ destination: { host: reviews, subset: v2 } }]
  - name: rest
    route: [{ destination: { host: reviews, subset: v1 } }]`,
        ),
    );
    const landing = (path: string, more: Record<string, string> = {}) => {
      const { version, route, cluster } = mesh.call({ ...call, path, headers: { ...headers, ...more } });
      return [version, route, cluster];
    };
    const clusterOf = (subset: string) => `outbound|50051|${subset}|reviews.default.svc.cluster.local`;
    expect(landing('/shop.Reviews/Put')).toEqual(['v2', 'put', clusterOf('v2')]);
    expect(landing('/shop.Reviews/Get', { 'end-user': 'jason' })).toEqual(['v2', 'testers', clusterOf('v2')]);
    expect(landing('/shop.Reviews/Get')).toEqual(['v1', 'rest', clusterOf('v1')]);
  });

  test('weights', async () => {
    const weight = (subset: string, share: number) =>
      `{ destination: { host: reviews, subset: ${subset} }, weight: ${share} }`;
    const split = `[{ route: [${weight('v1', 3)}, ${weight('v2', 1)}] }]`;
    const mesh = await start(reviewsSubsets + virtualService('reviews', split));
    const { v1 = 0, v2 = 0 } = mesh.share(400, { ...call, headers });
    expect(v1 + v2).toBe(400);
    expect(v2).toBeGreaterThan(60);
    expect(v2).toBeLessThan(140);
  });

  test('a fault, which ends in the words of gRPC', async () => {
    const fault = 'fault: { abort: { grpcStatus: UNAVAILABLE, percentage: { value: 100 } } }';
    const mesh = await start(virtualService('reviews', `[{ ${fault}, ${toBoth} }]`));
    expect(mesh.call({ ...call, headers })).toMatchObject({
      status: 200,
      flag: 'FI',
      attempts: [],
      responseHeaders: { 'grpc-status': '14' },
    });
  });

  test('retries, on another workload', async () => {
    const workloads = [{ service: 'reviews', behaviour: 'refuses' }, { service: 'reviews' }] as const;
    const mesh = await start('', workloads);
    for (let i = 0; i < 10; i++) expect(mesh.call({ ...call, headers }).status).toBe(200);
  });

  test('the timeout of a rule, and the shorter one that a caller asks for', async () => {
    const mesh = await start(virtualService('reviews', `[{ timeout: 1s, ${toBoth} }]`), [
      { service: 'reviews', behaviour: 'is silent' },
    ]);
    const timeoutFor = (more: Record<string, string>) => mesh.call({ ...call, headers: { ...headers, ...more } });
    expect(timeoutFor({})).toMatchObject({ flag: 'UT', durationMs: 1_000 });
    expect(timeoutFor({ 'grpc-timeout': '200m' })).toMatchObject({ flag: 'UT', durationMs: 200 });
  });

  test('a mirror', async () => {
    const mirrored = `[{ ${toBoth}, mirror: { host: ratings } }]`;
    const mesh = await start(
      kubernetesService('ratings', '[{ name: grpc, port: 50051 }]') + virtualService('reviews', mirrored),
      [{ service: 'reviews' }, { service: 'ratings' }],
    );
    const { mirrors } = mesh.call({ ...call, headers });
    expect(mirrors.map(({ path }) => path)).toEqual(['/shop.Reviews/Get']);
  });

  test('a rate limit', async () => {
    const limit = `
---
apiVersion: networking.heddle.dev/v1alpha1
kind: RateLimit
metadata: { name: limit, namespace: default }
spec: { host: reviews, requests: 3, interval: 60s }
`;
    const mesh = await start(limit, [{ service: 'reviews' }]);
    expect(mesh.share(10, { ...call, headers })).toEqual({ v1: 3, RL: 7 });
  });
});

describe('a port of HTTP that is called in HTTP/2', () => {
  const http = kubernetesService('reviews', '[{ name: http, port: 80 }]');
  const upgrade = destinationRule(
    'reviews',
    'trafficPolicy: { connectionPool: { http: { h2UpgradePolicy: UPGRADE } } }',
  );

  test.each<[string, string, MeshConfig]>([
    ['by a rule', upgrade, {}],
    ['by the mesh', '', { h2UpgradePolicy: 'UPGRADE' }],
  ])('has its rules too: %s', async (_who, yaml, meshConfig) => {
    const mesh = await Simulation.start({
      yaml: http + yaml + virtualService('reviews', `[{ name: all, ${toBoth} }]`),
      workloads: [{ service: 'reviews' }],
      meshConfig,
    });
    expect(mesh.call({ host: 'reviews' })).toMatchObject({ status: 200, route: 'all', version: 'v1' });
  });
});
