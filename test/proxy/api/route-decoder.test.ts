import { describe, expect, test } from 'vitest';
import type {
  HeaderMatcher,
  HeaderValueOption,
  RedirectAction,
  Route,
  RouteAction,
  RouteConfiguration,
  RouteMatch,
} from '../../../proxy/api/envoy.gen.ts';
import { readJson } from '../../../proxy/api/protojson.ts';
import { decodeRouteConfiguration } from '../../../proxy/api/route-decoder.ts';
import { formatFieldErrors, requireValue } from '../../../proxy/common/decoded.ts';
import { routeConfigurationJson, routeJson } from './samples.ts';

const none = { requestAdd: [], requestRemove: [], responseAdd: [], responseRemove: [] };

function decode(json: RouteConfiguration) {
  return decodeRouteConfiguration(requireValue(readJson('envoy.config.route.v3.RouteConfiguration', json), 'sample'));
}

function withRoute(route: Route): RouteConfiguration {
  return { name: 'r', virtual_hosts: [{ name: 'all', domains: ['*'], routes: [route] }] };
}

function decodedRoute(route: Route) {
  const { value, errors } = decode(withRoute(route));
  if (value === undefined) throw new Error(formatFieldErrors(errors));
  return value.virtualHosts[0]?.routes[0];
}

const decodedMatch = (match: RouteMatch) => decodedRoute({ ...routeJson('c'), match })?.match;
const decodedAction = (route: RouteAction) => decodedRoute({ match: { prefix: '/' }, route })?.action;

function faults(json: RouteConfiguration): string[] {
  return formatFieldErrors(decode(json).errors ?? []).split('\n');
}

/** Faults of a route, with paths that start there. */
function routeFaults(route: Route): string[] {
  return faults(withRoute(route)).map((fault) => fault.replace(/^virtual_hosts\[0\]\.routes\[0\]\.?/, ''));
}

test('a route has the defaults of Envoy', () => {
  expect(decode(routeConfigurationJson('r', 'c'))).toMatchObject({
    value: {
      name: 'r',
      headers: none,
      virtualHosts: [
        {
          name: 'all',
          domains: ['*'],
          headers: none,
          routes: [
            {
              name: '',
              headers: none,
              match: { path: { kind: 'prefix', value: '/', caseSensitive: true }, headers: [], queryParameters: [] },
              action: {
                kind: 'route',
                clusters: [{ name: 'c', weight: 1, headers: none }],
                timeoutMs: 15_000,
                retryPolicy: undefined,
              },
            },
          ],
        },
      ],
    },
  });
});

describe('a route match', () => {
  test.each<[RouteMatch, object]>([
    [{ prefix: '' }, { kind: 'prefix', value: '', caseSensitive: true }],
    [
      { path: '/a', case_sensitive: false },
      { kind: 'path', value: '/a', caseSensitive: false },
    ],
    [{ safe_regex: { regex: '/a.*', google_re2: {} } }, { kind: 'safe_regex', regex: '/a.*' }],
  ])('on the path: %j', (match, path) => {
    expect(decodedMatch(match)?.path).toEqual(path);
  });

  const string = (matcher: object) => ({ kind: 'string', matcher });
  test.each<[HeaderMatcher, object]>([
    [{ exact_match: '' }, string({ kind: 'exact', value: '', ignoreCase: false })],
    [{ prefix_match: 'a' }, string({ kind: 'prefix', value: 'a', ignoreCase: false })],
    [{ suffix_match: 'a' }, string({ kind: 'suffix', value: 'a', ignoreCase: false })],
    [{ contains_match: 'a' }, string({ kind: 'contains', value: 'a', ignoreCase: false })],
    [{ safe_regex_match: { regex: '^.+$' } }, string({ kind: 'safe_regex', regex: '^.+$' })],
    [{ string_match: { exact: 'a', ignore_case: true } }, string({ kind: 'exact', value: 'a', ignoreCase: true })],
    [{ string_match: { contains: 'a' } }, string({ kind: 'contains', value: 'a', ignoreCase: false })],
    [{ string_match: { safe_regex: { regex: 'a|b' } } }, string({ kind: 'safe_regex', regex: 'a|b' })],
    [{ present_match: true }, { kind: 'present', isPresent: true }],
    [{ present_match: false }, { kind: 'present', isPresent: false }],
    [{}, { kind: 'present', isPresent: true }],
  ])('on a header: %j', (matcher, condition) => {
    const match = decodedMatch({ prefix: '/', headers: [{ name: 'TestUser', ...matcher }] });
    expect(match?.headers).toEqual([
      { name: 'testuser', condition, invertMatch: false, treatMissingHeaderAsEmpty: false },
    ]);
  });

  test('may be turned round, and may take a missing header as empty', () => {
    const headers = [{ name: 'a', exact_match: 'x', invert_match: true, treat_missing_header_as_empty: true }];
    expect(decodedMatch({ prefix: '/', headers })?.headers[0]).toMatchObject({
      invertMatch: true,
      treatMissingHeaderAsEmpty: true,
    });
  });

  test.each<[RouteMatch, string]>([
    [{}, 'match: must have one of prefix, path and safe_regex'],
    [
      { safe_regex: { regex: '(' } },
      'match.safe_regex.regex: must be an RE2 expression: error parsing regexp: missing closing ): `(`',
    ],
    [{ safe_regex: {} }, 'match.safe_regex.regex: must be set'],
    [{ path_separated_prefix: '/a' }, 'match: must have one of prefix, path and safe_regex'],
    [{ prefix: '/', query_parameters: [{}] }, 'match.query_parameters[0].name: must be set'],
    [
      { prefix: '/', query_parameters: [{ name: 'a', present_match: false }] },
      'match.query_parameters[0].present_match: false is not supported, only true is',
    ],
    [{ prefix: '/', headers: [{ exact_match: 'a' }] }, 'match.headers[0].name: must be set'],
    [{ prefix: '/', headers: [{ name: 'a', prefix_match: '' }] }, 'match.headers[0].prefix_match: must be set'],
    [
      { prefix: '/', headers: [{ name: 'a', range_match: { start: 1 } }] },
      'match.headers[0].range_match: is not supported',
    ],
    [
      { prefix: '/', headers: [{ name: 'a', string_match: {} }] },
      'match.headers[0].string_match: must have one of exact, prefix, suffix, contains and safe_regex',
    ],
  ])('%j is refused', (match, fault) => {
    expect(routeFaults({ ...routeJson('c'), match })[0]).toBe(fault);
  });
});

test('a condition on a parameter of the query is one on its value or on its presence', () => {
  const query_parameters = [{ name: 'a' }, { name: 'B', string_match: { exact: '' } }];
  expect(decodedMatch({ prefix: '/', query_parameters })?.queryParameters).toEqual([
    { name: 'a', matcher: undefined },
    { name: 'B', matcher: { kind: 'exact', value: '', ignoreCase: false } },
  ]);
});

describe('a route action', () => {
  test('splits by weight and leaves out clusters without any', () => {
    const clusters = [{ name: 'v1', weight: 95 }, { name: 'v2', weight: 5 }, { name: 'v3', weight: 0 }, { name: 'v4' }];
    expect(decodedAction({ weighted_clusters: { clusters, total_weight: 100 } })).toMatchObject({
      clusters: [
        { name: 'v1', weight: 95 },
        { name: 'v2', weight: 5 },
      ],
    });
  });

  test('without a timeout never times out, with a policy it retries once unless told otherwise', () => {
    expect(
      decodedAction({ cluster: 'c', timeout: '0s', retry_policy: { retry_on: 'reset, connect-failure' } }),
    ).toMatchObject({
      kind: 'route',
      clusters: [{ name: 'c', weight: 1 }],
      timeoutMs: 0,
      retryPolicy: { retryOn: new Set(['reset', 'connect-failure']), numRetries: 1 },
    });
    expect(decodedAction({ cluster: 'c', retry_policy: { num_retries: 0 } })).toMatchObject({
      retryPolicy: { retryOn: new Set(), numRetries: 0 },
    });
  });

  test.each<[RouteAction, string[]]>([
    [{}, ['route: must have one of cluster and weighted_clusters']],
    [{ cluster: '' }, ['route.cluster: must be set']],
    [{ weighted_clusters: {} }, ['route.weighted_clusters.clusters: must have a sum of weights above 0']],
    [
      { weighted_clusters: { clusters: [{ name: 'a', weight: 1 }], total_weight: 100 } },
      ['route.weighted_clusters.total_weight: must be the sum of the weights, 1, got 100'],
    ],
    [
      { weighted_clusters: { clusters: Array.from({ length: 2 }, () => ({ name: 'a', weight: 2 ** 32 - 1 })) } },
      ['route.weighted_clusters.clusters: must have a sum of weights below 2^32, got 8589934590'],
    ],
    [
      { cluster: 'c', retry_policy: { retry_priority: {} }, hedge_policy: { initial_requests: 2 } },
      [
        'route.retry_policy.retry_priority.name: must be set',
        'route.retry_policy.retry_priority.typed_config: must be set',
        'route.hedge_policy.initial_requests: 2 is not supported, only 1 is',
      ],
    ],
    [
      {
        cluster: 'c',
        prefix_rewrite: '/x y',
        hash_policy: [{ terminal: true }],
      },
      [
        'route.prefix_rewrite: must be printable ASCII without spaces, got "/x y"',
        'route.hash_policy[0]: must have one of header, cookie, connection_properties and query_parameter',
      ],
    ],
  ])('%j is refused', (route, expected) => {
    expect(routeFaults({ match: { prefix: '/' }, route }).sort()).toEqual(expected.sort());
  });

  test('may be a direct response', () => {
    const response = (body: object) =>
      decodedRoute({ match: { prefix: '/' }, direct_response: { status: 418, body } })?.action;
    expect(response({ inline_string: 'hé' })).toEqual({
      kind: 'direct_response',
      status: 418,
      body: Buffer.from('hé'),
    });
    expect(response({ inline_bytes: 'aMOp' })).toEqual({
      kind: 'direct_response',
      status: 418,
      body: Buffer.from('hé'),
    });
    expect(response({ inline_bytes: '/wA=' })).toMatchObject({ body: Buffer.from([255, 0]) });
  });

  test.each<[Route, string[]]>([
    [{ match: { prefix: '/' } }, [': must have one of route, redirect and direct_response']],
    [
      { match: { prefix: '/' }, redirect: { host_redirect: 'a\r\nb' } },
      ['redirect.host_redirect: must be printable ASCII without spaces, got "a\\r\\nb"'],
    ],
    [{ route: { cluster: 'c' } }, ['match: must be set']],
    [
      { match: { prefix: '/' }, direct_response: { status: 99 } },
      ['direct_response.status: must be from 200 to 599, got 99'],
    ],
    [
      { match: { prefix: '/' }, direct_response: { status: 200, body: { inline_string: 'é'.repeat(2049) } } },
      ['direct_response.body: must have at most 4096 bytes, got 4098'],
    ],
    [
      { match: { prefix: '/' }, direct_response: { status: 200, body: { filename: '/x' } } },
      ['direct_response.body.filename: is not supported'],
    ],
  ])('%j is refused', (route, expected) => {
    expect(routeFaults(route)).toEqual(expected);
  });
});

describe('a rewrite', () => {
  test('replaces the matched path, occurrences of an expression, and the Host', () => {
    expect(decodedAction({ cluster: 'c', prefix_rewrite: '/x', host_rewrite_literal: 'b' })).toMatchObject({
      pathRewrite: { kind: 'prefix', replacement: '/x' },
      hostRewrite: 'b',
    });
    const regex_rewrite = { pattern: { regex: 'a(b)', google_re2: {} }, substitution: '\\1' };
    expect(decodedAction({ cluster: 'c', regex_rewrite })).toMatchObject({
      pathRewrite: { kind: 'regex', pattern: 'a(b)', substitution: '\\1' },
      hostRewrite: undefined,
    });
  });

  test.each<[RouteAction, string]>([
    [
      { regex_rewrite: { pattern: { regex: '(' }, substitution: '' } },
      'regex_rewrite: pattern must be an RE2 expression',
    ],
    [
      { regex_rewrite: { pattern: { regex: 'a' }, substitution: '\\1' } },
      'regex_rewrite: substitution must name one of 0',
    ],
    [{ regex_rewrite: { substitution: 'a' } }, 'regex_rewrite.pattern: must be set'],
    [
      { prefix_rewrite: '/', regex_rewrite: { pattern: { regex: 'a' }, substitution: 'b' } },
      'prefix_rewrite: excludes regex_rewrite: only one of them may be set',
    ],
    [{ host_rewrite_literal: 'a b' }, 'host_rewrite_literal: must be printable ASCII without spaces, got "a b"'],
    [{ host_rewrite_header: 'a' }, 'host_rewrite_header: is not supported'],
  ])('%j is refused', (route, fault) => {
    expect(routeFaults({ match: { prefix: '/' }, route: { cluster: 'c', ...route } }).join()).toContain(
      `route.${fault}`,
    );
  });
});

test('a redirect has the defaults of Envoy', () => {
  const redirect = (action: RedirectAction) => decodedRoute({ match: { prefix: '/' }, redirect: action })?.action;
  expect(redirect({ host_redirect: 'b' })).toEqual({
    kind: 'redirect',
    status: 301,
    host: 'b',
    scheme: undefined,
    port: undefined,
    path: undefined,
    stripQuery: false,
  });
  expect(
    redirect({
      https_redirect: true,
      port_redirect: 8443,
      prefix_rewrite: '/b',
      strip_query: true,
      response_code: 'FOUND',
    }),
  ).toMatchObject({
    status: 302,
    scheme: 'https',
    port: 8443,
    path: { kind: 'prefix', replacement: '/b' },
    stripQuery: true,
  });
});

describe('header mutations', () => {
  const add = (option: HeaderValueOption) =>
    decodedRoute({ ...routeJson('c'), request_headers_to_add: [option] })?.headers.requestAdd;

  test.each<[HeaderValueOption, object[]]>([
    [{ header: { key: 'X-A', value: 'v' } }, [{ name: 'x-a', value: 'v', appendAction: 'APPEND_IF_EXISTS_OR_ADD' }]],
    [
      { header: { key: 'x', value: '100%%' }, append_action: 'ADD_IF_ABSENT' },
      [{ name: 'x', value: '100%%', appendAction: 'ADD_IF_ABSENT' }],
    ],
    [
      { header: { key: 'x', value: 'v' }, append: false },
      [{ name: 'x', value: 'v', appendAction: 'OVERWRITE_IF_EXISTS_OR_ADD' }],
    ],
    [
      { header: { key: 'x', value: 'v' }, append: true },
      [{ name: 'x', value: 'v', appendAction: 'APPEND_IF_EXISTS_OR_ADD' }],
    ],
    [{ header: { key: 'x' } }, []],
    [
      { header: { key: 'x' }, keep_empty_value: true },
      [{ name: 'x', value: '', appendAction: 'APPEND_IF_EXISTS_OR_ADD', keepsEmptyValue: true }],
    ],
  ])('%j', (option, expected) => {
    expect(add(option)).toMatchObject(expected);
  });

  test('may remove, at every level', () => {
    const json = {
      ...routeConfigurationJson('r', 'c'),
      request_headers_to_remove: ['X-Secret'],
      response_headers_to_remove: ['Server'],
    };
    expect(decode(json).value?.headers).toEqual({ ...none, requestRemove: ['x-secret'], responseRemove: ['server'] });
  });

  test.each<[HeaderValueOption, string]>([
    [{}, 'header: must be set'],
    [{ header: { value: 'v' } }, 'header.key: must be set'],
    [{ header: { key: 'a b', value: 'v' } }, 'header.key: must be the name of a header field, got "a b"'],
    [{ header: { key: ':path', value: 'v' } }, 'header.key: must be the name of a header field, got ":path"'],
    [{ header: { key: 'Host', value: 'v' } }, 'header.key: must not change Host: it says where the request goes'],
    [
      { header: { key: 'content-length', value: '5' } },
      'header.key: must not change content-length: each hop frames bodies itself',
    ],
    [
      { header: { key: 'Transfer-Encoding', value: 'chunked' } },
      'header.key: must not change Transfer-Encoding: each hop frames bodies itself',
    ],
    [{ header: { key: 'a', value: '%NOBODY%' } }, 'header.value: has the variable %NOBODY%, which is not supported'],
    [{ header: { key: 'a', value: '%%%' } }, 'header.value: has a "%" that begins no variable; a percent sign is "%%"'],
    [{ header: { key: 'a', value: 'b\r\nc: d' } }, 'header.value: must be one line'],
    [
      { header: { key: 'a', value: 'v' }, append: true, append_action: 'ADD_IF_ABSENT' },
      'append: excludes append_action: only one of them may be set',
    ],
  ])('%j is refused', (option, fault) => {
    expect(routeFaults({ ...routeJson('c'), response_headers_to_add: [option] })).toEqual([
      `response_headers_to_add[0].${fault}`,
    ]);
  });
});

describe('virtual hosts', () => {
  test('are refused without domains, with doubtful ones, and when names or domains repeat in any case', () => {
    const virtual_hosts = [
      { name: 'a', domains: ['a.com', '*.b.com', 'c.*'] },
      { name: 'a', domains: ['A.com', 'x.*.com', '', '*x*'] },
      { name: 'b' },
    ];
    expect(faults({ virtual_hosts })).toEqual([
      'virtual_hosts[1].domains: must be names with at most one "*", at an end, got "x.*.com"',
      'virtual_hosts[1].domains: must be names with at most one "*", at an end, got ""',
      'virtual_hosts[1].domains: must be names with at most one "*", at an end, got "*x*"',
      'virtual_hosts[1].name: must be unique, got "a" again',
      'virtual_hosts[1].domains: must be unique, got "a.com" again',
      'virtual_hosts[2].domains: must name at least one domain',
    ]);
  });

  test('with what would change behaviour are refused', () => {
    const virtual_hosts = [{ name: 'a', domains: ['*'], include_attempt_count_in_response: true }];
    expect(faults({ virtual_hosts, validate_clusters: true, vhds: {} })).toEqual([
      'validate_clusters: true is not supported, only false is',
      'vhds: is not supported',
      'virtual_hosts[0].include_attempt_count_in_response: is not supported',
    ]);
  });
});
