import { describe, expect, test } from 'vitest';
import type { RouteMatch } from '../../../proxy/api/envoy.gen.ts';
import { decodeRouteConfiguration } from '../../../proxy/api/route-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { RequestHead } from '../../../proxy/http/message-head.ts';
import { minIndexedRoutes } from '../../../proxy/router/route-index.ts';
import { RouteTable } from '../../../proxy/router/route-table.ts';
import { seededRandom } from '../../support/seeded-random.ts';

/** One virtual host with a route per match, each named by its position. */
function tableOf(matches: readonly RouteMatch[]): RouteTable {
  const routes = matches.map((match, i) => ({ name: String(i), match, direct_response: { status: 200 } }));
  const json = { name: 'routes', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] };
  return new RouteTable(requireValue(decodeRouteConfiguration(json), 'routes'));
}

function find(table: RouteTable, path: string): string | undefined {
  const head = new RequestHead();
  head.method = 'GET';
  head.path = path;
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
        const path = pathOf();
        const first = oneByOne.findIndex((table) => find(table, path) !== undefined);
        expect([path, find(indexed, path)]).toEqual([path, first < 0 ? undefined : String(first)]);
      }
    }
  });
});
