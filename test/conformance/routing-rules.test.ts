import { describe, expect, test } from 'vitest';
import type { Call } from '../support/http-call.ts';
import {
  destinationRule,
  kubernetesService,
  reviewsSubsets,
  reviewsV1AndV2,
  virtualService,
} from '../simulation/yaml.ts';
import { besideEachSidecar, type Instance, LiveMesh, localReply } from './live-mesh.ts';

const toReviews = 'route: [{ destination: { host: reviews } }]';
const reviews: readonly Instance[] = [{ service: 'reviews' }];

/** A mesh in which `rules`, a list of HTTP routes in YAML, hold for `reviews`. */
function meshWith(rules: string, instances: readonly Instance[] = reviewsV1AndV2, more = ''): Promise<LiveMesh> {
  return LiveMesh.start({ instances, yaml: reviewsSubsets + virtualService('reviews', rules) + more });
}

const split = (v1: number, v2: number): string =>
  `[{ route: [{ destination: { host: reviews, subset: v1 }, weight: ${v1} }, { destination: { host: reviews, subset: v2 }, weight: ${v2} }] }]`;

besideEachSidecar(() => {
  describe('where a request goes', () => {
    test('S15: weights are relative to their sum', async () => {
      const mesh = await meshWith(split(1, 3));
      const { 'reviews-v1': v1 = 0, 'reviews-v2': v2 = 0 } = await mesh.share(800);
      expect(v1 + v2).toBe(800);
      expect(v2 / 800).toBeGreaterThan(0.7);
      expect(v2 / 800).toBeLessThan(0.8);
      await mesh.apply(virtualService('reviews', split(1, 0)));
      expect(await mesh.share(40)).toEqual({ 'reviews-v1': 40 });
    });

    test('S16: a destination without a port means the only one of its service, else the one that was asked for', async () => {
      const elsewhere = kubernetesService('ratings', '[{ name: http, port: 9000 }]');
      const rules = '[{ route: [{ destination: { host: ratings } }] }]';
      const instances = [...reviews, { service: 'ratings' }];
      const mesh = await LiveMesh.start({ instances, yaml: virtualService('reviews', rules) });
      await mesh.apply(elsewhere);
      expect((await mesh.call({})).landed).toBe('ratings-v1');
    });

    test('S17: a short name is one of the namespace of the rule, whoever asks', async () => {
      const rules = virtualService('reviews', '[{ route: [{ destination: { host: ratings } }] }]', {
        namespace: 'shop',
      });
      const instances: Instance[] = [
        { service: 'reviews', namespace: 'shop' },
        { service: 'ratings', namespace: 'shop', version: 'shop' },
        { service: 'ratings', namespace: 'default', version: 'default' },
      ];
      const mesh = await LiveMesh.start({ instances, yaml: rules });
      expect((await mesh.call({ host: 'reviews.shop' })).landed).toBe('ratings-shop');
    });

    test('S18: a host is known in all its spellings', async () => {
      const mesh = await LiveMesh.start({ instances: reviews });
      const names = ['reviews', 'reviews.default', 'reviews.default.svc', 'reviews.default.svc.cluster.local'];
      for (const name of [...names, 'reviews.default.svc.cluster.local.', 'REVIEWS']) {
        for (const host of [name, `${name}:80`])
          expect([host, (await mesh.call({ host })).landed]).toEqual([host, 'reviews-v1']);
      }
    });

    test('S19: an exact host beats a wildcard, and a longer wildcard a shorter one', async () => {
      const answer = (host: string, text: string): string =>
        virtualService(host, `[{ directResponse: { status: 200, body: { string: ${text} } } }]`, { name: text });
      const yaml =
        answer('*.example.com', 'short') + answer('*.a.example.com', 'long') + answer('x.a.example.com', 'exact');
      const mesh = await LiveMesh.start({ instances: reviews, yaml });
      for (const [host, text] of [
        ['x.a.example.com', 'exact'],
        ['y.a.example.com', 'long'],
        ['y.example.com', 'short'],
      ] as const) {
        expect([host, (await mesh.call({ host })).body]).toEqual([host, text]);
      }
    });

    test('S20: without a rule a request goes to any instance, with the default retries', async () => {
      const instances: Instance[] = [...reviewsV1AndV2, { service: 'reviews', version: 'dead', respond: 'refuses' }];
      const mesh = await LiveMesh.start({ instances });
      const shares = await mesh.share(60);
      expect(Object.keys(shares).sort()).toEqual(['reviews-v1', 'reviews-v2']);
    });

    test('S31: a delegate rules the part of the host that its root gives it', async () => {
      const root = virtualService(
        'reviews',
        '[{ match: [{ uri: { prefix: /a } }], delegate: { name: part } }, { route: [{ destination: { host: reviews, subset: v1 } }] }]',
      );
      const part = `
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: part, namespace: default }
spec:
  http:
  - match: [{ uri: { prefix: /a/b } }]
    route: [{ destination: { host: reviews, subset: v2 } }]
`;
      const mesh = await LiveMesh.start({ instances: reviewsV1AndV2, yaml: reviewsSubsets + root + part });
      expect((await mesh.call({ path: '/a/b/c' })).landed).toBe('reviews-v2');
      expect((await mesh.call({ path: '/x' })).landed).toBe('reviews-v1');
    });

    test('S32: hosts and actions that contradict each other are refused by name', async () => {
      const mesh = await LiveMesh.start({ instances: reviews });
      const refusals: readonly (readonly [string, string])[] = [
        [virtualService('*', `[{ ${toReviews} }]`), 'spec.hosts[0]'],
        [virtualService('reviews', '[{ name: nothing }]'), 'spec.http[0].route'],
        [virtualService('reviews', `[{ ${toReviews}, redirect: { uri: /x } }]`), 'spec.http[0].route'],
        [virtualService('reviews', '[]'), 'spec.http'],
      ];
      for (const [yaml, field] of refusals) {
        expect(await mesh.refusalOf(yaml)).toMatchObject({ status: 422, message: expect.stringContaining(field) });
      }
    });

    test('S33: an unknown destination is 503 NC, no route is 404 NR', async () => {
      const mesh = await LiveMesh.start({
        instances: reviews,
        yaml: virtualService(
          'reviews',
          '[{ match: [{ uri: { prefix: /a } }], route: [{ destination: { host: nowhere } }] }]',
        ),
      });
      expect(await mesh.call({ path: '/a' })).toMatchObject(localReply(503, 'NC'));
      expect(await mesh.call({ path: '/b' })).toMatchObject(localReply(404, 'NR'));
      expect(await mesh.call({ host: 'unknown' })).toMatchObject(localReply(404, 'NR'));
    });
  });

  describe('how long and how often it is tried', () => {
    const silent: Instance = { service: 'reviews', respond: () => {} };

    test('S21: a timeout ends the wait with 504 UT, and without one nobody counts', async () => {
      const mesh = await meshWith(`[{ timeout: 50ms, ${toReviews} }]`, [silent]);
      expect(await mesh.call({})).toMatchObject(localReply(504, 'UT'));
    });

    test('S22: what did not reach an application is retried elsewhere by default, a 503 of the application is its answer', async () => {
      const fails: Instance = { service: 'reviews', respond: (_, response) => void response.writeHead(503).end() };
      const mesh = await LiveMesh.start({ instances: [fails] });
      expect(await mesh.call({ method: 'POST' })).toMatchObject({ status: 503, flag: undefined });
      expect(mesh.backends[0]?.requests).toBe(1);
    });

    test('S23: attempts are retries, 0 turns them off, and a number among the conditions is a status', async () => {
      const fails: Instance = { service: 'reviews', respond: (_, response) => void response.writeHead(418).end() };
      const mesh = await meshWith(`[{ retries: { attempts: 2, retryOn: "418" }, ${toReviews} }]`, [fails]);
      expect((await mesh.call({})).status).toBe(418);
      expect(mesh.backends[0]?.requests).toBe(3);
      await mesh.apply(virtualService('reviews', `[{ retries: { attempts: 0 }, ${toReviews} }]`));
      await mesh.call({});
      expect(mesh.backends[0]?.requests).toBe(4);
    });

    test('S24: a response that says when to come back is repeated then, not before', async () => {
      const timesMs: number[] = [];
      const limited: Instance = {
        service: 'reviews',
        respond: (_, response) => {
          timesMs.push(performance.now());
          if (timesMs.length === 1) response.writeHead(503, { 'retry-after': '1' }).end();
          else response.end('{}');
        },
      };
      const mesh = await meshWith(`[{ retries: { attempts: 1, retryOn: 5xx }, ${toReviews} }]`, [limited]);
      expect((await mesh.call({})).status).toBe(200);
      const [first = 0, second = 0] = timesMs;
      expect(second - first).toBeGreaterThanOrEqual(950);
    });

    test('S24: a per-try timeout is for each attempt', async () => {
      const mesh = await meshWith(`[{ retries: { attempts: 1, perTryTimeout: 40ms, retryOn: reset }, ${toReviews} }]`, [
        silent,
      ]);
      expect(await mesh.call({})).toMatchObject(localReply(504, 'UT'));
      expect(mesh.backends[0]?.requests).toBe(2);
    });
  });

  describe('what is done to a request', () => {
    test('S25: a fault without a percentage is none, with 100 % everybody gets it', async () => {
      const fault = (percentage: string): string =>
        `[{ fault: { abort: { httpStatus: 418${percentage} } }, ${toReviews} }]`;
      const mesh = await meshWith(fault(''), reviews);
      expect((await mesh.call({})).landed).toBe('reviews-v1');
      await mesh.apply(virtualService('reviews', fault(', percentage: { value: 100 }')));
      expect(await mesh.call({})).toMatchObject(localReply(418, 'FI'));
      expect(mesh.backends[0]?.requests).toBe(1);
    });

    test('S26: a mirror gets every request as a copy with a shadow host, unless it is given 0 %', async () => {
      const hosts: (string | undefined)[] = [];
      const shadow: Instance = {
        service: 'shadow',
        respond: ({ headers }, response) => {
          hosts.push(headers.host);
          response.writeHead(500).end('ignored');
        },
      };
      const rule = (percentage: string): string => `[{ mirror: { host: shadow }${percentage}, ${toReviews} }]`;
      const mesh = await meshWith(rule(''), [...reviews, shadow]);
      expect(await mesh.share(3)).toEqual({ 'reviews-v1': 3 });
      await expect.poll(() => hosts).toEqual(['reviews-shadow', 'reviews-shadow', 'reviews-shadow']);
      await mesh.apply(virtualService('reviews', rule(', mirrorPercentage: { value: 0 }')));
      expect(await mesh.share(3)).toEqual({ 'reviews-v1': 3 });
      expect(hosts).toHaveLength(3);
    });

    test('S27: a redirect is answered with the new place and reaches nobody', async () => {
      const mesh = await meshWith('[{ redirect: { uri: /new, authority: other.example } }]', reviews);
      const answer = await mesh.call({ path: '/old?x=1' });
      expect(answer.status).toBe(301);
      expect(answer.headers.location).toBe('http://other.example/new?x=1');
      expect(mesh.backends[0]?.requests).toBe(0);
    });

    test('S28: a rewrite replaces the matched prefix, or by captures, and the original path is told', async () => {
      const rules = `
  - match: [{ uri: { prefix: /api/ } }]
    rewrite: { uri: /v1/, authority: inner.example }
    ${toReviews}
  - rewrite: { uriRegexRewrite: { match: "^/user/([0-9]+)$", rewrite: "/u/\\\\1/x" } }
    ${toReviews}`;
      const mesh = await meshWith(rules, reviews);
      const prefix = (await mesh.call({ path: '/api/a?b=c' })).echo;
      expect(prefix).toMatchObject({
        url: '/v1/a?b=c',
        headers: { host: 'inner.example', 'x-envoy-original-path': '/api/a?b=c' },
      });
      expect((await mesh.call({ path: '/user/42' })).echo?.url).toBe('/u/42/x');
    });

    test('S29: headers are set, added and removed on the way there and back, with variables', async () => {
      const headers =
        'headers: { request: { set: { x-set: "%PROTOCOL% 100%%" }, add: { x-add: b }, remove: [x-gone] }, response: { set: { x-back: yes } } }';
      const mesh = await meshWith(`[{ ${headers.replace('yes', '"yes"')}, ${toReviews} }]`, reviews);
      const details: Call = { headers: { 'x-set': 'old', 'x-add': 'a', 'x-gone': '1' } };
      const { echo, headers: answered } = await mesh.call(details);
      expect(echo?.headers).toMatchObject({ 'x-set': 'HTTP/1.1 100%', 'x-add': 'a, b' });
      expect(echo?.headers).not.toHaveProperty('x-gone');
      expect(answered['x-back']).toBe('yes');
    });

    test('S30: a preflight of an allowed origin is answered, one of another origin goes to the application', async () => {
      const cors = 'corsPolicy: { allowOrigins: [{ exact: "https://a.example" }], allowMethods: [GET], maxAge: 24h }';
      const mesh = await meshWith(`[{ ${cors}, ${toReviews} }]`, reviews);
      const preflight = (origin: string): Call => ({
        method: 'OPTIONS',
        headers: { origin, 'access-control-request-method': 'GET' },
      });
      const allowed = await mesh.call(preflight('https://a.example'));
      expect(allowed).toMatchObject({
        status: 200,
        headers: { 'access-control-allow-origin': 'https://a.example', 'access-control-max-age': '86400' },
      });
      expect(allowed.landed).toBeUndefined();
      expect((await mesh.call(preflight('https://b.example'))).landed).toBe('reviews-v1');
    });

    test('S34: rules and subsets that are applied together never give a 503 in between', async () => {
      const mesh = await LiveMesh.start({ instances: reviewsV1AndV2 });
      const applied = new AbortController();
      const failures: unknown[] = [];
      const caller = (async () => {
        while (!applied.signal.aborted) {
          const { status, flag } = await mesh.call({});
          if (status !== 200) failures.push({ status, flag });
        }
      })();
      for (let round = 0; round < 10; round++) {
        const subset = `s${round}`;
        const subsets = destinationRule(
          'reviews',
          `subsets: [{ name: ${subset}, labels: { version: v${(round % 2) + 1} } }]`,
        );
        await mesh.apply(
          subsets + virtualService('reviews', `[{ route: [{ destination: { host: reviews, subset: ${subset} } }] }]`),
        );
      }
      applied.abort();
      await caller;
      expect(failures).toEqual([]);
    });
  });
});
