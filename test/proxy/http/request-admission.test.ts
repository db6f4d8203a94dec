import { describe, expect, test } from 'vitest';
import type { HttpConnectionManager } from '../../../proxy/api/envoy.gen.ts';
import { EdgeProxy } from './edge-request.ts';

const paths = (
  path_with_escaped_slashes_action: NonNullable<HttpConnectionManager['path_with_escaped_slashes_action']>,
): EdgeProxy => new EdgeProxy({ normalize_path: true, merge_slashes: true, path_with_escaped_slashes_action });

describe('R10: a path with escaped slashes', () => {
  test('stays as it is unless something else is asked for', () => {
    const seen = paths('KEEP_UNCHANGED').send({ path: '/a%2Fb%5c' });
    expect(seen).toMatchObject({ status: 200, path: '/a%2Fb%5c' });
  });

  test('is refused', () => {
    const proxy = paths('REJECT_REQUEST');
    for (const path of ['/a%2Fb', '/a%2fb', '/a%5Cb', '/a%5cb']) {
      expect(proxy.send({ path })).toMatchObject({
        status: 400,
        headers: undefined,
        details: 'path_normalization_failed',
      });
    }
    expect(proxy.stat('http.test.downstream_rq_failed_path_normalization')).toBe(4);
    expect(proxy.send({ path: '/a%2' }).status).toBe(200);
  });

  test('is sent back in the form that is meant, once', () => {
    const proxy = paths('UNESCAPE_AND_REDIRECT');
    const seen = proxy.send({ path: '/a%2Fb%5cc//d/..%2fe?x=%2f' });
    expect(seen).toMatchObject({ status: 307, headers: undefined, details: 'path_normalization_failed' });
    expect(seen.answer['location']).toBe('/a/b/c/e?x=%2f');
    expect(proxy.send({ path: '/a/b/c/e?x=%2f' })).toMatchObject({ status: 200, path: '/a/b/c/e?x=%2f' });
    expect(proxy.stat('http.test.downstream_rq_redirected_with_normalized_path')).toBe(1);
  });

  test('goes on in the form that is meant', () => {
    const proxy = paths('UNESCAPE_AND_FORWARD');
    expect(proxy.send({ path: '/public%2f..%2Fadmin' })).toMatchObject({ status: 200, path: '/admin' });
    const plain = new EdgeProxy({ path_with_escaped_slashes_action: 'UNESCAPE_AND_FORWARD' });
    expect(plain.send({ path: '/a%2F%2Fb%5C?%2f' }).path).toBe('/a//b\\?%2f');
  });

  test('with a redirect stays on the host that was asked for', () => {
    const seen = paths('UNESCAPE_AND_REDIRECT').send({ path: '/%2F/evil.example' });
    expect(seen.answer['location']).toBe('/evil.example');
    const unmerged = new EdgeProxy({ path_with_escaped_slashes_action: 'UNESCAPE_AND_REDIRECT' });
    expect(unmerged.send({ path: '/%2Fevil.example' }).answer['location']).toBe('/evil.example');
  });
});

describe('R10: a header name with an underscore', () => {
  const names = (headers_with_underscores_action: 'ALLOW' | 'REJECT_REQUEST' | 'DROP_HEADER'): EdgeProxy =>
    new EdgeProxy({ common_http_protocol_options: { headers_with_underscores_action } });
  const headers = ['x_user: root', 'x-user: a', 'y: a_b', 'z_: 1'];

  test('is let through unless something else is asked for', () => {
    expect(names('ALLOW').send({ headers }).headers).toMatchObject({ x_user: 'root', 'x-user': 'a', z_: '1' });
  });

  test('is refused, which an underscore elsewhere is not', () => {
    const proxy = names('REJECT_REQUEST');
    expect(proxy.send({ headers })).toMatchObject({
      status: 400,
      headers: undefined,
      details: 'http1.unexpected_underscore',
    });
    expect(proxy.stat('http1.requests_rejected_with_underscores_in_headers')).toBe(1);
    expect(proxy.send({ path: '/a_b', headers: ['y: a_b'] }).status).toBe(200);
  });

  test('is left out', () => {
    const proxy = names('DROP_HEADER');
    const seen = proxy.send({ headers }).headers;
    expect(seen).toMatchObject({ 'x-user': 'a', y: 'a_b' });
    expect(seen).not.toHaveProperty('x_user');
    expect(seen).not.toHaveProperty('z_');
    expect(proxy.stat('http1.dropped_headers_with_underscores')).toBe(2);
  });
});
