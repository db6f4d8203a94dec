import { describe, expect, test } from 'vitest';
import type { Route } from '../../proxy/api/envoy.gen.ts';
import { adsBootstrapText } from '../support/ads-bootstrap.ts';
import { Backend } from '../support/backend.ts';
import { closeAfterTest } from '../support/closing.ts';
import {
  bootstrapText,
  edsCluster,
  httpListener,
  loadAssignment,
  routeConfiguration,
  routeTo,
  staticCluster,
} from '../support/envoy-json.ts';
import { type Answer, call } from '../support/http-call.ts';
import { createProxy, startProxy } from '../support/in-process-proxy.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { parsePrometheusText, sumSamples } from '../support/prometheus-text.ts';
import { RawConnection } from '../support/raw-connection.ts';
import { unusedPort } from '../support/unused-port.ts';
import { FakeAdsServer } from './xds/fake-ads-server.ts';

interface Setting {
  readonly page: (path: string, method?: string) => Promise<Answer>;
  readonly send: () => Promise<Answer>;
  readonly backend: Backend;
  readonly ports: { readonly listener: number; readonly admin: number };
}

async function start(clock?: ManualClock): Promise<Setting> {
  const backend = closeAfterTest(await Backend.start());
  const retry: Route = routeTo('backend', { retry_policy: { retry_on: 'connect-failure', num_retries: 2 } });
  const { port, adminPort } = await startProxy(
    bootstrapText(
      [httpListener({ name: 'main', routes: routeConfiguration([retry]) })],
      [staticCluster('backend', [{ port: backend.port, load_balancing_weight: 3 }]), staticCluster('empty', [])],
    ),
    clock === undefined ? {} : { clock },
  );
  return {
    page: (path, method = 'GET') => call(adminPort, { path, method }),
    send: () => call(port),
    backend,
    ports: { listener: port, admin: adminPort },
  };
}

const json = ({ body }: Answer): unknown => JSON.parse(body);

describe('pages', () => {
  test('/ready says LIVE', async () => {
    const { page } = await start();
    expect(await page('/ready')).toMatchObject({ status: 200, body: 'LIVE\n' });
  });

  test('/server_info has version, state, uptime and node', async () => {
    const clock = new ManualClock();
    const { page } = await start(clock);
    clock.advance(75_500);
    const answer = await page('/server_info');
    expect(answer.headers['content-type']).toBe('application/json');
    expect(json(answer)).toMatchObject({
      version: expect.stringMatching(/^heddle\//),
      state: 'LIVE',
      uptime_current_epoch: '75s',
      node: { id: 'test-proxy', cluster: 'test' },
    });
  });

  test('/clusters has a line per fact of each host', async () => {
    const { page, send, backend } = await start();
    await send();
    await send();
    const lines = (await page('/clusters')).body.split('\n');
    const host = `backend::127.0.0.1:${backend.port}`;
    expect(lines).toEqual(
      expect.arrayContaining([
        'backend::lb_policy::ROUND_ROBIN',
        `${host}::rq_total::2`,
        `${host}::rq_active::0`,
        `${host}::cx_active::1`,
        `${host}::cx_connect_fail::0`,
        `${host}::cx_total::1`,
        `${host}::rq_success::2`,
        `${host}::rq_error::0`,
        `${host}::rq_timeout::0`,
        `${host}::zone::`,
        `${host}::canary::false`,
        `${host}::success_rate::-1`,
        `${host}::health_flags::healthy`,
        `${host}::weight::3`,
        `${host}::region::`,
        `${host}::zone::`,
        `${host}::sub_zone::`,
        `${host}::priority::0`,
        'empty::lb_policy::ROUND_ROBIN',
        '',
      ]),
    );
  });

  test('/listeners has the port in use', async () => {
    const { page, ports } = await start();
    expect((await page('/listeners')).body).toBe(`main::127.0.0.1:${ports.listener}\n`);
  });

  test('/config_dump has the static configuration, sets as lists', async () => {
    const { page } = await start();
    expect(json(await page('/config_dump'))).toMatchObject({
      node: { id: 'test-proxy' },
      static_resources: {
        clusters: [{ name: 'backend' }, { name: 'empty' }],
        listeners: [
          {
            name: 'main',
            filterChains: [
              {
                filter: {
                  config: {
                    routes: {
                      routeConfig: {
                        virtualHosts: [{ routes: [{ action: { retryPolicy: { retryOn: ['connect-failure'] } } }] }],
                      },
                    },
                  },
                },
              },
            ],
          },
        ],
      },
      dynamic_resources: {},
    });
  });

  test('/stats/prometheus is what Prometheus reads', async () => {
    const { page, send } = await start();
    await send();
    const answer = await page('/stats/prometheus');
    expect(answer.headers['content-type']).toMatch(/^text\/plain; version=0\.0\.4/);
    const families = parsePrometheusText(answer.body);
    expect(sumSamples(families, 'istio_requests_total', { response_code: '200' })).toBe(1);
    expect(sumSamples(families, 'envoy_cluster_upstream_rq_total', { envoy_cluster_name: 'backend' })).toBe(1);
  });

  test('/reset_counters has the pages count from zero; gauges, hosts, histograms and the metrics of Istio go on', async () => {
    const { page, send, backend } = await start();
    await send();
    expect(await page('/reset_counters', 'POST')).toMatchObject({ status: 200, body: 'OK\n' });
    const { body } = await page('/stats');
    expect(body).toContain('cluster.backend.upstream_rq_total: 0\n');
    expect(body).toContain('cluster.backend.upstream_cx_tx_bytes_total: 0\n');
    expect(body).toContain('cluster.backend.upstream_cx_active: 1\n');
    expect(body).toContain('cluster.backend.membership_total: 1\n');
    expect(body).toMatch(/^cluster\.backend\.upstream_rq_time: P0\(nan/m);
    expect((await page('/stats?usedonly&filter=upstream_rq_total')).body).toBe('');
    expect((await page('/clusters')).body).toContain(`backend::127.0.0.1:${backend.port}::rq_total::1\n`);
    await send();
    expect((await page('/stats?usedonly&filter=backend.upstream_rq_total')).body).toBe(
      'cluster.backend.upstream_rq_total: 1\n',
    );
    expect(json(await page('/stats?format=json&filter=backend.upstream_rq_total'))).toEqual({
      stats: [{ name: 'cluster.backend.upstream_rq_total', value: 1 }],
    });
    const families = parsePrometheusText((await page('/stats/prometheus')).body);
    expect(sumSamples(families, 'envoy_cluster_upstream_rq_total', { envoy_cluster_name: 'backend' })).toBe(1);
    expect(sumSamples(families, 'istio_requests_total', { response_code: '200' })).toBe(2);
  });

  test('/reset_counters asked with GET changes nothing', async () => {
    const { page, send } = await start();
    await send();
    expect(await page('/reset_counters')).toMatchObject({ status: 405, headers: { allow: 'POST' } });
    expect((await page('/stats')).body).toContain('cluster.backend.upstream_rq_total: 1\n');
  });

  test('/ and /help list every page', async () => {
    const { page } = await start();
    const { body } = await page('/');
    for (const path of ['/ready', '/stats', '/stats/prometheus', '/clusters', '/listeners', '/config_dump']) {
      expect(body).toContain(`  ${path} (GET): `);
    }
    expect(body).toContain('  /quitquitquit (POST): ');
    expect((await page('/help')).body).toBe(body);
  });
});

describe('/stats', () => {
  test('has each statistic on a line', async () => {
    const { page, send } = await start();
    await send();
    const { body } = await page('/stats');
    expect(body).toMatch(/^(?:[^:\n]+(?::[^:\n]+)*: (?:\d+|P0\(.*|No recorded values)\n)+$/);
    expect(body).toMatch(/^cluster\.backend\.upstream_rq_time: P0\(nan,[\d.]+\) P25/m);
    expect(body).toContain('cluster.backend.upstream_rq_total: 1\n');
    expect(body).toContain('cluster.empty.upstream_rq_total: 0\n');
  });

  test('usedonly leaves zeros out', async () => {
    const { page, send } = await start();
    await send();
    const { body } = await page('/stats?usedonly');
    expect(body).toContain('cluster.backend.upstream_rq_total: 1\n');
    expect(body).not.toMatch(/: 0$/m);
  });

  test('filter is an expression that a part of the name must match', async () => {
    const { page } = await start();
    expect((await page('/stats?filter=membership_total')).body).toBe(
      'cluster.backend.membership_total: 1\ncluster.empty.membership_total: 0\n',
    );
    expect((await page(`/stats?filter=${encodeURIComponent('^cluster\\..*_(total|healthy)$')}&usedonly`)).body).toBe(
      'cluster.backend.membership_healthy: 1\ncluster.backend.membership_total: 1\n',
    );
    expect((await page('/stats?filter=nothing_like_it')).body).toBe('');
  });

  test('a filter that is no expression is answered with 400 and the reason', async () => {
    const { page } = await start();
    const { status, body } = await page(`/stats?filter=${encodeURIComponent('(')}`);
    expect(status).toBe(400);
    expect(body).toMatch(/^filter .*RE2/);
  });
});

describe('requests that fit no page', () => {
  test('an unknown path is 404, with the list of pages', async () => {
    const { page } = await start();
    for (const path of ['/nothing', '/__proto__', '/constructor', '/stats/', '//', '/ready/../stats']) {
      const { status, body } = await page(path);
      expect({ path, status }).toEqual({ path, status: 404 });
      expect(body).toContain('/quitquitquit');
    }
  });

  test('another method is 405, and Allow says which', async () => {
    const { page } = await start();
    expect(await page('/stats', 'POST')).toMatchObject({ status: 405, headers: { allow: 'GET' } });
    expect(await page('/ready', 'DELETE')).toMatchObject({ status: 405, headers: { allow: 'GET' } });
    expect(await page('/quitquitquit')).toMatchObject({ status: 405, headers: { allow: 'POST' } });
    expect(await page('/ready')).toMatchObject({ status: 200 });
  });

  test('HEAD is GET without the body', async () => {
    const { page } = await start();
    for (const path of ['/ready', '/stats', '/clusters', '/config_dump', '/stats/prometheus']) {
      expect(await page(path, 'HEAD')).toMatchObject({ status: 200, body: '' });
    }
  });

  test('a target that is no path is 404, not the end of the admin endpoint', async () => {
    const { page, ports } = await start();
    for (const target of ['*', 'http://[broken', '\\', '/%zz?%zz=%']) {
      const client = closeAfterTest(await RawConnection.open(ports.admin));
      client.send(`OPTIONS ${target} HTTP/1.1\r\nhost: admin\r\n\r\n`);
      expect([400, 404]).toContain((await client.readResponse()).status);
    }
    expect((await page('/ready')).status).toBe(200);
  });
});

test('before it is live and while it drains /ready is 503', async () => {
  const ads = new FakeAdsServer();
  await ads.start();
  closeAfterTest({ close: () => ads.stop() });
  const server = createProxy(adsBootstrapText(ads.port));
  const started = server.start();
  const stream = await ads.nextStream();
  const ready = (): Promise<Answer> => call(server.adminPort ?? 0, { path: '/ready' });
  expect(await ready()).toMatchObject({ status: 503, body: 'INITIALIZING\n' });
  stream.send('CDS', '1', edsCluster('reviews'));
  stream.send('LDS', '1');
  stream.send('EDS', '1', loadAssignment('reviews', [1234]));
  await started;
  expect(await ready()).toMatchObject({ status: 200, body: 'LIVE\n' });
  const drained = server.drain(40_000);
  expect(await ready()).toMatchObject({ status: 503, body: 'DRAINING\n' });
  await drained;
});

test('/config_dump has the dynamic resources as they came, with version and status', async () => {
  const ads = new FakeAdsServer();
  await ads.start();
  closeAfterTest({ close: () => ads.stop() });
  const server = createProxy(adsBootstrapText(ads.port));
  const started = server.start();
  const stream = await ads.nextStream();
  stream.send('CDS', 'c1', edsCluster('reviews'));
  stream.send('LDS', 'l1');
  stream.send('EDS', 'e1', loadAssignment('reviews', [1234]));
  await started;
  const dump = json(await call(server.adminPort ?? 0, { path: '/config_dump' }));
  expect(dump).toMatchObject({
    dynamic_resources: {
      CDS: { version_info: 'c1', status: { kind: 'acked' }, resources: [{ name: 'reviews', type: 'EDS' }] },
      EDS: { version_info: 'e1', resources: [{ cluster_name: 'reviews' }] },
      LDS: { version_info: 'l1', resources: [] },
    },
  });
});

test('/clusters tells which hosts outlier detection has ejected', async () => {
  const backend = closeAfterTest(
    await Backend.start('failing', (_request, response) => {
      response.statusCode = 500;
      response.end();
    }),
  );
  const outlier_detection = { consecutive_5xx: 2, always_eject_one_host: true };
  const { port, adminPort } = await startProxy(
    bootstrapText(
      [httpListener({ name: 'main', routes: routeConfiguration([routeTo('backend')]) })],
      [staticCluster('backend', [backend.port], { outlier_detection })],
    ),
  );
  const flags = async (): Promise<string | undefined> =>
    /health_flags::(.+)/.exec((await call(adminPort, { path: '/clusters' })).body)?.[1];
  await call(port);
  expect(await flags()).toBe('healthy');
  await call(port);
  expect(await flags()).toBe('/failed_outlier_check');
});

test('/clusters tells which hosts fail their active checks', async () => {
  const port = await unusedPort();
  const health_checks = [
    { timeout: '1s', interval: '60s', unhealthy_threshold: 1, healthy_threshold: 1, tcp_health_check: {} },
  ];
  const { adminPort } = await startProxy(
    bootstrapText(
      [httpListener({ name: 'main', routes: routeConfiguration([routeTo('backend')]) })],
      [staticCluster('backend', [port], { health_checks })],
    ),
  );
  const clock = Date.now();
  let page = '';
  while (!page.includes('/failed_active_hc') && Date.now() - clock < 5_000) {
    page = (await call(adminPort, { path: '/clusters' })).body;
  }
  expect(page).toContain(`backend::127.0.0.1:${port}::health_flags::/failed_active_hc\n`);
});
