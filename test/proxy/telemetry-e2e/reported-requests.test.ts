import { describe, expect, test } from 'vitest';
import { encodePeerMetadata } from '../../../proxy/api/peer-metadata.ts';
import { Backend } from '../../support/backend.ts';
import { closeAfterTest } from '../../support/closing.ts';
import { httpListener, routeConfiguration, routeTo, staticCluster } from '../../support/envoy-json.ts';
import { call } from '../../support/http-call.ts';
import { startProxy } from '../../support/in-process-proxy.ts';
import { findSample, parsePrometheusText, sumSamples, type TextFamily } from '../../support/prometheus-text.ts';
import { RawConnection } from '../../support/raw-connection.ts';
import { until } from '../../support/turns.ts';
import { unusedPort } from '../../support/unused-port.ts';

const metadata = {
  NAME: 'web-1',
  NAMESPACE: 'shop',
  SERVICE: 'web',
  WORKLOAD_NAME: 'web-v3',
  LABELS: { app: 'web', version: 'v3' },
  CLUSTER_ID: 'Kubernetes',
};

interface Setting {
  readonly backend: Backend;
  readonly outbound: number;
  readonly inbound: number;
  readonly metrics: () => Promise<Map<string, TextFamily>>;
}

/** The sidecar of `web`: out to `reviews` v2 and other places, in to its own application. */
async function start(): Promise<Setting> {
  const backend = closeAfterTest(await Backend.start());
  const dead = await unusedPort();
  const at = (prefix: string) => ({ match: { prefix } });
  const reviews = {
    filter_metadata: {
      istio: { services: [{ host: 'reviews.prod.svc.cluster.local', name: 'reviews', namespace: 'prod' }] },
    },
  };
  const workload = { filter_metadata: { istio: { workload: 'reviews-v2;prod;reviews;v2;Kubernetes' } } };
  const bootstrap = {
    node: { id: 'web', cluster: 'web', metadata },
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: 0 } } },
    static_resources: {
      listeners: [
        httpListener({
          name: 'outbound',
          direction: 'OUTBOUND',
          routes: routeConfiguration([
            routeTo('gone', {}, at('/nc')),
            routeTo('empty', {}, at('/uh')),
            routeTo('dead', {}, at('/uf')),
            routeTo('reviews', { timeout: '0.05s' }, at('/ut')),
            routeTo('reviews', {}, at('/ok')),
          ]),
        }),
        httpListener({ name: 'inbound', direction: 'INBOUND', routes: routeConfiguration([routeTo('reviews')]) }),
      ],
      clusters: [
        staticCluster('reviews', [{ port: backend.port, metadata: workload }], { metadata: reviews }),
        staticCluster('empty', [], { metadata: reviews }),
        staticCluster('dead', [dead], { metadata: reviews }),
      ],
    },
  };
  const { server, adminPort } = await startProxy(JSON.stringify(bootstrap));
  const portOf = (name: string): number =>
    server.listeners.list().find(({ config }) => config.name === name)?.port ?? 0;
  return {
    backend,
    outbound: portOf('outbound'),
    inbound: portOf('inbound'),
    metrics: async () => parsePrometheusText((await call(adminPort, { path: '/stats/prometheus' })).body),
  };
}

describe('what the caller’s sidecar reports', () => {
  test('is who called whom, the code and no flag', async () => {
    const { outbound, metrics } = await start();
    for (let i = 0; i < 3; i++) await call(outbound, { path: '/ok' });
    const labels = {
      reporter: 'source',
      source_workload: 'web-v3',
      source_version: 'v3',
      source_workload_namespace: 'shop',
      destination_service: 'reviews.prod.svc.cluster.local',
      destination_service_name: 'reviews',
      destination_workload: 'reviews-v2',
      destination_version: 'v2',
      response_code: '200',
      response_flags: '-',
      request_protocol: 'http',
    };
    expect(findSample(await metrics(), 'istio_requests_total', labels)).toBe(3);
  });

  test.each([
    ['/none', '404', 'NR', { destination_service: 'unknown' }],
    ['/nc', '503', 'NC', { destination_service: 'unknown' }],
    ['/uh', '503', 'UH', { destination_service_name: 'reviews' }],
    ['/uf', '503', 'UF', { destination_service_name: 'reviews' }],
    ['/ut', '504', 'UT', { destination_version: 'v2' }],
  ])('of %s is code %s with flag %s, as x-heddle-reason says', async (path, response_code, response_flags, labels) => {
    const { backend, outbound, metrics } = await start();
    backend.respond = () => {};
    const answer = await call(outbound, { path });
    expect(answer.status).toBe(Number(response_code));
    expect(answer.headers['x-heddle-reason']).toMatch(new RegExp(`^${response_flags} `));
    const families = await metrics();
    expect(findSample(families, 'istio_requests_total', { response_code, response_flags, ...labels })).toBe(1);
    expect(sumSamples(families, 'istio_requests_total')).toBe(1);
  });

  test('of a client that went away is code 0 with flag DC', async () => {
    const { backend, outbound, metrics } = await start();
    backend.respond = () => {};
    const client = await RawConnection.open(outbound);
    client.send('GET /ok HTTP/1.1\r\nhost: test\r\n\r\n');
    await until(() => backend.requests === 1);
    client.reset();
    await until(() => backend.sockets.size === 0);
    expect(findSample(await metrics(), 'istio_requests_total', { response_code: '0', response_flags: 'DC' })).toBe(1);
  });

  test('of the duration and the sizes has one observation per request', async () => {
    const { outbound, metrics } = await start();
    let responseBytes = 0;
    for (let i = 0; i < 5; i++) {
      responseBytes += (await call(outbound, { method: 'POST', path: '/ok', body: 'x'.repeat(100) })).body.length;
    }
    const families = await metrics();
    const sample = (name: string): number | undefined => findSample(families, name, { response_code: '200' });
    expect(sample('istio_request_duration_milliseconds_count')).toBe(5);
    expect(sample('istio_request_bytes_sum')).toBe(500);
    expect(sample('istio_response_bytes_sum')).toBe(responseBytes);
  });
});

describe('what the sidecar of the called reports', () => {
  test('is the caller as it introduced itself', async () => {
    const { inbound, metrics } = await start();
    const caller = encodePeerMetadata({
      name: 'cart-1',
      namespace: 'shop',
      service: 'cart',
      workloadName: 'cart-v7',
      labels: { app: 'cart', version: 'v7' },
      clusterId: 'Kubernetes',
      address: '',
      appPort: 0,
      inboundPort: 0,
      outboundPort: 0,
    });
    await call(inbound, { headers: { 'x-envoy-peer-metadata': caller } });
    await call(inbound);
    await call(inbound, { headers: { 'x-envoy-peer-metadata': 'no base64 of a struct' } });
    const families = await metrics();
    const destination = { reporter: 'destination', destination_workload: 'web-v3', destination_service_name: 'web' };
    const known = { ...destination, source_workload: 'cart-v7', source_version: 'v7' };
    expect(findSample(families, 'istio_requests_total', known)).toBe(1);
    expect(findSample(families, 'istio_requests_total', { ...destination, source_workload: 'unknown' })).toBe(2);
  });
});

test("Envoy's counters and Istio's agree", async () => {
  const { outbound, metrics } = await start();
  for (const path of ['/ok', '/ok', '/none', '/nc', '/uh', '/uf']) await call(outbound, { path });
  const families = await metrics();
  const manager = { envoy_http_conn_manager_prefix: 'outbound' };
  expect(sumSamples(families, 'envoy_http_downstream_rq_total', manager)).toBe(6);
  expect(sumSamples(families, 'istio_requests_total')).toBe(6);
  const byClass = (digit: string): number =>
    sumSamples(families, 'envoy_http_downstream_rq_xx', { ...manager, envoy_response_code_class: digit });
  expect({ ok: byClass('2'), client: byClass('4'), server: byClass('5') }).toEqual({ ok: 2, client: 1, server: 3 });
});
