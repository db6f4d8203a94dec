/** What a real Envoy writes of the same requests was read off beside it, field by field. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, afterAll, describe, expect, test } from 'vitest';
import type { Route } from '../../proxy/api/envoy.gen.ts';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import { Backend } from '../support/backend.ts';
import { routeTo, staticCluster } from '../support/envoy-json.ts';
import { call } from '../support/http-call.ts';
import { ProxyProcess } from '../support/proxy-process.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { until } from '../support/turns.ts';
import { unusedPort } from '../support/unused-port.ts';

const filterType = (name: string) => ({ '@type': typeUrlOf(`envoy.extensions.filters.http.${name}`) });
const all = { numerator: 100 };
const to = (prefix: string, cluster: string, action = {}, rest: Route = {}): Route =>
  routeTo(cluster, action, { match: { prefix }, name: `to${prefix.replace('/', '-')}`, ...rest });

const routes: Route[] = [
  to('/empty', 'empty'),
  to('/dead', 'dead'),
  to('/full', 'full'),
  to('/gone', 'gone'),
  { match: { prefix: '/direct' }, name: 'tea', direct_response: { status: 418, body: { inline_string: 'tea' } } },
  { match: { prefix: '/moved' }, redirect: { path_redirect: '/x' } },
  to('/retried', 'backend', { retry_policy: { retry_on: '5xx', num_retries: 1 } }),
  to('/refused', 'backend', { retry_policy: { retry_on: '5xx', num_retries: 1 } }),
  to('/slow', 'backend', { timeout: '0.1s' }),
  to('/tries', 'backend', { retry_policy: { retry_on: '5xx', num_retries: 1, per_try_timeout: '0.1s' } }),
  to(
    '/fault',
    'backend',
    {},
    {
      typed_per_filter_config: {
        fault: {
          ...filterType('fault.v3.HTTPFault'),
          abort: { http_status: 555, percentage: all },
          delay: { fixed_delay: '0.01s', percentage: all },
        },
      },
    },
  ),
  to(
    '/limited',
    'backend',
    {},
    {
      typed_per_filter_config: {
        limit: {
          ...filterType('local_ratelimit.v3.LocalRateLimit'),
          stat_prefix: 'limit',
          token_bucket: { max_tokens: 1, tokens_per_fill: 1, fill_interval: '1000s' },
          filter_enabled: { default_value: all },
          filter_enforced: { default_value: all },
        },
      },
    },
  ),
  to(
    '/cors',
    'backend',
    {},
    {
      typed_per_filter_config: {
        cors: { ...filterType('cors.v3.CorsPolicy'), allow_origin_string_match: [{ exact: 'http://shop' }] },
      },
    },
  ),
  to('/', 'backend'),
];

const manager = (path: string) => ({
  access_log: [
    {
      name: 'json',
      typed_config: {
        '@type': typeUrlOf('envoy.extensions.access_loggers.file.v3.FileAccessLog'),
        path,
        log_format: { json_format: properties },
      },
    },
  ],
  http_filters: [
    { name: 'cors', typed_config: filterType('cors.v3.Cors') },
    { name: 'fault', typed_config: filterType('fault.v3.HTTPFault') },
    { name: 'limit', typed_config: { ...filterType('local_ratelimit.v3.LocalRateLimit'), stat_prefix: 'limit' } },
    { name: 'router', typed_config: filterType('router.v3.Router') },
  ],
});

const properties = {
  start: '%START_TIME%',
  seconds: '%START_TIME(%s)%',
  method: '%REQ(:METHOD)%',
  path: '%REQ(:PATH)%',
  agent: '%REQ(USER-AGENT)%',
  code: '%RESPONSE_CODE%',
  flags: '%RESPONSE_FLAGS%',
  longFlags: '%RESPONSE_FLAGS_LONG%',
  details: '%RESPONSE_CODE_DETAILS%',
  transport: '%UPSTREAM_TRANSPORT_FAILURE_REASON%',
  termination: '%CONNECTION_TERMINATION_DETAILS%',
  received: '%BYTES_RECEIVED%',
  sent: '%BYTES_SENT%',
  duration: '%DURATION%',
  requestDuration: '%REQUEST_DURATION%',
  responseDuration: '%RESPONSE_DURATION%',
  responseTxDuration: '%RESPONSE_TX_DURATION%',
  attempts: '%UPSTREAM_REQUEST_ATTEMPT_COUNT%',
  upstream: { cluster: '%UPSTREAM_CLUSTER_RAW%', host: '%UPSTREAM_HOST%', local: '%UPSTREAM_LOCAL_ADDRESS%' },
  upstreamProtocol: '%UPSTREAM_PROTOCOL%',
  connection: '%CONNECTION_ID%',
  upstreamConnection: '%UPSTREAM_CONNECTION_ID%',
  local: '%DOWNSTREAM_LOCAL_ADDRESS%',
  remote: '%DOWNSTREAM_REMOTE_ADDRESS%',
  serverName: '%REQUESTED_SERVER_NAME%',
  route: '%ROUTE_NAME%',
  grpc: '%GRPC_STATUS(SNAKE_STRING)%',
};
type Line = Readonly<Record<keyof typeof properties, unknown>>;

let backend: Backend;
let proxy: ProxyProcess;
let directory: string;
let seen = 0;

let retriedBefore = false;
function respond(request: IncomingMessage, response: ServerResponse): void {
  const url = request.url ?? '';
  request.resume();
  if (url.startsWith('/slow') || url.startsWith('/tries') || url.startsWith('/wait')) return;
  if (url.startsWith('/cut')) {
    response.writeHead(200, { 'content-length': '100' });
    response.write('abc');
    setTimeout(() => request.socket.destroy(), 50);
    return;
  }
  if (url.startsWith('/reset')) {
    request.socket.destroy();
    return;
  }
  const isRefused = url.startsWith('/refused') || (url.startsWith('/retried') && !retriedBefore);
  if (url.startsWith('/retried')) retriedBefore = true;
  if (url.startsWith('/grpc')) response.setHeader('grpc-status', '5');
  request.on('end', () => {
    response.statusCode = isRefused ? 503 : 200;
    response.end(isRefused ? 'no' : 'hello');
  });
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'heddle-log-'));
  backend = await Backend.start('backend', respond);
  const clusters = [
    staticCluster('empty', []),
    staticCluster('dead', [await unusedPort()]),
    staticCluster('full', [backend.port], {
      circuit_breakers: { thresholds: [{ max_requests: 0, max_pending_requests: 0 }] },
    }),
  ];
  const log = join(directory, 'access.log');
  proxy = await ProxyProcess.start({ upstreamPort: backend.port, manager: manager(log), routes, clusters });
});

afterAll(async () => {
  await proxy.close();
  await backend.close();
  await rm(directory, { recursive: true });
});

/** The line of the one request that was made since the last call. */
async function nextLine(): Promise<Line> {
  let lines: string[] = [];
  const read = async (): Promise<void> => {
    lines = (await readFile(join(directory, 'access.log'), 'utf8').catch(() => '')).split('\n').slice(0, -1);
  };
  await until(() => {
    void read();
    return lines.length > seen;
  });
  const [line = '', ...more] = lines.slice(seen);
  seen = lines.length;
  expect(more).toEqual([]);
  return JSON.parse(line) as Line;
}

const anAddress = expect.stringMatching(/^127\.0\.0\.1:\d+$/) as unknown;
const aNumber = expect.any(Number) as unknown;
const atBackend = () => ({ cluster: 'backend', host: `127.0.0.1:${backend.port}`, local: anAddress });
const nowhere = { cluster: null, host: null, local: null };
const unanswered = { responseDuration: null, responseTxDuration: null };
const withoutConnection = { ...unanswered, upstreamProtocol: null, upstreamConnection: 0 };

describe('the line of a request in JSON, from a process of its own,', () => {
  test('is what was sent and what came back', async () => {
    const before = Date.now();
    const agent = 'a "b" \\ \t\u00e9/<';
    const headers = { 'user-agent': agent };
    const body = 'four';
    expect((await call(proxy.port, { method: 'POST', path: '/orders?q=1', headers, body })).body).toBe('hello');
    const line = await nextLine();
    expect(line).toEqual({
      start: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      seconds: String(Math.floor(Date.parse(String(line.start)) / 1_000)),
      method: 'POST',
      path: '/orders?q=1',
      agent,
      code: 200,
      flags: '-',
      longFlags: '-',
      details: 'via_upstream',
      transport: null,
      termination: null,
      received: 4,
      sent: 5,
      duration: aNumber,
      requestDuration: aNumber,
      responseDuration: aNumber,
      responseTxDuration: aNumber,
      attempts: 1,
      upstream: atBackend(),
      upstreamProtocol: 'HTTP/1.1',
      connection: aNumber,
      upstreamConnection: aNumber,
      local: `127.0.0.1:${proxy.port}`,
      remote: anAddress,
      serverName: null,
      route: 'to-',
      grpc: null,
    });
    expect(Date.parse(String(line.start))).toBeGreaterThanOrEqual(before - 5);
    expect(line.connection).toBeGreaterThan(0);
    expect(line.upstreamConnection).not.toBe(line.connection);
    expect(line.responseDuration).toBeLessThanOrEqual(line.duration as number);
  });

  test.each<[string, number, string, string, string, object]>([
    ['/direct', 418, '-', '-', 'direct_response', { ...withoutConnection, upstream: nowhere, attempts: 0, sent: 3 }],
    ['/moved', 301, '-', '-', 'direct_response', { ...withoutConnection, upstream: nowhere, attempts: 0 }],
    [
      '/gone',
      503,
      'NC',
      'NoClusterFound',
      'cluster_not_found',
      { ...withoutConnection, upstream: nowhere, attempts: 0, route: 'to-gone' },
    ],
    [
      '/empty',
      503,
      'UH',
      'NoHealthyUpstream',
      'no_healthy_upstream',
      { ...withoutConnection, upstream: { cluster: 'empty', host: null, local: null }, attempts: 1 },
    ],
    [
      '/full',
      503,
      'UO',
      'UpstreamOverflow',
      'upstream_reset_before_response_started{overflow}',
      { ...withoutConnection, attempts: 1, upstream: { cluster: 'full', host: null, local: null } },
    ],
    [
      '/dead',
      503,
      'UF',
      'UpstreamConnectionFailure',
      'upstream_reset_before_response_started{remote_connection_failure|delayed_connect_error:_Connection_refused}',
      {
        ...withoutConnection,
        transport: 'delayed_connect_error:_Connection_refused',
        upstream: { cluster: 'dead', host: anAddress, local: null },
        attempts: 1,
      },
    ],
    [
      '/fault',
      555,
      'DI,FI',
      'DelayInjected,FaultInjected',
      'fault_filter_abort',
      { ...withoutConnection, attempts: 0 },
    ],
    ['/limited', 200, '-', '-', 'via_upstream', { attempts: 1 }],
    ['/limited', 429, 'RL', 'RateLimited', 'local_rate_limited', { ...withoutConnection, attempts: 0 }],
    ['/retried', 200, '-', '-', 'via_upstream', { attempts: 2, responseDuration: aNumber }],
    ['/refused', 503, 'URX', 'UpstreamRetryLimitExceeded', 'via_upstream', { attempts: 2, sent: 2 }],
    ['/slow', 504, 'UT', 'UpstreamRequestTimeout', 'response_timeout', { ...unanswered, attempts: 1 }],
    [
      '/tries',
      504,
      'UT,URX',
      'UpstreamRequestTimeout,UpstreamRetryLimitExceeded',
      'upstream_per_try_timeout',
      { ...unanswered, attempts: 2 },
    ],
  ])('of %s has code %i, flags %s (%s) and details %s', async (...[path, code, flags, longFlags, details, rest]) => {
    expect((await call(proxy.port, { path })).status).toBe(code);
    expect(await nextLine()).toMatchObject({ path, code, flags, longFlags, details, requestDuration: 0, ...rest });
  });

  test('of an upstream that hangs up before it answers names that', async () => {
    expect((await call(proxy.port, { path: '/reset' })).status).toBe(503);
    const details = 'upstream_reset_before_response_started{connection_termination}';
    expect(await nextLine()).toMatchObject({ code: 503, flags: 'UC', details, upstream: atBackend(), ...unanswered });
  });

  test('of a response that is cut has the code that went out, and why it ended', async () => {
    await expect(call(proxy.port, { path: '/cut' })).rejects.toThrow();
    const details = 'upstream_reset_after_response_started{connection_termination}';
    expect(await nextLine()).toMatchObject({
      code: 200,
      flags: 'UC',
      details,
      sent: 3,
      responseDuration: aNumber,
      responseTxDuration: null,
      upstream: atBackend(),
    });
  });

  test('of a preflight that is answered here says so', async () => {
    const headers = { origin: 'http://shop', 'access-control-request-method': 'PUT' };
    expect((await call(proxy.port, { method: 'OPTIONS', path: '/cors', headers })).status).toBe(200);
    expect(await nextLine()).toMatchObject({ code: 200, flags: '-', details: 'cors_response', attempts: 0 });
  });

  test('of gRPC has its status', async () => {
    await call(proxy.port, { path: '/grpc', headers: { 'content-type': 'application/grpc' } });
    expect(await nextLine()).toMatchObject({ code: 200, grpc: 'NOT_FOUND' });
  });

  test('of a client that goes while it waits has no code, and knows both ends', async () => {
    const client = await RawConnection.open(proxy.port);
    const { requests } = backend;
    client.send('GET /wait HTTP/1.1\r\nhost: test\r\n\r\n');
    await until(() => backend.requests > requests);
    client.reset();
    expect(await nextLine()).toMatchObject({
      path: '/wait',
      code: 0,
      flags: 'DC',
      longFlags: 'DownstreamConnectionTermination',
      details: 'downstream_remote_disconnect',
      requestDuration: 0,
      attempts: 1,
      ...unanswered,
      upstream: atBackend(),
      local: `127.0.0.1:${proxy.port}`,
      remote: anAddress,
    });
  });

  test('of a client that goes amid its body never had the end of the request', async () => {
    const client = await RawConnection.open(proxy.port);
    const { requests } = backend;
    client.send('POST /orders HTTP/1.1\r\nhost: test\r\ncontent-length: 9\r\n\r\nabc');
    await until(() => backend.requests > requests);
    client.reset();
    const details = 'downstream_remote_disconnect';
    expect(await nextLine()).toMatchObject({ code: 0, flags: 'DC', details, received: 3, requestDuration: null });
  });

  test('of what is no request has only what there is', async () => {
    const client = await RawConnection.open(proxy.port);
    client.send('GET / HTTP/1.1\r\nfoo bar\r\n\r\n');
    expect((await client.readResponse()).status).toBe(400);
    client.destroy();
    expect(await nextLine()).toMatchObject({
      code: 400,
      flags: 'DPE',
      details: 'http1.codec_error',
      requestDuration: null,
      attempts: 0,
      route: null,
      ...withoutConnection,
    });
  });
});
