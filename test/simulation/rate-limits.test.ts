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

  test.each(['', ', scope: GLOBAL, onUnavailable: failClosed'])(
    'is about methods and paths, whatever the query is%s',
    async (rest) => {
      const paths = 'paths: [{ exact: /a.b }, { prefix: /find/ }, { regex: "/[0-9]+" }], methods: [POST, PUT]';
      const mesh = await start(rateLimit(`{ host: reviews, ${paths}, requests: 1, interval: 60s${rest} }`));
      const flagOf = (path: string, method = 'POST') => mesh.call({ host: 'reviews', path, method }).flag;
      // Without a mixer the first request of a global limit is one too many.
      const first = rest === '' ? '-' : 'RL';
      expect([flagOf('/a.b?x'), flagOf('/a.b'), flagOf('/find/x', 'PUT'), flagOf('/7?x=/y')]).toEqual([
        first,
        'RL',
        'RL',
        'RL',
      ]);
      expect(['/aXb', '/a.b/', '/find', '/7x', '/'].map((path) => flagOf(path))).toEqual(['-', '-', '-', '-', '-']);
      expect(flagOf('/a.b', 'GET')).toBe('-');
    },
  );

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

describe('B14: a RateLimit of scope GLOBAL that nobody assigned a quota of yet', () => {
  const closed = 'requests: 5, interval: 60s, scope: GLOBAL, onUnavailable: failClosed';

  test('passes where it fails open', async () => {
    const mesh = await start(rateLimit('{ host: reviews, requests: 1, interval: 60s, scope: GLOBAL }'));
    expect(mesh.share(5, { host: 'reviews' })).toEqual({ v1: 5 });
  });

  test('is refused with 429 and flag RL where it fails closed', async () => {
    const mesh = await start(rateLimit(`{ host: reviews, ${closed} }`));
    const refused = mesh.call({ host: 'reviews' });
    expect(refused).toMatchObject({ status: 429, flag: 'RL', attempts: [] });
    expect(refused.responseHeaders['x-heddle-reason']).toBe('RL rate_limit_quota');
    expect(mesh.share(3, { host: 'ratings' })).toEqual({ v1: 3 });
  });

  test('in SHADOW mode only counts', async () => {
    const mesh = await start(rateLimit(`{ host: reviews, ${closed}, mode: SHADOW }`));
    expect(mesh.share(5, { host: 'reviews' })).toEqual({ v1: 5 });
    const name = (count: string): string => {
      const stat = mesh.stat(`http.outbound_127.0.0.1_15001.envoy.filters.http.rate_limit_quota.shadow.${count}`);
      return `${count} ${stat}`;
    };
    expect(['allowed', 'denied', 'enforced'].map(name)).toEqual(['allowed 0', 'denied 5', 'enforced 0']);
  });

  test('is about the requests of its routes and workloads only', async () => {
    const limit = `{ host: reviews, ${closed}, routes: [search], sourceLabels: { app: batch } }`;
    const batch = await start(routes + rateLimit(limit), { labels: { app: 'batch' } });
    expect(batch.call({ host: 'reviews', path: '/find' }).flag).toBe('RL');
    expect(batch.call({ host: 'reviews', path: '/other' }).flag).toBe('-');
    const web = await start(routes + rateLimit(limit), { labels: { app: 'web' } });
    expect(web.call({ host: 'reviews', path: '/find' }).flag).toBe('-');
  });

  test.each([
    [{}, '-'],
    [{ 'x-tenant': 'big' }, 'RL'],
    [{ 'x-tenant': 'small' }, '-'],
    [{ 'x-paid': '' }, '-'],
    [{ 'x-paid': 'yes' }, 'RL'],
    [{ 'x-zone': 'eu-1' }, '-'],
    [{ 'x-zone': 'eu-1', 'x-paid': 'yes' }, 'RL'],
    [{ 'x-zone': 'us', 'x-tenant': 'big' }, 'RL'],
  ])('of several limits, which headers choose, all that are about a request count it: %j', async (headers, flag) => {
    const mesh = await start(
      rateLimit('{ host: reviews, requests: 9, interval: 9s, scope: GLOBAL }', 'all') +
        rateLimit(`{ host: reviews, ${closed}, headers: { x-tenant: { exact: big } } }`, 'tenant') +
        rateLimit(`{ host: reviews, ${closed}, headers: { x-paid: { regex: 'y.*' } } }`, 'paid') +
        rateLimit(
          '{ host: reviews, requests: 9, interval: 9s, scope: GLOBAL, headers: { x-zone: { prefix: eu } } }',
          'zone',
        ),
    );
    expect(mesh.call({ host: 'reviews', headers }).flag).toBe(flag);
  });

  test('stands beside a local limit of the same host, which holds as ever', async () => {
    const mesh = await start(
      rateLimit('{ host: reviews, requests: 2, interval: 60s }', 'local') +
        rateLimit('{ host: reviews, requests: 1, interval: 60s, scope: GLOBAL }', 'global'),
    );
    expect(mesh.share(5, { host: 'reviews' })).toEqual({ v1: 2, RL: 3 });
  });
});
