import { describe, expect, test } from 'vitest';
import type { SimulatedRequest } from './simulated-proxy.ts';
import { Simulation } from './simulation.ts';
import { reviewsSubsets, reviewsV1AndV2, reviewsV2When, virtualService } from './yaml.ts';

type Request = Omit<SimulatedRequest, 'host'>;

/** The version of `reviews` that each request reaches when `match` means v2. */
async function versionsOf(match: string, requests: readonly Request[]): Promise<(string | undefined)[]> {
  const mesh = await Simulation.start({ yaml: reviewsSubsets + reviewsV2When(match), workloads: reviewsV1AndV2 });
  return requests.map((request) => mesh.call({ host: 'reviews', ...request }).version);
}

const paths = (...list: string[]): Request[] => list.map((path) => ({ path }));
const withHeader = (name: string, ...values: string[]): Request[] =>
  values.map((value) => ({ headers: { [name]: value } }));

describe('order of rules', () => {
  test('S1: of two rules that match the first is used', async () => {
    const rules = virtualService(
      'reviews',
      `
  - match: [{ uri: { prefix: /a } }]
    route: [{ destination: { host: reviews, subset: v2 } }]
  - match: [{ uri: { prefix: /a/b } }]
    route: [{ destination: { host: reviews, subset: v1 } }]`,
    );
    const mesh = await Simulation.start({ yaml: reviewsSubsets + rules, workloads: reviewsV1AndV2 });
    expect(mesh.call({ host: 'reviews', path: '/a/b' }).version).toBe('v2');
  });

  test('S3: what stands behind a rule for everything is never reached', async () => {
    for (const everything of [
      '- ',
      '- match: [{ uri: { prefix: / } }]\n    ',
      '- match: [{ uri: { regex: ".*" } }]\n    ',
    ]) {
      const rules = virtualService(
        'reviews',
        `
  ${everything}route: [{ destination: { host: reviews, subset: v1 } }]
  - match: [{ uri: { prefix: /a } }]
    route: [{ destination: { host: reviews, subset: v2 } }]`,
      );
      const mesh = await Simulation.start({ yaml: reviewsSubsets + rules, workloads: reviewsV1AndV2 });
      expect(mesh.call({ host: 'reviews', path: '/a' }).version).toBe('v1');
    }
  });
});

describe('conditions', () => {
  test('S2: all conditions of one match must hold', async () => {
    const match = '[{ uri: { prefix: /a }, headers: { x-user: { exact: ann } } }]';
    const versions = await versionsOf(match, [
      { path: '/a', headers: { 'x-user': 'ann' } },
      { path: '/a', headers: { 'x-user': 'bob' } },
      { path: '/b', headers: { 'x-user': 'ann' } },
    ]);
    expect(versions).toEqual(['v2', 'v1', 'v1']);
  });

  test('S2: of several matches one is enough', async () => {
    const match = '[{ uri: { prefix: /a } }, { headers: { x-user: { exact: ann } } }]';
    const versions = await versionsOf(match, [
      { path: '/a' },
      { path: '/b', headers: { 'x-user': 'ann' } },
      { path: '/b' },
    ]);
    expect(versions).toEqual(['v2', 'v2', 'v1']);
  });

  test('S7: a path is compared without its query', async () => {
    expect(await versionsOf('[{ uri: { exact: /a } }]', paths('/a?b=c', '/a', '/a/', '/b?/a'))).toEqual([
      'v2',
      'v2',
      'v1',
      'v1',
    ]);
    expect(await versionsOf('[{ uri: { regex: "/a." } }]', paths('/ab?c', '/a?c'))).toEqual(['v2', 'v1']);
    expect(await versionsOf('[{ uri: { prefix: "/a?b" } }]', paths('/a?bc', '/a?b', '/ab'))).toEqual([
      'v1',
      'v1',
      'v1',
    ]);
  });

  test('S8: a prefix is compared character by character, not segment by segment', async () => {
    expect(await versionsOf('[{ uri: { prefix: /foo } }]', paths('/foobar', '/foo/bar', '/fo'))).toEqual([
      'v2',
      'v2',
      'v1',
    ]);
  });

  test('S9: letter case counts unless ignoreUriCase is set', async () => {
    expect(await versionsOf('[{ uri: { exact: /Foo } }]', paths('/Foo', '/foo'))).toEqual(['v2', 'v1']);
    const ignoring = (uri: string): string => `[{ uri: ${uri}, ignoreUriCase: true }]`;
    expect(await versionsOf(ignoring('{ exact: /Foo }'), paths('/fOO?x', '/bar'))).toEqual(['v2', 'v1']);
    expect(await versionsOf(ignoring('{ prefix: /Foo }'), paths('/fOObar', '/bar'))).toEqual(['v2', 'v1']);
  });

  test('S9: ignoreUriCase has no say over regular expressions', async () => {
    const match = '[{ uri: { regex: "/Foo" }, ignoreUriCase: true }]';
    expect(await versionsOf(match, paths('/Foo', '/foo'))).toEqual(['v2', 'v1']);
  });

  test('S10: a regular expression must match the entire value', async () => {
    expect(await versionsOf('[{ uri: { regex: "/a[0-9]+" } }]', paths('/a12', '/a12/b', '/x/a12'))).toEqual([
      'v2',
      'v1',
      'v1',
    ]);
    const header = '[{ headers: { x-user: { regex: "(?i)ann|bob" } } }]';
    expect(await versionsOf(header, withHeader('x-user', 'ANN', 'bob', 'bobby', 'x ann'))).toEqual([
      'v2',
      'v2',
      'v1',
      'v1',
    ]);
  });

  test('S10: an expression that takes other engines exponential time is answered at once', async () => {
    const match = '[{ headers: { x-user: { regex: "(a+)+b" } } }]';
    expect(await versionsOf(match, withHeader('x-user', 'a'.repeat(5_000), 'aab'))).toEqual(['v1', 'v2']);
  });

  test('S11: an empty condition and the regex * ask for presence', async () => {
    for (const condition of ['{}', '{ regex: "*" }']) {
      const match = `[{ headers: { x-user: ${condition} } }]`;
      expect(await versionsOf(match, [...withHeader('x-user', 'ann', ''), {}])).toEqual(['v2', 'v2', 'v1']);
    }
  });

  test('S12: withoutHeaders holds when the value differs, and a missing header counts as empty', async () => {
    const match = '[{ withoutHeaders: { x-user: { exact: ann } } }]';
    expect(await versionsOf(match, [...withHeader('x-user', 'ann', 'bob', ''), {}])).toEqual(['v1', 'v2', 'v2', 'v2']);
    const empty = '[{ withoutHeaders: { x-user: { regex: "^$|ann" } } }]';
    expect(await versionsOf(empty, [...withHeader('x-user', 'bob'), {}])).toEqual(['v2', 'v1']);
  });

  test('S12: withoutHeaders with an empty condition asks for absence', async () => {
    expect(await versionsOf('[{ withoutHeaders: { x-user: {} } }]', [...withHeader('x-user', 'ann', ''), {}])).toEqual([
      'v1',
      'v1',
      'v2',
    ]);
  });

  test('S13: values of headers are compared with their letter case, names without', async () => {
    const match = '[{ headers: { x-user: { exact: ann } } }]';
    expect(await versionsOf(match, [...withHeader('X-USER', 'ann'), ...withHeader('x-user', 'Ann')])).toEqual([
      'v2',
      'v1',
    ]);
  });

  test.each<[string, Request[], string[]]>([
    ['{ ":method": { exact: POST } }', [{ method: 'POST' }, { method: 'GET' }], ['v2', 'v1']],
    ['{ ":authority": { prefix: reviews.default } }', [{ path: '/' }], ['v1']],
    ['{ ":authority": { exact: reviews } }', [{ path: '/' }], ['v2']],
    ['{ ":scheme": { exact: http } }', [{ path: '/' }], ['v2']],
    ['{ ":scheme": { exact: https } }', [{ path: '/' }], ['v1']],
    // With its query, unlike the path of a rule.
    ['{ ":path": { exact: /a?b=1 } }', paths('/a?b=1', '/a', '/a?b=2'), ['v2', 'v1', 'v1']],
    ['{ ":path": { regex: "/a([?].*)?" } }', paths('/a?b=1', '/a', '/ab'), ['v2', 'v2', 'v1']],
    ['{ ":path": {} }', paths('/a'), ['v2']],
  ])('the parts of the start line may stand among the headers: %s', async (headers, requests, versions) => {
    expect(await versionsOf(`[{ headers: ${headers} }]`, requests)).toEqual(versions);
    const others = versions.map((version) => (version === 'v2' ? 'v1' : 'v2'));
    expect(await versionsOf(`[{ withoutHeaders: ${headers} }]`, requests)).toEqual(others);
  });

  test('a header that is there twice has each of its values', async () => {
    const twice = { headers: { 'x-user': 'a', 'X-User': 'b' } };
    for (const [value, version] of Object.entries({ a: 'v2', b: 'v2', 'a,b': 'v1', c: 'v1' })) {
      expect(await versionsOf(`[{ headers: { x-user: { exact: "${value}" } } }]`, [twice])).toEqual([version]);
    }
  });
});
