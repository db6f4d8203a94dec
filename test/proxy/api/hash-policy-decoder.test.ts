import { describe, expect, test } from 'vitest';
import type { RouteAction } from '../../../proxy/api/envoy.gen.ts';
import { readJson } from '../../../proxy/api/protojson.ts';
import { decodeRouteConfiguration } from '../../../proxy/api/route-decoder.ts';
import { formatFieldErrors, requireValue } from '../../../proxy/common/decoded.ts';
import { routeConfiguration, routeTo } from '../../support/envoy-json.ts';

function decode(action: RouteAction) {
  const json = routeConfiguration([routeTo('a', action)]);
  return decodeRouteConfiguration(requireValue(readJson('envoy.config.route.v3.RouteConfiguration', json), 'sample'));
}

function hashOf(action: RouteAction): unknown {
  const decoded = requireValue(decode(action), 'route configuration').virtualHosts[0]?.routes[0]?.action;
  return decoded?.kind === 'route' ? decoded.hash : 'no route';
}

describe('hash policies', () => {
  test('are undefined when there are none', () => {
    expect(hashOf({})).toBeUndefined();
    expect(hashOf({ hash_policy: [] })).toBeUndefined();
  });

  test('name their keys in the order in which they count', () => {
    const hash_policy = [
      { header: { header_name: 'X-User' }, terminal: true },
      { query_parameter: { name: 'User' } },
      { connection_properties: { source_ip: true } },
      { cookie: { name: 'lb' } },
      { cookie: { name: 'lb', ttl: '1.5s', path: '/a', attributes: [{ name: 'Secure' }] } },
    ];
    expect(hashOf({ hash_policy })).toEqual({
      choosesCluster: false,
      policies: [
        { key: { kind: 'header', name: 'x-user' }, isTerminal: true },
        { key: { kind: 'query_parameter', name: 'User' }, isTerminal: false },
        { key: { kind: 'source_ip' }, isTerminal: false },
        { key: { kind: 'cookie', name: 'lb', ttlMs: undefined, path: '', attributes: [] }, isTerminal: false },
        {
          key: { kind: 'cookie', name: 'lb', ttlMs: 1_500, path: '/a', attributes: [{ name: 'Secure', value: '' }] },
          isTerminal: false,
        },
      ],
    });
  });

  test('may choose the weighted cluster too, and without any there is nothing to choose by', () => {
    const weighted_clusters = { clusters: [{ name: 'a', weight: 1 }], use_hash_policy: true };
    const hash_policy = [{ header: { header_name: 'a' } }];
    const base = { match: { prefix: '/' } };
    const hashWith = (action: RouteAction): unknown => {
      const json = routeConfiguration([{ ...base, route: action }]);
      const read = requireValue(readJson('envoy.config.route.v3.RouteConfiguration', json), 'sample');
      const action0 = requireValue(decodeRouteConfiguration(read), 'routes').virtualHosts[0]?.routes[0]?.action;
      return action0?.kind === 'route' ? action0.hash : 'no route';
    };
    expect(hashWith({ weighted_clusters, hash_policy })).toMatchObject({ choosesCluster: true });
    expect(hashWith({ weighted_clusters })).toBeUndefined();
  });

  test.each<[string, RouteAction, RegExp]>([
    ['without a key', { hash_policy: [{}] }, /hash_policy\[0\]: must have one of header/],
    ['of filter state', { hash_policy: [{ filter_state: { key: 'a' } }] }, /filter_state: is not supported/],
    ['of a header without name', { hash_policy: [{ header: {} }] }, /header\.header_name: must be set/],
    [
      'of a rewritten header',
      { hash_policy: [{ header: { header_name: 'a', regex_rewrite: { substitution: 'b' } } }] },
      /regex_rewrite: is not supported/,
    ],
    [
      'of a connection without its address',
      { hash_policy: [{ connection_properties: {} }] },
      /source_ip: must be true/,
    ],
    ['of a cookie without name', { hash_policy: [{ cookie: {} }] }, /cookie\.name: must be set/],
    ['of a cookie whose name ends it', { hash_policy: [{ cookie: { name: 'a;b' } }] }, /name: must be a token/],
    ['of a cookie whose path ends it', { hash_policy: [{ cookie: { name: 'a', path: '/;x' } }] }, /path: must have no/],
    [
      'of a cookie whose attribute breaks the line',
      { hash_policy: [{ cookie: { name: 'a', attributes: [{ name: 'b', value: 'c\r\nd' }] } }] },
      /attributes\[0\]\.value: must have no/,
    ],
    [
      'of a cookie with a negative ttl',
      { hash_policy: [{ cookie: { name: 'a', ttl: '-1s' } }] },
      /ttl: must not be neg/,
    ],
  ])('%s is refused', (_, action, message) => {
    expect(formatFieldErrors(decode(action).errors ?? [])).toMatch(message);
  });
});
