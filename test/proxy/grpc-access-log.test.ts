import net from 'node:net';
import { describe, expect, test } from 'vitest';
import { typeUrlOf } from '../../proxy/api/discovery.ts';
import type { Listener } from '../../proxy/api/envoy.gen.ts';
import {
  AccessLogCollector,
  commonConfig,
  http2,
  httpGrpcLog,
  logClusterName,
  tcpGrpcLog,
} from '../support/access-log-collector.ts';
import { Backend } from '../support/backend.ts';
import { closeAfterTest } from '../support/closing.ts';
import {
  bootstrapText,
  httpListener,
  routeConfiguration,
  routeTo,
  staticCluster,
  tcpListener,
} from '../support/envoy-json.ts';
import { call } from '../support/http-call.ts';
import { type InProcessProxy, startProxy } from '../support/in-process-proxy.ts';
import { until } from '../support/turns.ts';
import { unusedPort } from '../support/unused-port.ts';

const cluster = 'outbound|80||reviews.shop.svc.cluster.local';
const workloadMetadata = { filter_metadata: { istio: { workload: 'reviews-v2;shop;reviews;v2;Kubernetes' } } };

function http(log = httpGrpcLog()): Listener {
  return httpListener({ routes: routeConfiguration([routeTo(cluster)]), manager: { access_log: [log] } });
}

async function start(listener: Listener, logPort: number, upstreamPort: number): Promise<InProcessProxy> {
  return startProxy(
    bootstrapText(
      [listener],
      [
        staticCluster(cluster, [{ port: upstreamPort, metadata: workloadMetadata }]),
        staticCluster(logClusterName, [logPort], http2),
      ],
    ),
  );
}

async function startAll(
  listener: Listener,
): Promise<InProcessProxy & { collector: AccessLogCollector; backend: Backend }> {
  const collector = closeAfterTest(await AccessLogCollector.start());
  const backend = closeAfterTest(await Backend.start());
  return { ...(await start(listener, collector.port, backend.port)), collector, backend };
}

function stat({ server }: InProcessProxy, name: string): number {
  return server.stats.counter(`access_logs.grpc_access_log.${name}`).value;
}

describe('entries of requests', () => {
  test('say which check rules were about a request', async () => {
    const policies = (name: string) => ({ [name]: { permissions: [{ any: true }], principals: [{ any: true }] } });
    const rbac = {
      '@type': typeUrlOf('envoy.extensions.filters.http.rbac.v3.RBAC'),
      rules: { action: 'ALLOW', policies: policies('shop/readers') },
      rules_stat_prefix: 'allow_rules.',
      shadow_rules: { action: 'DENY', policies: policies('shop/trial') },
      shadow_rules_stat_prefix: 'deny_rules.',
    } as const;
    const router = { '@type': typeUrlOf('envoy.extensions.filters.http.router.v3.Router') };
    const all = await startAll(
      httpListener({
        routes: routeConfiguration([routeTo(cluster)]),
        manager: {
          access_log: [httpGrpcLog()],
          http_filters: [
            { name: 'rbac', typed_config: rbac },
            { name: 'envoy.filters.http.router', typed_config: router },
          ],
        },
      }),
    );
    await call(all.port, {});
    await until(() => all.collector.httpEntries.length === 1);
    expect(all.collector.httpEntries[0]?.common_properties?.metadata).toEqual({
      filter_metadata: {
        'envoy.filters.http.rbac': {
          'allow_rules.enforced_effective_policy_id': 'shop/readers',
          'allow_rules.enforced_engine_result': 'allowed',
          'deny_rules.shadow_effective_policy_id': 'shop/trial',
          'deny_rules.shadow_engine_result': 'denied',
        },
      },
    });
  });

  test('say what Envoy says of a request, its ends and its response', async () => {
    const destination = {
      tag: 'heddle.destination_workload',
      metadata: { kind: { host: {} }, metadata_key: { key: 'istio', path: [{ key: 'workload' }] } },
    };
    const log = httpGrpcLog({
      common_config: commonConfig({
        custom_tags: [
          { tag: 'side', literal: { value: 'source' } },
          { tag: 'who', request_header: { name: 'X-Who' } },
          destination,
        ],
      }),
      additional_request_headers_to_log: ['X-Who', 'x-missing'],
      additional_response_headers_to_log: ['Content-Length'],
    });
    const all = await startAll(http(log));
    const before = Date.now();
    const body = 'seven!!';
    const headers = { 'x-who': 'me', 'user-agent': 'tester', 'x-request-id': 'id-1', referer: 'http://r/' };
    const answer = await call(all.port, { method: 'POST', path: '/a?b', host: 'reviews', headers, body });
    await until(() => all.collector.httpEntries.length === 1);
    const [first] = all.collector.messages;
    expect(first?.identifier).toMatchObject({ node: { id: 'test-proxy' }, log_name: 'test' });
    const [entry] = all.collector.httpEntries;
    expect(entry).toMatchObject({
      protocol_version: 'HTTP11',
      common_properties: {
        upstream_cluster: cluster,
        upstream_remote_address: { socket_address: { address: '127.0.0.1', port_value: all.backend.port } },
        downstream_local_address: { socket_address: { address: '127.0.0.1', port_value: all.port } },
        upstream_request_attempt_count: 1,
        access_log_type: 'DownstreamEnd',
        custom_tags: {
          side: 'source',
          who: 'me',
          'heddle.destination_workload': 'reviews-v2;shop;reviews;v2;Kubernetes',
        },
      },
      request: {
        request_method: 'POST',
        scheme: 'http',
        authority: 'reviews',
        path: '/a?b',
        user_agent: 'tester',
        referer: 'http://r/',
        request_id: 'id-1',
        request_body_bytes: 7,
        request_headers: { 'x-who': 'me' },
      },
      response: {
        response_code: 200,
        response_body_bytes: answer.body.length,
        response_headers: { 'content-length': String(answer.body.length) },
        response_code_details: 'via_upstream',
      },
    });
    const { start_time = '', duration = '', response_flags } = entry?.common_properties ?? {};
    expect(Math.abs(Date.parse(start_time) - before)).toBeLessThan(10_000);
    expect(Number.parseFloat(duration)).toBeGreaterThan(0);
    expect(response_flags).toBeUndefined();
  });

  test('say why there was no response from an upstream', async () => {
    const collector = closeAfterTest(await AccessLogCollector.start());
    const proxy = await start(http(), collector.port, await unusedPort());
    await call(proxy.port);
    await until(() => collector.httpEntries.length === 1);
    expect(collector.httpEntries[0]).toMatchObject({
      common_properties: { response_flags: { upstream_connection_failure: true } },
      response: { response_code: 503 },
    });
  });

  test('only those that the filter lets through are sent', async () => {
    const status = { comparison: { op: 'GE', value: { default_value: 400, runtime_key: 'x' } } } as const;
    const all = await startAll(http({ ...httpGrpcLog(), filter: { status_code_filter: status } }));
    all.backend.respond = (request, response) => {
      response.statusCode = request.url === '/bad' ? 500 : 200;
      response.end();
    };
    for (const path of ['/', '/bad', '/']) await call(all.port, { path });
    await until(() => all.collector.httpEntries.length === 1);
    expect(all.collector.httpEntries[0]?.request?.path).toBe('/bad');
  });

  test('are gathered, so that many of them are one message', async () => {
    const all = await startAll(http());
    await Promise.all(Array.from({ length: 20 }, () => call(all.port)));
    await until(() => all.collector.httpEntries.length === 20);
    expect(all.collector.messages.length).toBeLessThan(20);
    expect(all.collector.streams).toBe(1);
  });

  test('without a buffer each is sent at once', async () => {
    const common_config = commonConfig({ buffer_size_bytes: 0, buffer_flush_interval: '3600s' });
    const all = await startAll(http(httpGrpcLog({ common_config })));
    await call(all.port);
    await until(() => all.collector.httpEntries.length === 1);
  });

  test('what waits for its interval is sent when the proxy ends', async () => {
    const all = await startAll(http(httpGrpcLog({ common_config: commonConfig({ buffer_flush_interval: '3600s' }) })));
    await call(all.port);
    expect(all.collector.httpEntries).toHaveLength(0);
    await all.server.drain(5_000);
    expect(all.collector.httpEntries).toHaveLength(1);
    expect(stat(all, 'logs_written')).toBe(1);
    expect(stat(all, 'logs_dropped')).toBe(0);
  });
});

test('a connection has one entry, when it is over, with its bytes', async () => {
  const upstream = net.createServer((socket) => socket.once('data', () => socket.end('pong!'))).listen(0, '127.0.0.1');
  closeAfterTest(upstream);
  const collector = closeAfterTest(await AccessLogCollector.start());
  const listener = tcpListener({ proxy: { cluster, access_log: [tcpGrpcLog()] } });
  const port = (upstream.address() as net.AddressInfo).port;
  const proxy = await start(listener, collector.port, port);
  const client = net.connect(proxy.port, '127.0.0.1', () => client.write('ping'));
  client.resume();
  await until(() => collector.tcpEntries.length === 1);
  expect(collector.tcpEntries[0]).toMatchObject({
    common_properties: { upstream_cluster: cluster, access_log_type: 'TcpConnectionEnd' },
    connection_properties: { received_bytes: 4, sent_bytes: 5 },
  });
});

describe('a service that is', () => {
  test('not there costs no request anything: entries are dropped and counted, and sent when it comes', async () => {
    const backend = closeAfterTest(await Backend.start());
    const logPort = await unusedPort();
    const proxy = await start(http(), logPort, backend.port);
    for (let i = 0; i < 5; i += 1) expect((await call(proxy.port)).status).toBe(200);
    await until(() => stat(proxy, 'logs_dropped') > 0);
    const collector = closeAfterTest(await AccessLogCollector.start(logPort));
    const calls: Promise<unknown>[] = [];
    await until(() => {
      if (collector.httpEntries.length === 0) calls.push(call(proxy.port));
      return collector.httpEntries.length > 0;
    });
    // One that is still under way when the test ends would fail behind its back.
    await Promise.all(calls);
    await until(() => collector.httpEntries.length + stat(proxy, 'logs_dropped') === 5 + calls.length);
  });

  test('slow makes entries wait up to a bound, and what exceeds it is dropped and counted', async () => {
    const silent = net.createServer((socket) => socket.on('error', () => {})).listen(0, '127.0.0.1');
    closeAfterTest(silent);
    const backend = closeAfterTest(await Backend.start());
    const port = (silent.address() as net.AddressInfo).port;
    // Each entry has a header of 50 kB.
    const log = httpGrpcLog({ additional_request_headers_to_log: ['x-large'] });
    const proxy = await start(http(log), port, backend.port);
    const headers = { 'x-large': 'x'.repeat(15_000) };
    for (let i = 0; i < 200; i += 1) expect((await call(proxy.port, { headers })).status).toBe(200);
    expect(stat(proxy, 'logs_written')).toBe(0);
    expect(stat(proxy, 'logs_dropped')).toBeGreaterThan(50);
    expect(stat(proxy, 'logs_dropped')).toBeLessThan(150);
  });
});

describe('what is not supported is refused by name', () => {
  test.each([
    ['filter_state_objects_to_log', { filter_state_objects_to_log: ['a'] }],
    ['grpc_stream_retry_policy', { grpc_stream_retry_policy: {} }],
    ['must be V3', { transport_api_version: 'V2' as const }],
    [
      'only istio.workload of the host is',
      {
        custom_tags: [
          { tag: 'a', metadata: { kind: { route: {} }, metadata_key: { key: 'istio', path: [{ key: 'workload' }] } } },
        ],
      },
    ],
    ['must be more than 0', { buffer_flush_interval: '0s' }],
  ])('%s', async (expected, common) => {
    const listener = http(httpGrpcLog({ common_config: commonConfig(common) }));
    await expect(startProxy(bootstrapText([listener], [staticCluster(cluster, [1])]))).rejects.toThrow(expected);
  });
});
