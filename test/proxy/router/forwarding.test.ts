import { describe, expect, test } from 'vitest';
import type { RouteConfiguration } from '../../../proxy/api/envoy.gen.ts';
import { Backend, echoOf } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { ProxyParts } from '../../support/proxy-parts.ts';
import { RawBackend } from '../../support/raw-backend.ts';
import { RawClient } from '../../support/raw-client.ts';

async function proxyTo(backends: readonly Backend[], routes: RouteConfiguration): Promise<ProxyParts> {
  const clusters = backends.map(({ name, port }) => staticCluster(name, [port]));
  return closeAfterTest(new ProxyParts({ routes, clusters })).start();
}

const startBackend = async (name = 'backend'): Promise<Backend> => closeAfterTest(await Backend.start(name));

test('a request arrives with its method, path, headers and body, and the answer comes back', async () => {
  const proxy = await proxyTo([await startBackend()], routeConfiguration([routeTo('backend', {}, { name: 'only' })]));
  const answer = await call(proxy.port(), { method: 'POST', path: '/a?b=c', headers: { 'x-one': '1' }, body: 'hello' });
  expect(answer.status).toBe(200);
  expect(echoOf(answer)).toMatchObject({
    method: 'POST',
    url: '/a?b=c',
    body: 'hello',
    headers: { host: 'test', 'x-one': '1', 'content-length': '5', 'x-forwarded-proto': 'http' },
  });
  expect(proxy.finished).toMatchObject([
    { status: 200, flag: '-', requestBytes: 5, cluster: 'backend', routeName: 'only' },
  ]);
});

test('a body of many megabytes arrives whole, both ways', async () => {
  const backend = await startBackend();
  backend.respond = (request, response) => void request.pipe(response);
  const proxy = await proxyTo([backend], routeConfiguration([routeTo('backend')]));
  const body = Buffer.alloc(5_000_000, 'abcdefghij');
  const answer = await call(proxy.port(), { method: 'POST', body });
  expect(answer.body === body.toString()).toBe(true);
  expect(proxy.finished).toMatchObject([{ requestBytes: 5_000_000, responseBytes: 5_000_000 }]);
});

test('a weighted route shares requests between its clusters', async () => {
  const backends = [await startBackend('a'), await startBackend('b')];
  const clusters = [
    { name: 'a', weight: 1 },
    { name: 'b', weight: 3 },
  ];
  const proxy = await proxyTo(
    backends,
    routeConfiguration([{ match: { prefix: '/' }, route: { weighted_clusters: { clusters } } }]),
  );
  for (let i = 0; i < 200; i++) expect((await call(proxy.port())).status).toBe(200);
  expect(backends[0]!.requests + backends[1]!.requests).toBe(200);
  expect(Math.abs(backends[0]!.requests - 50)).toBeLessThan(20);
});

test('routes of one virtual host lead to different clusters', async () => {
  const proxy = await proxyTo(
    [await startBackend('exact'), await startBackend('header'), await startBackend('rest')],
    routeConfiguration([
      routeTo('exact', {}, { match: { path: '/exact' } }),
      routeTo('header', {}, { match: { prefix: '/', headers: [{ name: 'user', string_match: { exact: 'ann' } }] } }),
      routeTo('rest'),
    ]),
  );
  const nameOf = async (path: string, headers = {}): Promise<string> =>
    echoOf(await call(proxy.port(), { path, headers })).name;
  expect(await nameOf('/exact')).toBe('exact');
  expect(await nameOf('/', { user: 'ann' })).toBe('header');
  expect(await nameOf('/', { user: 'bob' })).toBe('rest');
});

describe('a direct response', () => {
  const direct = (status: number, text = ''): RouteConfiguration =>
    routeConfiguration([
      {
        name: 'direct',
        match: { prefix: '/' },
        direct_response: { status, ...(text === '' ? {} : { body: { inline_string: text } }) },
        response_headers_to_add: [{ header: { key: 'x-route', value: 'yes' } }],
      },
    ]);

  test("is the configured status and text, with the route's response headers and without a flag", async () => {
    const proxy = await proxyTo([], direct(418, 'short and stout'));
    const answer = await call(proxy.port());
    expect(answer).toMatchObject({ status: 418, body: 'short and stout', headers: { 'x-route': 'yes' } });
    expect(answer.headers).not.toHaveProperty('x-heddle-reason');
    expect(proxy.finished).toMatchObject([{ status: 418, flag: '-', routeName: 'direct' }]);
  });

  test.each([204, 304])('of status %i has neither a body nor a length', async (status) => {
    const proxy = await proxyTo([], direct(status, 'never sent'));
    const answer = await call(proxy.port());
    expect(answer).toMatchObject({ status, body: '' });
    expect(answer.headers).not.toHaveProperty('content-length');
  });

  test('to HEAD has the length of the text and no text', async () => {
    const proxy = await proxyTo([], direct(200, 'four'));
    expect(await call(proxy.port(), { method: 'HEAD' })).toMatchObject({
      status: 200,
      body: '',
      headers: { 'content-length': '4' },
    });
  });
});

describe('header rules', () => {
  const add = (
    key: string,
    value: string,
    append_action: 'APPEND_IF_EXISTS_OR_ADD' | 'OVERWRITE_IF_EXISTS_OR_ADD',
  ) => ({
    header: { key, value },
    append_action,
  });
  const append = (key: string, value: string) => add(key, value, 'APPEND_IF_EXISTS_OR_ADD');
  const overwrite = (key: string, value: string) => add(key, value, 'OVERWRITE_IF_EXISTS_OR_ADD');

  test('apply in the order route, virtual host, route configuration, to requests and responses', async () => {
    const backend = await startBackend();
    const proxy = await proxyTo([backend], {
      name: 'routes',
      request_headers_to_add: [append('x-order', 'table'), overwrite('x-last', 'table')],
      response_headers_to_add: [append('x-answer', 'table')],
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          request_headers_to_add: [append('x-order', 'host'), overwrite('x-last', 'host')],
          response_headers_to_add: [append('x-answer', 'host')],
          routes: [
            routeTo(
              'backend',
              {},
              {
                request_headers_to_add: [append('x-order', 'route'), overwrite('x-last', 'route')],
                response_headers_to_add: [append('x-answer', 'route')],
              },
            ),
          ],
        },
      ],
    });
    const answer = await call(proxy.port(), { headers: { 'x-order': 'client', 'x-last': 'client' } });
    expect(echoOf(answer).headers).toMatchObject({ 'x-order': 'client, route, host, table', 'x-last': 'table' });
    expect(answer.headers['x-answer']).toBe('route, host, table');
  });

  test('remove before they add, at each level', async () => {
    const backend = await startBackend();
    backend.respond = (request, response) => {
      response.setHeader('x-secret', 'of the application');
      response.end(JSON.stringify({ headers: request.headers }));
    };
    const proxy = await proxyTo(
      [backend],
      routeConfiguration([routeTo('backend', {}, { request_headers_to_add: [append('x-user', 'ann')] })], {
        request_headers_to_remove: ['x-user', 'x-gone'],
        request_headers_to_add: [append('x-user', 'proxy')],
        response_headers_to_remove: ['x-secret'],
      }),
    );
    const answer = await call(proxy.port(), { headers: { 'X-User': 'client', 'X-Gone': '1' } });
    expect(answer.headers).not.toHaveProperty('x-secret');
    expect(echoOf(answer).headers).toMatchObject({ 'x-user': 'proxy' });
    expect(echoOf(answer).headers).not.toHaveProperty('x-gone');
  });

  test('fill in what is absent, or change only what is there', async () => {
    const backend = await startBackend();
    const rules = ['ADD_IF_ABSENT', 'OVERWRITE_IF_EXISTS'] as const;
    const proxy = await proxyTo(
      [backend],
      routeConfiguration([
        routeTo(
          'backend',
          {},
          {
            request_headers_to_add: rules.map((append_action) => ({
              header: { key: `x-${append_action.toLowerCase().replaceAll('_', '-')}`, value: 'proxy' },
              append_action,
            })),
          },
        ),
      ]),
    );
    const headersFor = async (headers: Record<string, string>) => echoOf(await call(proxy.port(), { headers })).headers;
    expect(await headersFor({})).toMatchObject({ 'x-add-if-absent': 'proxy' });
    expect(await headersFor({})).not.toHaveProperty('x-overwrite-if-exists');
    expect(await headersFor({ 'x-add-if-absent': 'client', 'x-overwrite-if-exists': 'client' })).toMatchObject({
      'x-add-if-absent': 'client',
      'x-overwrite-if-exists': 'proxy',
    });
  });

  test('are for local replies too that report an error', async () => {
    const proxy = await proxyTo(
      [],
      routeConfiguration([routeTo('gone', {}, { response_headers_to_add: [append('x-route', 'yes')] })]),
    );
    const answer = await call(proxy.port());
    expect(answer.status).toBe(503);
    expect(answer.headers['x-route']).toBe('yes');
  });
});

test('the upstream service time is the one that this hop measured, once', async () => {
  const backend = await startBackend();
  backend.respond = (_request, response) => {
    response.setHeader('x-envoy-upstream-service-time', ['99999', 'forged by the application']);
    response.end();
  };
  const proxy = await proxyTo([backend], routeConfiguration([routeTo('backend')]));
  const { headers } = await call(proxy.port());
  expect(headers['x-envoy-upstream-service-time']).toMatch(/^\d{1,4}$/);
});

test('a response that would end with its connection, and is reset together with its last bytes, is no whole one', async () => {
  const backend = closeAfterTest(new RawBackend());
  await backend.start();
  const clusters = [staticCluster('backend', [backend.port])];
  const proxy = await closeAfterTest(
    new ProxyParts({ routes: routeConfiguration([routeTo('backend')]), clusters }),
  ).start();
  backend.onRequest = (connection) => {
    connection.send('HTTP/1.1 200 OK\r\n\r\na part');
    connection.socket.resetAndDestroy();
  };
  const client = closeAfterTest(await RawClient.connect(proxy.port()));
  client.send('GET / HTTP/1.1\r\nhost: a\r\n\r\n');
  await client.untilOver();
  // Without the last chunk nobody takes it for whole.
  expect(client.text).not.toContain('\r\n0\r\n\r\n');
  expect(proxy.finished).toMatchObject([{ flag: 'UC' }]);
});
