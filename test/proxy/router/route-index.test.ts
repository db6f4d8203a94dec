import { describe, expect, test } from 'vitest';
import type { RouteMatch } from '../../../proxy/api/envoy.gen.ts';
import { decodeRouteConfiguration } from '../../../proxy/api/route-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { HeaderName } from '../../../proxy/http/header-name.ts';
import { RequestHead } from '../../../proxy/http/message-head.ts';
import { minIndexedRoutes } from '../../../proxy/router/route-candidates.ts';
import { RouteTable } from '../../../proxy/router/route-table.ts';
import { seededRandom } from '../../support/seeded-random.ts';

/** One virtual host with a route per match, each named by its position. */
function tableOf(matches: readonly RouteMatch[]): RouteTable {
  const routes = matches.map((match, i) => ({ name: String(i), match, direct_response: { status: 200 } }));
  const json = { name: 'routes', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] };
  return new RouteTable(requireValue(decodeRouteConfiguration(json), 'routes'));
}

type HeaderList = readonly (readonly [name: string, value: string])[];

function find(table: RouteTable, path: string, headers: HeaderList = []): string | undefined {
  const head = new RequestHead();
  head.method = 'GET';
  head.path = path;
  for (const [name, value] of headers) head.headers.add(new HeaderName(name), value);
  return table.match(head)?.name;
}

const filler = (count: number): RouteMatch[] =>
  Array.from({ length: count }, (_, i) => ({ prefix: `/service-${String(i).padStart(3, '0')}/` }));

describe('a virtual host with many routes', () => {
  test('finds each of a thousand by its own path, and none for another', () => {
    const table = tableOf(filler(1_000));
    for (let i = 0; i < 1_000; i += 37) expect(find(table, `/service-${String(i).padStart(3, '0')}/x`)).toBe(String(i));
    expect(find(table, '/service-1000/x')).toBeUndefined();
    expect(find(table, '/service-')).toBeUndefined();
    expect(find(table, '/')).toBeUndefined();
  });

  test('S1: takes the first that matches, though a later one fits more closely', () => {
    const table = tableOf([...filler(minIndexedRoutes), { prefix: '/a' }, { path: '/a/b' }, { prefix: '/a/b' }]);
    expect(find(table, '/a/b')).toBe(String(minIndexedRoutes));
    const closest = tableOf([{ path: '/a/b' }, { prefix: '/a' }, ...filler(minIndexedRoutes)]);
    expect(['/a/b', '/a/b?x=1', '/a/bc', '/b'].map((path) => find(closest, path))).toEqual(['0', '0', '1', undefined]);
  });

  test('takes OPTIONS * with a route for everything, however many others there are', () => {
    for (const count of [0, 1, minIndexedRoutes]) {
      expect(find(tableOf([...filler(count), { prefix: '/' }]), '*')).toBe(String(count));
      expect(find(tableOf(filler(count)), '*')).toBeUndefined();
    }
  });

  test('asks expressions and matches without regard to case in their turn', () => {
    const odd: RouteMatch[] = [{ safe_regex: { regex: '/[0-9]+' } }, { prefix: '/ABC', case_sensitive: false }];
    const table = tableOf([{ prefix: '/1' }, ...odd, ...filler(minIndexedRoutes), { prefix: '/' }]);
    const last = String(minIndexedRoutes + 3);
    expect(['/1', '/23', '/abCd', '/x'].map((path) => find(table, path))).toEqual(['0', '1', '2', last]);
  });

  test('finds what asking one route after the other finds, whatever the routes', () => {
    const random = seededRandom(7);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
    const pathOf = (): string =>
      `/${Array.from({ length: Math.floor(random() * 5) }, () => pick(['a', 'b', 'A', '/', 'ab', '?'])).join('')}`;
    const matchOf = (): RouteMatch => {
      const value = pathOf();
      const case_sensitive = random() < 0.8;
      return pick([
        { prefix: value, case_sensitive },
        { path: value, case_sensitive },
        { safe_regex: { regex: '/a.*' } },
      ]);
    };
    for (let round = 0; round < 300; round++) {
      const matches = Array.from({ length: minIndexedRoutes + Math.floor(random() * 20) }, matchOf);
      const indexed = tableOf(matches);
      const oneByOne = matches.map((match) => tableOf([match]));
      for (let i = 0; i < 20; i++) {
        const path = random() < 0.1 ? '*' : pathOf();
        const first = oneByOne.findIndex((table) => find(table, path) !== undefined);
        expect([path, find(indexed, path)]).toEqual([path, first < 0 ? undefined : String(first)]);
      }
    }
  });
});

describe('a virtual host whose routes differ in the value of one header', () => {
  const user = (value: string): RouteMatch => ({
    prefix: '/',
    headers: [{ name: 'end-user', string_match: { exact: value } }],
  });
  const users = (count: number): RouteMatch[] => Array.from({ length: count }, (_, i) => user(`user-${i}`));
  const as = (value: string): HeaderList => [['end-user', value]];

  test('finds each of a thousand by its own value, and the one behind them for every other', () => {
    const table = tableOf([...users(1_000), { prefix: '/' }]);
    for (let i = 0; i < 1_000; i += 37) expect(find(table, '/x', as(`user-${i}`))).toBe(String(i));
    for (const headers of [[], as('nobody'), as('User-1'), as('')]) expect(find(table, '/x', headers)).toBe('1000');
    // Each value by itself.
    expect(find(table, '/x', [...as('user-7'), ...as('user-2')])).toBe('2');
    expect(find(table, '/x', as('user-7,user-2'))).toBe('1000');
  });

  test('S1: a route before them that does not ask for the header is taken before them', () => {
    const table = tableOf([...users(2), { prefix: '/a' }, ...users(5), { prefix: '/' }]);
    expect(find(table, '/a', as('user-1'))).toBe('1');
    expect(find(table, '/a', as('user-4'))).toBe('2');
    expect(find(table, '/b', as('user-4'))).toBe('7');
  });

  test('is found by its method as by a header', () => {
    const methods = ['PUT', 'POST', 'DELETE', 'GET', 'HEAD'];
    const table = tableOf(
      methods.map((exact) => ({ prefix: '/', headers: [{ name: ':method', string_match: { exact } }] })),
    );
    expect(find(table, '/')).toBe('3');
  });

  test('finds what asking one route after the other finds, whatever the conditions', () => {
    const random = seededRandom(11);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
    const value = (): string => pick(['a', 'b', 'c', '']);
    const name = (): string => pick(['end-user', 'End-User', 'x-version']);
    const condition = (): NonNullable<RouteMatch['headers']>[number] =>
      pick([
        { name: name(), string_match: { exact: value() } },
        { name: name(), string_match: { exact: value() } },
        { name: name(), string_match: { exact: value() }, invert_match: true },
        { name: name(), string_match: { exact: value(), ignore_case: true } },
        { name: name(), string_match: { exact: value() }, treat_missing_header_as_empty: true },
        { name: name(), present_match: random() < 0.5 },
        { name: name(), string_match: { prefix: 'a' } },
      ]);
    const matchOf = (): RouteMatch => ({
      prefix: pick(['/', '/', '/a']),
      headers: Array.from({ length: Math.floor(random() * 3) }, condition),
    });
    for (let round = 0; round < 300; round++) {
      const matches = Array.from({ length: minIndexedRoutes + Math.floor(random() * 20) }, matchOf);
      const indexed = tableOf(matches);
      const oneByOne = matches.map((match) => tableOf([match]));
      for (let i = 0; i < 20; i++) {
        const headers = Array.from({ length: Math.floor(random() * 4) }, () => [name(), value()] as const);
        const path = pick(['/', '/a']);
        const first = oneByOne.findIndex((table) => find(table, path, headers) !== undefined);
        expect([headers, find(indexed, path, headers)]).toEqual([headers, first < 0 ? undefined : String(first)]);
      }
    }
  });
});
