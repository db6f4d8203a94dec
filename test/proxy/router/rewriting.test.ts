import { expect, test } from 'vitest';
import type { Route } from '../../../proxy/api/envoy.gen.ts';
import { Backend, echoOf } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';

async function proxyWith(route: Route): Promise<ProxyParts> {
  const backend = closeAfterTest(await Backend.start('backend'));
  const clusters = [staticCluster('backend', [backend.port])];
  return closeAfterTest(new ProxyParts({ routes: routeConfiguration([route]), clusters })).start();
}

test('a rewritten request is written anew: path, Host, and headers of its connection', async () => {
  const proxy = await proxyWith(
    routeTo(
      'backend',
      { prefix_rewrite: '/b', host_rewrite_literal: 'other.com' },
      {
        match: { prefix: '/a' },
        request_headers_to_add: [
          { header: { key: 'x-from', value: '%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%' } },
          { header: { key: 'x-to', value: '%DOWNSTREAM_LOCAL_ADDRESS%' } },
          { header: { key: 'x-at', value: '%START_TIME%' } },
        ],
        response_headers_to_add: [{ header: { key: 'x-took', value: '%RESPONSE_CODE% %PROTOCOL%' } }],
      },
    ),
  );
  const answer = await call(proxy.port(), { method: 'POST', path: '/a/c?d=e', body: 'hello' });
  const echo = echoOf(answer);
  expect(echo).toMatchObject({ url: '/b/c?d=e', body: 'hello' });
  expect(echo.headers).toMatchObject({
    host: 'other.com',
    'x-envoy-original-path': '/a/c?d=e',
    'x-from': '127.0.0.1',
    'x-to': `127.0.0.1:${proxy.port()}`,
  });
  expect(echo.headers['x-at']).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(Math.abs(Date.parse(String(echo.headers['x-at'])) - Date.now())).toBeLessThan(60_000);
  expect(answer.headers['x-took']).toBe('200 HTTP/1.1');
});

test('a redirect ends a request with a body, and the connection goes on', async () => {
  const proxy = await proxyWith({ match: { prefix: '/' }, redirect: { https_redirect: true, port_redirect: 8443 } });
  for (let i = 0; i < 2; i++) {
    const answer = await call(proxy.port(), { method: 'POST', path: '/a?b', body: 'x'.repeat(100_000) });
    expect([answer.status, answer.headers['location'], answer.body]).toEqual([301, 'https://test:8443/a?b', '']);
  }
});

test('a direct response may be bytes that are no text', async () => {
  const proxy = await proxyWith({
    match: { prefix: '/' },
    direct_response: { status: 200, body: { inline_bytes: Buffer.from([0, 255, 10]).toString('base64') } },
  });
  const answer = await call(proxy.port());
  expect([answer.status, answer.headers['content-length']]).toEqual([200, '3']);
});
