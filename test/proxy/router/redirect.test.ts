import { expect, test } from 'vitest';
import type { PathMatch, RedirectAction } from '../../../proxy/api/route.ts';
import { HeaderName } from '../../../proxy/http/header-name.ts';
import { RequestHead } from '../../../proxy/http/message-head.ts';
import { compileRedirect } from '../../../proxy/router/redirect.ts';

const prefix = (value: string): PathMatch => ({ kind: 'prefix', value, caseSensitive: true });

const nothing: RedirectAction = {
  kind: 'redirect',
  status: 301,
  scheme: undefined,
  host: undefined,
  port: undefined,
  path: undefined,
  stripQuery: false,
};

function locationOf(action: Partial<RedirectAction>, url = 'http://a.com:8080/b/c?q=1', match = prefix('/b')): string {
  const [, authority = '', path = ''] = /^http:\/\/([^/]*)(.*)$/.exec(url) ?? [];
  const head = Object.assign(new RequestHead(), { authority, path });
  return compileRedirect({ ...nothing, ...action }, match)(head);
}

test.each<[Partial<RedirectAction>, string]>([
  [{ scheme: 'https' }, 'https://a.com:8080/b/c?q=1'],
  [{ host: 'b.com' }, 'http://b.com/b/c?q=1'],
  [{ port: 81 }, 'http://a.com:81/b/c?q=1'],
  [{ port: 80 }, 'http://a.com:80/b/c?q=1'],
  [{ scheme: 'https', port: 80 }, 'https://a.com:80/b/c?q=1'],
  [{ host: 'b.com:90' }, 'http://b.com:90/b/c?q=1'],
  [{ path: { kind: 'path', value: '/x' } }, 'http://a.com:8080/x?q=1'],
  [{ path: { kind: 'path', value: 'x' } }, 'http://a.com:8080/x?q=1'],
  [{ path: { kind: 'path', value: '/x' }, stripQuery: true }, 'http://a.com:8080/x'],
  [{ path: { kind: 'path', value: '/x?y' }, stripQuery: true }, 'http://a.com:8080/x?y'],
  [{ path: { kind: 'prefix', replacement: '/x' } }, 'http://a.com:8080/x/c?q=1'],
  [{ path: { kind: 'regex', pattern: '/(.)$', substitution: '/\\1\\1' } }, 'http://a.com:8080/b/cc?q=1'],
  [{ host: 'b.com', stripQuery: true }, 'http://b.com/b/c'],
])('%j leads to %s', (action, location) => {
  expect(locationOf(action)).toBe(location);
});

test('the port of a scheme that is left behind is left behind too', () => {
  expect(locationOf({ scheme: 'https' }, 'http://a.com:80/')).toBe('https://a.com/');
  expect(locationOf({ scheme: 'http', path: { kind: 'path', value: '/x' } }, 'http://a.com:80/')).toBe(
    'http://a.com:80/x',
  );
});

test('the scheme of a request is told by x-forwarded-proto', () => {
  const redirect = compileRedirect({ ...nothing, host: 'b.com' }, prefix('/b'));
  const locationFor = (proto: string): string => {
    const head = Object.assign(new RequestHead(), { authority: 'a.com:443', path: '/b' });
    head.headers.add(new HeaderName('x-forwarded-proto'), proto);
    return redirect(head);
  };
  expect(['https', 'http', 'gopher'].map((proto) => locationFor(proto))).toEqual([
    'https://b.com/b',
    'http://b.com/b',
    'http://b.com/b',
  ]);
});

test('an IPv6 address keeps its colons', () => {
  expect(locationOf({ port: 81 }, 'http://[::1]:8080/')).toBe('http://[::1]:81/');
  expect(locationOf({ port: 81 }, 'http://[::1]/')).toBe('http://[::1]:81/');
});
