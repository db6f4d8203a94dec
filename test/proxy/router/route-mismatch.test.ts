import { describe, expect, test } from 'vitest';
import type { RouteMatch } from '../../../proxy/api/envoy.gen.ts';
import { decodeRouteConfiguration } from '../../../proxy/api/route-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { HeaderName } from '../../../proxy/http/header-name.ts';
import { RequestHead } from '../../../proxy/http/message-head.ts';
import { compileConditions } from '../../../proxy/router/route-match.ts';
import { describeMismatch } from '../../../proxy/router/route-mismatch.ts';

function mismatchOf(match: RouteMatch): string | undefined {
  const routes = [{ match, direct_response: { status: 200 } }];
  const config = decodeRouteConfiguration({ name: 'r', virtual_hosts: [{ name: 'v', domains: ['*'], routes }] });
  const decoded = requireValue(config, 'routes').virtualHosts[0]?.routes[0];
  if (decoded === undefined) throw new Error('there is one route');
  const head = new RequestHead();
  head.method = 'GET';
  head.path = '/a/b?q=1';
  head.headers.add(new HeaderName('user'), 'ann');
  return describeMismatch(compileConditions(decoded.match), head);
}

describe('why a route does not match', () => {
  test.each<[RouteMatch, string | undefined]>([
    [{ prefix: '/a', headers: [{ name: 'user', string_match: { exact: 'ann' } }] }, undefined],
    [{ prefix: '/b' }, 'path: expected prefix "/b", the request has "/a/b"'],
    [{ path: '/A', case_sensitive: false }, 'path: expected exact "/A" in any case, the request has "/a/b"'],
    [{ safe_regex: { regex: '/x.*' } }, 'path: expected regex "/x.*", the request has "/a/b"'],
    [
      { prefix: '/', headers: [{ name: ':method', string_match: { exact: 'POST' } }] },
      'method: expected exact "POST", the request has "GET"',
    ],
    [
      { prefix: '/', headers: [{ name: 'user', string_match: { prefix: 'b' } }] },
      'header user: expected prefix "b", the request has "ann"',
    ],
    [
      { prefix: '/', headers: [{ name: 'user', string_match: { exact: 'ann' }, invert_match: true }] },
      'header user: expected anything but exact "ann", the request has "ann"',
    ],
    [{ prefix: '/', headers: [{ name: 'x', present_match: true }] }, 'no header x'],
    [
      { prefix: '/', headers: [{ name: 'user', present_match: true, invert_match: true }] },
      'header user: expected none, the request has "ann"',
    ],
    [{ prefix: '/', query_parameters: [{ name: 'p', present_match: true }] }, 'no query parameter p'],
    [
      { prefix: '/', query_parameters: [{ name: 'q', string_match: { exact: '2' } }] },
      'query parameter q: expected exact "2", the request has "1"',
    ],
  ])('%j', (match, expected) => {
    expect(mismatchOf(match)).toBe(expected);
  });
});
