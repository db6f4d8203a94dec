import { describe, expect, test } from 'vitest';
import { echoOf } from '../../support/backend.ts';
import { call } from '../../support/http-call.ts';
import { until } from '../../support/turns.ts';
import { TracingProxy } from './tracing-proxy.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const parentId = 'b7ad6b7169203331';
const sampled = { traceparent: `00-${traceId}-${parentId}-01` };
const notSampled = { traceparent: `00-${traceId}-${parentId}-00` };
const never = { random_sampling: { value: 0 } };

/** Of a traceparent. */
const spanIdOf = (value: unknown): string => String(value).slice(36, 52);

describe('a request that is traced', () => {
  test('continues its trace: the next hop’s parent is the span that is exported', async () => {
    const proxy = await TracingProxy.start();
    const answer = await proxy.call({ headers: { ...sampled, tracestate: 'a=1' }, host: 'reviews' });
    const { headers } = echoOf(answer);
    expect(headers['traceparent']).toMatch(new RegExp(`^00-${traceId}-(?!${parentId})[0-9a-f]{16}-01$`));
    expect(headers['tracestate']).toBe('a=1');
    const [span] = await proxy.spans();
    expect(span).toMatchObject({
      traceId,
      parentSpanId: parentId,
      spanId: spanIdOf(headers['traceparent']),
      traceState: 'a=1',
      name: 'egress reviews',
      kind: 3,
      service: 'web.shop',
    });
  });

  test('begins a trace where there is none', async () => {
    const proxy = await TracingProxy.start({ direction: 'INBOUND' });
    const { headers } = echoOf(await proxy.call());
    expect(headers['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
    const [span] = await proxy.spans();
    expect(span).toMatchObject({ name: 'ingress', kind: 2 });
    expect(span?.parentSpanId).toBeUndefined();
    expect(span?.traceId).toBe(String(headers['traceparent']).slice(3, 35));
  });

  test('is one trace over two sidecars: caller’s, callee’s, application, each the parent of the next', async () => {
    const [outbound, inbound] = [await TracingProxy.start(), await TracingProxy.start({ direction: 'INBOUND' })];
    outbound.backend.respond = ({ headers: { traceparent = '' } }, response) => {
      void call(inbound.port, { headers: { traceparent } }).then(({ body }) => response.end(body));
    };
    const seen = echoOf(await outbound.call()).headers['traceparent'];
    const [[client], [server]] = [await outbound.spans(), await inbound.spans()];
    expect([client?.kind, server?.kind]).toEqual([3, 2]);
    expect(server?.traceId).toBe(client?.traceId);
    expect(server?.parentSpanId).toBe(client?.spanId);
    expect(seen).toBe(`00-${client?.traceId}-${server?.spanId}-01`);
  });

  test('has Envoy’s tags', async () => {
    const proxy = await TracingProxy.start({ tracing: { max_path_tag_length: 4 } });
    const headers = { ...sampled, 'user-agent': 'curl', 'x-request-id': '7f2b0c1e-1111-4222-8333-444455556666' };
    await proxy.call({ method: 'POST', path: '/abcdef', host: 'reviews', headers, body: 'hello' });
    const [span] = await proxy.spans();
    expect(span?.status).toBeUndefined();
    expect(span?.attributes).toMatchObject({
      node_id: 'test-proxy',
      'guid:x-request-id': '7f2b0c1e-1111-9222-8333-444455556666',
      'http.url': 'http://reviews/abc',
      'http.method': 'POST',
      'http.protocol': 'HTTP/1.1',
      'http.status_code': '200',
      downstream_cluster: '-',
      user_agent: 'curl',
      'peer.address': '127.0.0.1',
      request_size: '5',
      component: 'proxy',
      upstream_cluster: 'reviews',
      'upstream_cluster.name': 'reviews',
      upstream_address: `127.0.0.1:${proxy.backend.port}`,
      response_flags: '-',
    });
    expect(span?.attributes).not.toHaveProperty('error');
  });

  test('that fails says so, with the flag', async () => {
    const proxy = await TracingProxy.start();
    await proxy.backend.close();
    expect((await proxy.call({ headers: sampled })).status).toBe(503);
    const [span] = await proxy.spans();
    expect(span?.status).toBe(2);
    expect(span?.attributes).toMatchObject({ error: 'true', 'http.status_code': '503', response_flags: 'UF' });
  });

  test('has the custom tags of the connection manager and of its route, which may name headers', async () => {
    const literal = { tag: 'istio.namespace', literal: { value: 'shop' } };
    const header = { tag: 'user', request_header: { name: 'End-User', default_value: 'nobody' } };
    const missing = { tag: 'none', request_header: { name: 'x-none' } };
    const environment = { tag: 'where', environment: { name: 'HEDDLE_TEST_NOT_SET', default_value: 'here' } };
    const proxy = await TracingProxy.start({
      tracing: { custom_tags: [literal, header, missing] },
      route: { tracing: { custom_tags: [environment] } },
    });
    await proxy.call({ headers: { ...sampled, 'end-user': 'jason' } });
    await proxy.call({ headers: sampled });
    const [first, second] = await proxy.spans(2);
    expect(first?.attributes).toMatchObject({ 'istio.namespace': 'shop', user: 'jason', where: 'here' });
    expect(first?.attributes).not.toHaveProperty('none');
    expect(second?.attributes).toMatchObject({ user: 'nobody' });
  });
});

describe('whether a request is sampled', () => {
  test.each<[string, Record<string, string>, object, string]>([
    ['chance says yes', {}, {}, '01'],
    ['chance says no', {}, never, '00'],
    ['its caller says yes', sampled, never, '01'],
    ['its caller says no', notSampled, {}, '00'],
    ['it is forced', { 'x-envoy-force-trace': 'true' }, never, '01'],
    ['a client asks for it', { 'x-client-trace-id': '1' }, never, '01'],
    ['a client asks and is not heard', { 'x-client-trace-id': '1' }, { ...never, client_sampling: { value: 0 } }, '00'],
    ['its id says it', { 'x-request-id': '7f2b0c1e-1111-9222-8333-444455556666' }, never, '01'],
    ['there is no room for more', {}, { overall_sampling: { value: 0 } }, '00'],
    ['b3 says yes', { b3: '1' }, never, '01'],
  ])('%s', async (_why, headers, tracing, flags) => {
    const proxy = await TracingProxy.start({ tracing });
    const seen = echoOf(await proxy.call({ headers })).headers;
    expect(String(seen['traceparent']).slice(53)).toBe(flags);
    if (flags === '01') {
      await proxy.spans();
    } else {
      proxy.clock.advance(1_000);
      expect(proxy.server.clusters.get('collector')?.stats.requests.value).toBe(0);
    }
  });

  test('a share of them is, and its ids tell the next hop', async () => {
    const proxy = await TracingProxy.start({ tracing: { random_sampling: { value: 30 } } });
    const ids: string[] = [];
    for (let i = 0; i < 100; i++) ids.push(String(echoOf(await proxy.call()).headers['x-request-id']));
    const marked = ids.filter((id) => id.charAt(14) === '9').length;
    expect(marked).toBeGreaterThan(15);
    expect(marked).toBeLessThan(45);
    expect(await proxy.spans(marked)).toHaveLength(marked);
    expect(proxy.stat('http.test.tracing.random_sampling')).toBe(marked);
    expect(proxy.stat('http.test.tracing.not_traceable')).toBe(100 - marked);
  });

  test('a route may say otherwise', async () => {
    const proxy = await TracingProxy.start({ route: { tracing: { random_sampling: { numerator: 0 } } } });
    expect(echoOf(await proxy.call()).headers['traceparent']).toMatch(/-00$/);
  });
});

describe('what an operation is called', () => {
  const decorator = { operation: 'reviews.shop.svc.cluster.local:9080/*' };

  test('says the route, and the caller’s sidecar tells the next one', async () => {
    const proxy = await TracingProxy.start({ route: { decorator } });
    const { headers } = echoOf(await proxy.call());
    expect(headers['x-envoy-decorator-operation']).toBe(decorator.operation);
    expect((await proxy.spans())[0]?.name).toBe(decorator.operation);
  });

  test('is not told where the route keeps it', async () => {
    const proxy = await TracingProxy.start({ route: { decorator: { ...decorator, propagate: false } } });
    expect(echoOf(await proxy.call()).headers).not.toHaveProperty('x-envoy-decorator-operation');
  });

  test('says the caller, and its application does not hear of it', async () => {
    const proxy = await TracingProxy.start({ direction: 'INBOUND', route: { decorator: { operation: 'mine' } } });
    const { headers } = echoOf(await proxy.call({ headers: { 'x-envoy-decorator-operation': 'theirs' } }));
    expect(headers).not.toHaveProperty('x-envoy-decorator-operation');
    expect((await proxy.spans())[0]?.name).toBe('theirs');
  });

  test('says the answer of the next hop', async () => {
    const proxy = await TracingProxy.start();
    proxy.backend.respond = (_request, response) => response.setHeader('x-envoy-decorator-operation', 'better').end();
    expect((await proxy.call()).headers).not.toHaveProperty('x-envoy-decorator-operation');
    expect((await proxy.spans())[0]?.name).toBe('better');
  });
});

describe('spans are exported', () => {
  test('together after a second, to the path and with the headers of the provider', async () => {
    const proxy = await TracingProxy.start();
    for (let i = 0; i < 3; i++) await proxy.call({ headers: sampled });
    expect(await proxy.spans(3)).toHaveLength(3);
    expect(proxy.collector.exports).toHaveLength(1);
    expect(proxy.collector.exports[0]).toMatchObject({
      method: 'POST',
      path: '/v1/traces',
      headers: { host: 'collector:4318', 'content-type': 'application/json', 'x-tenant': 'shop' },
    });
    await until(() => proxy.stat('tracing.opentelemetry.spans_sent') === 3);
    expect(proxy.stat('tracing.opentelemetry.timer_flushed')).toBe(1);
  });

  test('again when the collector was not ready, without one being lost or sent twice', async () => {
    const proxy = await TracingProxy.start();
    proxy.collector.status = 503;
    await proxy.call({ headers: sampled });
    proxy.clock.advance(1_000);
    await until(() => proxy.collector.exports.length === 1);
    proxy.collector.status = 200;
    await until(() => proxy.stat('cluster.collector.upstream_rq_5xx') === 1);
    // The first back-off is at most half a second.
    proxy.clock.advance(500);
    await until(() => proxy.stat('tracing.opentelemetry.spans_sent') === 1);
    expect(proxy.collector.spans).toHaveLength(1);
    expect(proxy.stat('tracing.opentelemetry.spans_dropped')).toBe(0);
  });

  test('not again when the collector refuses them', async () => {
    const proxy = await TracingProxy.start();
    proxy.collector.status = 400;
    await proxy.call({ headers: sampled });
    proxy.clock.advance(1_000);
    await until(() => proxy.stat('tracing.opentelemetry.spans_dropped') === 1);
    expect(proxy.collector.exports).toHaveLength(1);
  });

  test('before the proxy ends', async () => {
    const proxy = await TracingProxy.start();
    await proxy.call({ headers: sampled });
    const drained = proxy.server.drain(5_000);
    await until(() => {
      proxy.clock.advance(20);
      return proxy.collector.spans.length === 1;
    });
    proxy.clock.advance(5_000);
    await drained;
  });
});

test('without tracing every header of a trace passes through as it came', async () => {
  const proxy = await TracingProxy.start({ isTraced: false });
  const headers = { ...sampled, tracestate: 'a=1', b3: '0', 'x-b3-traceid': traceId };
  expect(echoOf(await proxy.call({ headers })).headers).toMatchObject(headers);
});
