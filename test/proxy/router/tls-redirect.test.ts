import { describe, expect, test } from 'vitest';
import type { RouteConfiguration, VirtualHost } from '../../../proxy/api/envoy.gen.ts';
import { decodeRouteConfiguration } from '../../../proxy/api/route-decoder.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { HeaderName } from '../../../proxy/http/header-name.ts';
import { RequestHead } from '../../../proxy/http/message-head.ts';
import { RouteTable } from '../../../proxy/router/route-table.ts';
import { Backend } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';

const table = (host: VirtualHost, rest: RouteConfiguration = {}): RouteTable =>
  new RouteTable(
    requireValue(
      decodeRouteConfiguration({
        virtual_hosts: [{ name: 'shop', domains: ['shop.example.com'], routes: [routeTo('shop')], ...host }],
        ...rest,
      }),
      'routes',
    ),
  );

function request(authority: string, headers: Readonly<Record<string, string>> = {}): RequestHead {
  const head = new RequestHead();
  Object.assign(head, { method: 'GET', path: '/cart?a=b', authority });
  for (const [name, value] of Object.entries(headers)) head.headers.add(new HeaderName(name), value);
  return head;
}

const kindOf = (routes: RouteTable, head: RequestHead): string | undefined => routes.match(head)?.action.kind;

describe('a virtual host that requires TLS', () => {
  const plain = request('shop.example.com', { 'x-forwarded-proto': 'http' });
  const secure = request('shop.example.com', { 'x-forwarded-proto': 'https' });

  test('sends plain requests to the same place by https, whatever its routes are', () => {
    const routes = table({ require_tls: 'ALL' });
    const route = routes.match(plain);
    expect(route?.action).toMatchObject({ kind: 'redirect', status: 301 });
    expect(route?.redirect?.(plain)).toBe('https://shop.example.com/cart?a=b');
    expect(kindOf(table({ require_tls: 'ALL', routes: [] }), plain)).toBe('redirect');
    expect(kindOf(routes, secure)).toBe('route');
    expect(kindOf(table({}), plain)).toBe('route');
  });

  test('of outsiders only, serves the mesh as it comes', () => {
    const routes = table({ require_tls: 'EXTERNAL_ONLY' });
    expect(kindOf(routes, plain)).toBe('redirect');
    expect(kindOf(routes, secure)).toBe('route');
    const inside = request('shop.example.com', { 'x-forwarded-proto': 'http', 'x-envoy-internal': 'true' });
    expect(kindOf(routes, inside)).toBe('route');
    expect(kindOf(table({ require_tls: 'ALL' }), inside)).toBe('redirect');
  });

  test('answers 301 over the wire', async () => {
    const backend = closeAfterTest(await Backend.start());
    const host: VirtualHost = { name: 'all', domains: ['*'], require_tls: 'ALL', routes: [routeTo('backend')] };
    const proxy = await closeAfterTest(
      new ProxyParts({
        routes: { virtual_hosts: [host] },
        clusters: [staticCluster('backend', [backend.port])],
      }),
    ).start();
    const answer = await call(proxy.port(), { path: '/a?b', headers: { host: 'shop.example.com:8080' } });
    expect(answer.status).toBe(301);
    expect(answer.headers['location']).toBe('https://shop.example.com:8080/a?b');
    const trusted = await call(proxy.port(), { headers: { 'x-forwarded-proto': 'https' } });
    expect(trusted.status).toBe(200);
  });
});

describe('a route configuration that ignores ports', () => {
  test('finds virtual hosts by the name alone', () => {
    const routes = table({ domains: ['shop.example.com', '[::1]'] }, { ignore_port_in_host_matching: true });
    for (const host of ['shop.example.com', 'shop.example.com:8080', 'SHOP.example.com:80', '[::1]:80', '[::1]']) {
      expect(kindOf(routes, request(host)), host).toBe('route');
    }
    expect(kindOf(routes, request('other.example.com:8080'))).toBeUndefined();
    expect(routes.virtualHostOf('shop.example.com:8080')?.domain).toBe('shop.example.com');
  });

  test('which no other does', () => {
    expect(kindOf(table({}), request('shop.example.com:8080'))).toBeUndefined();
  });
});
