/** External authorization beside a real Envoy: the same service, the same requests, the same outcome. */
import { describe, expect, test } from 'vitest';
import { typeUrlOf } from '../../../proxy/api/discovery.ts';
import type { Cluster, ExtAuthz } from '../../../proxy/api/envoy.gen.ts';
import { AuthorizationServer, type Decide } from '../../support/authorization-server.ts';
import { echoOf } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { besideEnvoy, type FilterSetting, type StartFilter, startInHeddle } from '../../support/filter-beside-envoy.ts';
import { unusedPort } from '../../support/unused-port.ts';

const name = 'envoy.filters.http.ext_authz';
const perRouteType = typeUrlOf('envoy.extensions.filters.http.ext_authz.v3.ExtAuthzPerRoute');
const http2: Cluster = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': typeUrlOf('envoy.extensions.upstreams.http.v3.HttpProtocolOptions'),
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
};
const routes = routeConfiguration([
  {
    ...routeTo('application'),
    match: { prefix: '/off' },
    typed_per_filter_config: { [name]: { '@type': perRouteType, disabled: true } },
  },
  {
    ...routeTo('application'),
    match: { prefix: '/told' },
    typed_per_filter_config: {
      [name]: { '@type': perRouteType, check_settings: { context_extensions: { place: 'a' } } },
    },
  },
  routeTo('application'),
]);

interface Given {
  readonly config?: ExtAuthz;
  readonly port: number;
  readonly cluster?: Cluster;
}

function startFilter(start: StartFilter, { config = {}, port, cluster = {} }: Given): Promise<FilterSetting> {
  const typed_config = {
    '@type': typeUrlOf('envoy.extensions.filters.http.ext_authz.v3.ExtAuthz'),
    grpc_service: { envoy_grpc: { cluster_name: 'authz' }, timeout: '2s' },
    transport_api_version: 'V3',
    ...config,
  };
  return start({
    filters: [{ name, typed_config }],
    routes,
    clusters: [staticCluster('authz', [port], { ...http2, ...cluster })],
  });
}

async function serve(decide: Decide): Promise<AuthorizationServer> {
  return closeAfterTest(await AuthorizationServer.start(decide));
}

const allow: Decide = () => ({ status: { code: 0 } });

describe('an authorization service', () => {
  besideEnvoy('is told what is asked of the application, and lets it through with its body', async (start) => {
    const service = await serve(allow);
    const { ask, stats } = await startFilter(start, { port: service.port });
    const body = 'x'.repeat(100_000);
    const answer = await ask({
      method: 'POST',
      path: '/told?x=1',
      host: 'shop.test',
      headers: { 'x-a': ['1', '2'] },
      body,
    });
    expect(answer.status).toBe(200);
    expect(echoOf(answer).body).toBe(body);
    const [{ attributes = {} } = {}] = service.asked;
    expect(attributes.request?.http).toMatchObject({
      method: 'POST',
      path: '/told?x=1',
      host: 'shop.test',
      scheme: 'http',
      protocol: 'HTTP/1.1',
    });
    expect(attributes.request?.http?.headers).toMatchObject({
      ':method': 'POST',
      ':path': '/told?x=1',
      ':authority': 'shop.test',
      'x-a': '1,2',
    });
    expect(attributes.source?.address?.socket_address?.address).toBe('127.0.0.1');
    expect(attributes.context_extensions).toEqual({ place: 'a' });
    expect(await stats('http.test.ext_authz.')).toEqual({ ok: 1 });
  });

  besideEnvoy('denies with status, headers and body of its own', async (start) => {
    const service = await serve(() => ({
      status: { code: 7 },
      denied_response: {
        status: { code: 'Unauthorized' },
        headers: [{ header: { key: 'www-authenticate', value: 'Bearer' } }],
        body: 'who are you?',
      },
    }));
    const { ask, stats } = await startFilter(start, { port: service.port });
    const { status, headers, body } = await ask({ method: 'POST', body: 'a' });
    expect({ status, body, asks: headers['www-authenticate'] }).toEqual({
      status: 401,
      body: 'who are you?',
      asks: 'Bearer',
    });
    expect(await stats('http.test.ext_authz.')).toEqual({ denied: 1 });
  });

  besideEnvoy('is told the body where it wants it, and the application gets all of it', async (start) => {
    const service = await serve(({ attributes }) => ({
      status: { code: attributes?.request?.http?.body?.includes('bad') === true ? 7 : 0 },
    }));
    const config = { with_request_body: { max_request_bytes: 100 } };
    const { ask } = await startFilter(start, { port: service.port, config });
    const good = await ask({ method: 'POST', body: 'a good \u00fc' });
    expect(Buffer.from(echoOf(good).body, 'latin1').toString()).toBe('a good \u00fc');
    expect((await ask({ method: 'POST', body: 'a bad one' })).status).toBe(403);
    expect((await ask({})).status).toBe(200);
    const told = service.asked.map(({ attributes }) => attributes?.request?.http);
    expect(told.map((http) => [http?.body ?? '', http?.headers?.['x-envoy-auth-partial-body']])).toEqual([
      ['a good \u00fc', 'false'],
      ['a bad one', 'false'],
      ['', undefined],
    ]);
    expect((await ask({ method: 'POST', body: 'x'.repeat(101) })).status).toBe(413);
    expect((await ask({ method: 'POST', body: 'x'.repeat(100) })).status).toBe(200);
  });

  besideEnvoy('is told the beginning of a long body where that is enough', async (start) => {
    const service = await serve(allow);
    const config = { with_request_body: { max_request_bytes: 10, allow_partial_message: true, pack_as_bytes: true } };
    const { ask } = await startFilter(start, { port: service.port, config });
    const body = 'abc'.repeat(50_000);
    expect(echoOf(await ask({ method: 'POST', body })).body).toBe(body);
    const [{ attributes = {} } = {}] = service.asked;
    const { raw_body = '', headers = {} } = attributes.request?.http ?? {};
    expect(Buffer.from(raw_body, 'base64').toString()).toBe('abcabcabca');
    expect(headers['x-envoy-auth-partial-body']).toBe('true');
  });

  besideEnvoy('that only says no means 403', async (start) => {
    const service = await serve(() => ({ status: { code: 16 } }));
    const { ask } = await startFilter(start, { port: service.port });
    expect(await ask({})).toMatchObject({ status: 403, body: '' });
  });

  besideEnvoy('changes headers of requests and of responses', async (start) => {
    const service = await serve(() => ({
      status: { code: 0 },
      ok_response: {
        headers: [{ header: { key: 'x-user', value: 'ann' } }],
        headers_to_remove: ['x-secret'],
        response_headers_to_add: [{ header: { key: 'x-checked', value: 'yes' } }],
      },
    }));
    const { ask } = await startFilter(start, { port: service.port });
    const answer = await ask({ headers: { 'x-user': 'eve', 'x-secret': 's', 'x-other': 'o' } });
    expect(answer.headers['x-checked']).toBe('yes');
    const { headers } = echoOf(answer);
    expect([headers['x-user'], headers['x-secret'], headers['x-other']]).toEqual(['ann', undefined, 'o']);
  });

  besideEnvoy('is told the headers that it may know', async (start) => {
    const service = await serve(allow);
    const config: ExtAuthz = {
      allowed_headers: { patterns: [{ prefix: 'x-' }] },
      disallowed_headers: { patterns: [{ exact: 'x-secret' }] },
    };
    const { ask } = await startFilter(start, { port: service.port, config });
    await ask({ headers: { 'x-a': '1', 'x-secret': '2', other: '3' } });
    const told = service.asked[0]?.attributes?.request?.http?.headers ?? {};
    expect([told['x-a'], told['x-secret'], told['other']]).toEqual(['1', undefined, undefined]);
  });

  besideEnvoy('is not asked where a route says so', async (start) => {
    const service = await serve(allow);
    const { ask, stats } = await startFilter(start, { port: service.port });
    expect((await ask({ path: '/off' })).status).toBe(200);
    expect(service.asked).toEqual([]);
    expect(await stats('http.test.ext_authz.')).toEqual({});
  });
});

describe('an authorization service that cannot be asked', () => {
  besideEnvoy('lets nobody in', async (start) => {
    const port = await unusedPort();
    const { ask, stats } = await startFilter(start, { port });
    expect((await ask({})).status).toBe(403);
    expect(await stats('http.test.ext_authz.')).toEqual({ error: 1 });
    const other = await startFilter(start, { port, config: { status_on_error: { code: 'ServiceUnavailable' } } });
    expect((await other.ask({})).status).toBe(503);
  });

  besideEnvoy('lets everybody in where it is told to, and tells the application', async (start) => {
    const config = { failure_mode_allow: true, failure_mode_allow_header_add: true };
    const { ask, stats } = await startFilter(start, { port: await unusedPort(), config });
    const answer = await ask({ method: 'POST', body: 'b' });
    expect(answer.status).toBe(200);
    expect(echoOf(answer).headers['x-envoy-auth-failure-mode-allowed']).toBe('true');
    expect(await stats('http.test.ext_authz.')).toEqual({ error: 1, failure_mode_allowed: 1 });
  });

  besideEnvoy('because it is silent is waited for no longer than its timeout', async (start) => {
    const service = await serve(() => undefined);
    const config = { grpc_service: { envoy_grpc: { cluster_name: 'authz' }, timeout: '0.2s' } };
    const { ask, stats } = await startFilter(start, { port: service.port, config });
    expect((await ask({})).status).toBe(403);
    expect(await stats('http.test.ext_authz.')).toEqual({ error: 1 });
  });

  test('says why, with flag UAEX', async () => {
    const { ask } = await startFilter(startInHeddle, { port: await unusedPort() });
    expect((await ask({})).headers['x-heddle-reason']).toMatch(
      /^UAEX the authorization service authz cannot be asked: /,
    );
    const service = await serve(() => ({ status: { code: 7 } }));
    const denying = await startFilter(startInHeddle, { port: service.port });
    expect((await denying.ask({})).headers['x-heddle-reason']).toBe('UAEX the authorization service authz denies it');
  });

  test('has no more open questions than its circuit breaker allows', async () => {
    const service = await serve(() => undefined);
    const cluster: Cluster = { circuit_breakers: { thresholds: [{ max_requests: 2 }] } };
    const config = {
      grpc_service: { envoy_grpc: { cluster_name: 'authz' }, timeout: '0.5s' },
      failure_mode_allow: true,
    };
    const { ask } = await startFilter(startInHeddle, { port: service.port, config, cluster });
    const answers = await Promise.all([1, 2, 3, 4, 5].map(() => ask({})));
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
    expect(service.asked).toHaveLength(2);
  });

  test('because its answer cannot be done does half of nothing', async () => {
    const header = (key: string, value = 'a') => ({ ok_response: { headers: [{ header: { key, value } }] } });
    for (const wrong of [
      header('a b'),
      header('x', 'a\r\nb: c'),
      header('content-length'),
      header(':path'),
      { ok_response: { headers_to_remove: ['host'] } },
      { ok_response: { query_parameters_to_remove: ['a'] } },
    ]) {
      const service = await serve(() => ({ status: { code: 0 }, ...wrong }));
      const { ask } = await startFilter(startInHeddle, { port: service.port });
      expect((await ask({})).status).toBe(403);
    }
  });
});
