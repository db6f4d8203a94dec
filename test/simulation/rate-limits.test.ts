import { describe, expect, test } from 'vitest';
import type { NodeMetadata } from '../../proxy/api/node.ts';
import { Simulation } from './simulation.ts';
import { virtualService } from './yaml.ts';

function rateLimit(spec: string, name = 'limit'): string {
  return `
---
apiVersion: networking.heddle.dev/v1alpha1
kind: RateLimit
metadata: { name: ${name}, namespace: default }
spec: ${spec}
`;
}

function start(yaml: string, client: Partial<NodeMetadata> = {}): Promise<Simulation> {
  return Simulation.start({ yaml, workloads: [{ service: 'reviews' }, { service: 'ratings' }], client });
}

const routes = virtualService(
  'reviews',
  `
  - name: search
    match: [{ name: new, uri: { prefix: /search } }, { uri: { prefix: /find } }]
    route: [{ destination: { host: reviews } }]
  - name: rest
    route: [{ destination: { host: reviews } }]`,
);

describe('B14: a RateLimit', () => {
  test('lets its requests per interval through and answers the rest with 429 and flag RL', async () => {
    const mesh = await start(rateLimit('{ host: reviews, requests: 3, interval: 60s }'));
    expect(mesh.share(10, { host: 'reviews' })).toEqual({ v1: 3, RL: 7 });
    const refused = mesh.call({ host: 'reviews' });
    expect(refused).toMatchObject({ status: 429, attempts: [] });
    expect(refused.responseHeaders['x-heddle-reason']).toBe('RL local_rate_limited');
  });

  test('gives the requests back once per interval, up to the burst', async () => {
    const mesh = await start(rateLimit('{ host: reviews, requests: 2, interval: 10s, burst: 5 }'));
    expect(mesh.share(10, { host: 'reviews' })).toEqual({ v1: 5, RL: 5 });
    mesh.clock.advance(10_000);
    expect(mesh.share(10, { host: 'reviews' })).toEqual({ v1: 2, RL: 8 });
    mesh.clock.advance(60_000);
    expect(mesh.share(10, { host: 'reviews' })).toEqual({ v1: 5, RL: 5 });
  });

  test('tells every client how much is left, and when there is more', async () => {
    const mesh = await start(rateLimit('{ host: reviews, requests: 2, interval: 30s }'));
    const headers = [1, 2, 3].map(() => {
      const { responseHeaders } = mesh.call({ host: 'reviews' });
      return ['limit', 'remaining', 'reset'].map((name) => responseHeaders[`x-ratelimit-${name}`]);
    });
    expect(headers).toEqual([
      ['2', '1', '30'],
      ['2', '0', '30'],
      ['2', '0', '30'],
    ]);
  });

  test('is about its host only', async () => {
    const mesh = await start(rateLimit('{ host: reviews, requests: 1, interval: 60s }'));
    expect(mesh.share(5, { host: 'ratings' })).toEqual({ v1: 5 });
    const landing = mesh.call({ host: 'ratings' });
    expect(Object.keys(landing.responseHeaders).filter((name) => name.startsWith('x-ratelimit'))).toEqual([]);
  });

  test('of a route counts all matches of its rule together, and no other rule', async () => {
    const mesh = await start(routes + rateLimit('{ host: reviews, routes: [search], requests: 2, interval: 60s }'));
    expect(mesh.call({ host: 'reviews', path: '/search' }).flag).toBe('-');
    expect(mesh.call({ host: 'reviews', path: '/find' }).flag).toBe('-');
    expect(mesh.call({ host: 'reviews', path: '/search' }).flag).toBe('RL');
    expect(mesh.call({ host: 'reviews', path: '/find' }).flag).toBe('RL');
    expect(mesh.share(5, { host: 'reviews', path: '/other' })).toEqual({ v1: 5 });
  });

  test('of a header value is about requests that have it', async () => {
    const limit = '{ host: reviews, headers: { x-tenant: { exact: big }, x-paid: {} }, requests: 1, interval: 60s }';
    const mesh = await start(rateLimit(limit));
    const headers = { 'x-tenant': 'big', 'x-paid': 'no' };
    expect(mesh.share(3, { host: 'reviews', headers })).toEqual({ v1: 1, RL: 2 });
    expect(mesh.share(3, { host: 'reviews', headers: { ...headers, 'x-tenant': 'small' } })).toEqual({ v1: 3 });
    expect(mesh.share(3, { host: 'reviews', headers: { 'x-tenant': 'big' } })).toEqual({ v1: 3 });
  });

  test('of a source workload is about its requests only', async () => {
    const limit = rateLimit('{ host: reviews, sourceLabels: { app: batch }, requests: 1, interval: 60s }');
    expect((await start(limit, { labels: { app: 'batch' } })).share(3, { host: 'reviews' })).toEqual({ v1: 1, RL: 2 });
    expect((await start(limit, { labels: { app: 'web' } })).share(3, { host: 'reviews' })).toEqual({ v1: 3 });
  });

  test('in SHADOW mode counts what is over the limit, and lets it pass', async () => {
    const mesh = await start(rateLimit('{ host: reviews, requests: 1, interval: 60s, mode: SHADOW }'));
    expect(mesh.share(5, { host: 'reviews' })).toEqual({ v1: 5 });
    const prefix = 'reviews.default.svc.cluster.local:80_shadow.http_local_rate_limit';
    const counts = ['enabled', 'ok', 'rate_limited', 'enforced'].map((name) => mesh.stat(`${prefix}.${name}`));
    expect(counts).toEqual([5, 1, 4, 0]);
    expect(mesh.call({ host: 'reviews' }).responseHeaders['x-ratelimit-limit']).toBeUndefined();
  });

  test("that is in force and one that only counts do not get in each other's way", async () => {
    const mesh = await start(
      rateLimit('{ host: reviews, requests: 4, interval: 60s }', 'real') +
        rateLimit('{ host: reviews, requests: 1, interval: 60s, mode: SHADOW }', 'trial'),
    );
    expect(mesh.share(6, { host: 'reviews' })).toEqual({ v1: 4, RL: 2 });
  });

  test('of two in force the tighter one refuses first', async () => {
    const mesh = await start(
      rateLimit('{ host: reviews, requests: 10, interval: 60s }', 'wide') +
        rateLimit('{ host: reviews, headers: { x-tenant: {} }, requests: 2, interval: 60s }', 'narrow'),
    );
    expect(mesh.share(4, { host: 'reviews', headers: { 'x-tenant': 'a' } })).toEqual({ v1: 2, RL: 2 });
    expect(mesh.share(12, { host: 'reviews' })).toEqual({ v1: 8, RL: 4 });
  });

  test('keeps counting when other rules are pushed, and starts anew when it changes itself', async () => {
    const mesh = await start(rateLimit('{ host: reviews, requests: 2, interval: 60s }'));
    expect(mesh.share(3, { host: 'reviews' })).toEqual({ v1: 2, RL: 1 });
    await mesh.apply(routes);
    expect(mesh.call({ host: 'reviews' }).flag).toBe('RL');
    await mesh.apply(rateLimit('{ host: reviews, requests: 5, interval: 60s }'));
    expect(mesh.share(6, { host: 'reviews' })).toEqual({ v1: 5, RL: 1 });
  });
});
