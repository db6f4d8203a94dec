import { describe, expect, test } from 'vitest';
import { Simulation } from './simulation.ts';
import { reviewsSubsets, reviewsV1AndV2, virtualService } from './yaml.ts';

const toV1 = 'route: [{ destination: { host: reviews, subset: v1 } }]';

async function meshWith(http: string): Promise<Simulation> {
  return Simulation.start({ yaml: reviewsSubsets + virtualService('reviews', http), workloads: reviewsV1AndV2 });
}

/** The path with which the workload gets a request for `path` under `match` and `rewrite`. */
async function rewritten(match: string, rewrite: string, path: string): Promise<string | undefined> {
  const mesh = await meshWith(`[{ match: [{ uri: ${match} }], rewrite: ${rewrite}, ${toV1} }]`);
  const { upstreamPath, upstreamHeaders } = mesh.call({ host: 'reviews', path });
  expect(upstreamHeaders['x-envoy-original-path']).toBe(path);
  return upstreamPath;
}

describe('S28: rewriting the path', () => {
  test('S28: uri replaces the matched prefix, and the rest and the query stay', async () => {
    expect(await rewritten('{ prefix: /api/v1 }', '{ uri: /api }', '/api/v1/users?x=/api/v1')).toBe(
      '/api/users?x=/api/v1',
    );
  });

  test('S28: uri replaces the whole path where that was matched, and the query stays', async () => {
    expect(await rewritten('{ exact: /a }', '{ uri: /b/c }', '/a?x=1')).toBe('/b/c?x=1');
    expect(await rewritten('{ regex: "/a.*" }', '{ uri: /b }', '/abc/d?x=1')).toBe('/b?x=1');
  });

  test('S28: uriRegexRewrite replaces what an expression finds, with its groups', async () => {
    const swap =
      '{ uriRegexRewrite: { match: "^/service/([^/]+)(/.*)$", rewrite: "\\\\2/instance/\\\\1" } }'.replaceAll(
        '\\\\',
        '\\',
      );
    expect(await rewritten('{ prefix: /service }', swap.replaceAll('\\', '\\\\'), '/service/foo/v1/api?q=1')).toBe(
      '/v1/api/instance/foo?q=1',
    );
    expect(
      await rewritten('{ prefix: / }', '{ uriRegexRewrite: { match: "one", rewrite: "two" } }', '/one/one?one'),
    ).toBe('/two/two?one');
  });

  test('S28: what an expression makes of a path still begins with a slash', async () => {
    const rewrite = '{ uriRegexRewrite: { match: "^/a", rewrite: "b" } }';
    expect(await rewritten('{ prefix: / }', rewrite, '/a/c')).toBe('/b/c');
  });

  test('S28: a request that says itself what its original path was is not believed', async () => {
    const mesh = await meshWith(`[{ rewrite: { uri: /b }, ${toV1} }]`);
    const headers = { 'x-envoy-original-path': '/forged' };
    expect(mesh.call({ host: 'reviews', path: '/a', headers }).upstreamHeaders['x-envoy-original-path']).toBe('/a');
  });
});

test('S28: authority replaces the Host, tells which one it was, and leaves the path alone', async () => {
  const mesh = await meshWith(`[{ rewrite: { authority: other.example.com }, ${toV1} }]`);
  const { upstreamHeaders, upstreamPath, version } = mesh.call({ host: 'reviews', path: '/a' });
  expect([upstreamHeaders['host'], upstreamPath, version]).toEqual(['other.example.com', '/a', 'v1']);
  expect(upstreamHeaders['x-envoy-original-host']).toBe('reviews');
  expect(upstreamHeaders).not.toHaveProperty('x-envoy-original-path');
});

test('S28: a request is rewritten once, however often it is tried', async () => {
  const yaml = virtualService(
    'reviews',
    '[{ match: [{ uri: { prefix: /a } }], rewrite: { uri: /a/a }, route: [{ destination: { host: reviews } }] }]',
  );
  const mesh = await Simulation.start({ yaml, workloads: [{ service: 'reviews', behaviour: 'refuses' }] });
  const { attempts, upstreamPath, upstreamHeaders } = mesh.call({ host: 'reviews', path: '/a' });
  expect(attempts.length).toBeGreaterThan(1);
  expect([upstreamPath, upstreamHeaders['x-envoy-original-path']]).toEqual(['/a/a', '/a']);
});

test('R10: paths are brought into one form before they are matched, and go on in that form', async () => {
  const mesh = await meshWith(
    `[{ match: [{ uri: { prefix: /admin } }], directResponse: { status: 403 } }, { ${toV1} }]`,
  );
  expect(mesh.call({ host: 'reviews', path: '/public/%2e%2E/admin' }).status).toBe(403);
  expect(mesh.call({ host: 'reviews', path: '/admin/../a//b%2Fc?d=/../e' }).upstreamPath).toBe('/a//b%2Fc?d=/../e');
});
