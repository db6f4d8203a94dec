import { describe, expect, test } from 'vitest';
import type { Route, RouteConfiguration } from '../../../proxy/api/envoy.gen.ts';
import { decodeRouteConfiguration } from '../../../proxy/api/route-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { HeaderName } from '../../../proxy/http/header-name.ts';
import { RequestHead } from '../../../proxy/http/message-head.ts';
import { chooseCluster, RouteTable } from '../../../proxy/router/route-table.ts';
import { routeConfiguration } from '../../support/envoy-json.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const named = (name: string, match: Route['match'] = { prefix: '/' }): Route => ({
  name,
  match,
  route: { cluster: name },
});

function tableOf(json: RouteConfiguration): RouteTable {
  return new RouteTable(requireValue(decodeRouteConfiguration(json), 'routes'));
}

function headOf(authority: string, path = '/', headers: Readonly<Record<string, string>> = {}): RequestHead {
  const head = new RequestHead();
  head.method = 'GET';
  head.authority = authority;
  head.path = path;
  for (const [name, value] of Object.entries(headers)) head.headers.add(new HeaderName(name), value);
  return head;
}

describe('the virtual host of a request', () => {
  const domains = ['a.foo.com', '*.foo.com', '*-b.foo.com', 'a.*', 'a.foo.*', '*'];
  const table = tableOf({
    name: 'routes',
    virtual_hosts: domains.map((domain) => ({ name: domain, domains: [domain], routes: [named(domain)] })),
  });

  test.each([
    ['a.foo.com', 'a.foo.com'],
    ['A.FOO.Com', 'a.foo.com'],
    ['b.foo.com', '*.foo.com'],
    ['x-b.foo.com', '*-b.foo.com'],
    ['a.foo.org', 'a.foo.*'],
    ['a.bar', 'a.*'],
    ['foo.com', '*'],
    ['.foo.com', '*'],
    ['a.', '*'],
    ['', '*'],
    ['__proto__', '*'],
    ['constructor', '*'],
  ])('%j is %s', (host, domain) => {
    expect(table.match(headOf(host))?.name).toBe(domain);
  });

  test('without a domain that fits there is no route', () => {
    const strict = tableOf({
      name: 'routes',
      virtual_hosts: [{ name: 'one', domains: ['one'], routes: [named('one')] }],
    });
    expect(strict.match(headOf('two'))).toBeUndefined();
  });

  test('a route of another virtual host is no way out', () => {
    const table = tableOf({
      name: 'routes',
      virtual_hosts: [
        { name: 'one', domains: ['one'], routes: [named('one', { path: '/only' })] },
        { name: 'all', domains: ['*'], routes: [named('all')] },
      ],
    });
    expect(table.match(headOf('one', '/other'))).toBeUndefined();
  });
});

describe('the route of a request', () => {
  const headers = (...list: NonNullable<Route['match']>['headers'] & object): Route['match'] => ({
    prefix: '/',
    headers: list,
  });
  const table = tableOf(
    routeConfiguration([
      named('exact', { path: '/exact' }),
      named('exact-any-case', { path: '/ANY', case_sensitive: false }),
      named('prefix-any-case', { prefix: '/Pre', case_sensitive: false }),
      named('regex', { safe_regex: { regex: '/r[0-9]+' } }),
      named('method', headers({ name: ':method', string_match: { exact: 'DELETE' } })),
      named('suffix', headers({ name: 'a', string_match: { suffix: '.x' } })),
      named('contains', headers({ name: 'a', string_match: { contains: 'MID', ignore_case: true } })),
      named('absent', headers({ name: 'must-be-absent', present_match: false }, { name: 'b', present_match: true })),
      named('inverted', headers({ name: 'c', string_match: { exact: '1' }, invert_match: true })),
      named('rest'),
    ]),
  );
  const routeOf = (path: string, given: Readonly<Record<string, string>> = {}): string | undefined =>
    table.match(headOf('test', path, given))?.name;

  test.each([
    ['/exact', 'exact'],
    ['/exact?a=b', 'exact'],
    ['/exactly', 'rest'],
    ['/Exact', 'rest'],
    ['/any', 'exact-any-case'],
    ['/pREfix', 'prefix-any-case'],
    ['/r12', 'regex'],
    ['/r12?r', 'regex'],
    ['/r12/', 'rest'],
  ])('%s takes %s', (path, route) => {
    expect(routeOf(path)).toBe(route);
  });

  test.each([
    [{ a: 'b.x' }, 'suffix'],
    [{ a: 'in the mid dle' }, 'contains'],
    [{ b: '' }, 'absent'],
    [{ b: '', 'must-be-absent': '' }, 'rest'],
    [{ c: '1' }, 'rest'],
    [{ c: '2' }, 'inverted'],
    [{}, 'rest'],
  ])('headers %j take %s', (given, route) => {
    expect(routeOf('/', given)).toBe(route);
  });

  test('the method is a condition like a header', () => {
    const head = headOf('test');
    head.method = 'DELETE';
    expect(table.match(head)?.name).toBe('method');
  });
});

describe('the cluster of a weighted route', () => {
  function choose(weights: readonly number[], random: () => number): string {
    const clusters = weights.map((weight, i) => ({ name: `c${i}`, weight }));
    const route = tableOf(
      routeConfiguration([{ match: { prefix: '/' }, route: { weighted_clusters: { clusters } } }]),
    ).match(headOf('test'));
    if (route?.action.kind !== 'route') throw new Error('the route leads to clusters');
    return chooseCluster(route, route.action, random)?.name ?? '';
  }

  test('each weight is a half-open stretch of the line', () => {
    expect(choose([1, 3], () => 0)).toBe('c0');
    expect(choose([1, 3], () => 0.2499)).toBe('c0');
    expect(choose([1, 3], () => 0.25)).toBe('c1');
    expect(choose([1, 3], () => 1 - Number.EPSILON)).toBe('c1');
  });

  test('a weight of 0 is never chosen, wherever it stands', () => {
    for (const point of [0, 0.5, 1 - Number.EPSILON]) {
      expect(choose([0, 1, 0], () => point)).toBe('c1');
      expect(choose([0, 0, 1], () => point)).toBe('c2');
    }
  });

  test('shares follow weights that do not add up to 100', () => {
    const random = seededRandom(7);
    const counts = [0, 0, 0];
    for (let i = 0; i < 3_000; i++) counts[Number(choose([1, 2, 3], random).slice(1))]! += 1;
    for (const [i, share] of [500, 1_000, 1_500].entries())
      expect(Math.abs((counts[i] ?? 0) - share)).toBeLessThan(100);
  });
});
