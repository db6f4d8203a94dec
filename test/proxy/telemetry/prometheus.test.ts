import { setImmediate as nextTurn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { prometheusName } from '../../../proxy/telemetry/envoy-stats.ts';
import { IstioMetrics } from '../../../proxy/telemetry/istio-metrics.ts';
import { prometheusText } from '../../../proxy/telemetry/prometheus.ts';
import { findSample, parsePrometheusText } from '../../support/prometheus-text.ts';
import { consumerService, consumerV2, nodeMetadata } from './nodes.ts';

async function textOf(metrics: IstioMetrics | undefined, stats = new StatsStore()): Promise<string> {
  const slices: string[] = [];
  for await (const slice of prometheusText(metrics, stats)) slices.push(slice);
  return slices.join('');
}

describe('text', () => {
  test('one request appears as a counter and in three histograms', async () => {
    const metrics = new IstioMetrics(nodeMetadata());
    metrics.record(metrics.outboundScope(consumerService, consumerV2), 201, '-', 12.5, 512, 70_000);
    const families = parsePrometheusText(await textOf(metrics));
    const labels = { reporter: 'source', destination_version: 'v2', response_code: '201' };
    expect(findSample(families, 'istio_requests_total', labels)).toBe(1);
    const bucket = (metric: string, le: string): number | undefined =>
      findSample(families, `${metric}_bucket`, { ...labels, le });
    expect(bucket('istio_request_duration_milliseconds', '10')).toBe(0);
    expect(bucket('istio_request_duration_milliseconds', '25')).toBe(1);
    expect(findSample(families, 'istio_request_duration_milliseconds_sum', labels)).toBe(12.5);
    expect(findSample(families, 'istio_request_bytes_sum', labels)).toBe(512);
    expect(bucket('istio_response_bytes', '60000')).toBe(0);
    expect(bucket('istio_response_bytes', '300000')).toBe(1);
    expect(findSample(families, 'istio_response_bytes_count', labels)).toBe(1);
  });

  test('before the first request there is no series and the text is empty', async () => {
    expect(await textOf(new IstioMetrics(nodeMetadata()))).toBe('');
    expect(await textOf(undefined)).toBe('');
  });

  test('quotes, backslashes and line feeds in a label forge no second series', async () => {
    const workloadName = 'a"} 1\nistio_requests_total{x="\\';
    const metrics = new IstioMetrics(nodeMetadata({ workloadName }));
    metrics.record(metrics.outboundScope(undefined, undefined), 200, '-', 1, 0, 0);
    const families = parsePrometheusText(await textOf(metrics));
    expect(findSample(families, 'istio_requests_total', { source_workload: workloadName })).toBe(1);
  });

  test('a thousand series come in slices between which other work runs', async () => {
    const metrics = new IstioMetrics(nodeMetadata());
    const scope = metrics.outboundScope(consumerService, consumerV2);
    for (let code = 0; code < 1000; code += 1) metrics.record(scope, code, '-', code, code, code);
    const other = { turns: 0, isWanted: true };
    const ticking = (async () => {
      while (other.isWanted) {
        await nextTurn();
        other.turns += 1;
      }
    })();
    const text = await textOf(metrics);
    other.isWanted = false;
    await ticking;
    const families = parsePrometheusText(text);
    expect(families.get('istio_requests_total')?.samples).toHaveLength(1000);
    expect(other.turns).toBeGreaterThan(text.length / 200_000);
  });
});

describe('statistics of Envoy', () => {
  const names: [string, string, Record<string, string>][] = [
    ['server.uptime', 'envoy_server_uptime', {}],
    ['cluster_manager.active_clusters', 'envoy_cluster_manager_active_clusters', {}],
    ['cluster.local.upstream_cx_total', 'envoy_cluster_upstream_cx_total', { envoy_cluster_name: 'local' }],
    [
      'cluster.outbound|80|v2|consumer.shop.svc.cluster.local.upstream_rq_total',
      'envoy_cluster_upstream_rq_total',
      { envoy_cluster_name: 'outbound|80|v2|consumer.shop.svc.cluster.local' },
    ],
    [
      'cluster.a.b.circuit_breakers.default.rq_open',
      'envoy_cluster_circuit_breakers_default_rq_open',
      { envoy_cluster_name: 'a.b' },
    ],
    [
      'cluster.a.b.outlier_detection.ejections_active',
      'envoy_cluster_outlier_detection_ejections_active',
      { envoy_cluster_name: 'a.b' },
    ],
    [
      'cluster.a.b.upstream_rq_503',
      'envoy_cluster_upstream_rq',
      { envoy_response_code: '503', envoy_cluster_name: 'a.b' },
    ],
    [
      'cluster.a.external.upstream_rq_2xx',
      'envoy_cluster_external_upstream_rq_xx',
      { envoy_response_code_class: '2', envoy_cluster_name: 'a' },
    ],
    [
      'http.outbound_0.0.0.0_15001.downstream_rq_total',
      'envoy_http_downstream_rq_total',
      { envoy_http_conn_manager_prefix: 'outbound_0.0.0.0_15001' },
    ],
    [
      'http.inbound_0.0.0.0_80.rbac.deny_rules.policy.shop/a.policy.b.0.shadow_denied',
      'envoy_http_rbac_policy_shadow_denied',
      {
        envoy_rbac_policy_name: 'shop/a.policy.b.0',
        envoy_rbac_http_prefix: 'deny_rules',
        envoy_http_conn_manager_prefix: 'inbound_0.0.0.0_80',
      },
    ],
    [
      'http.inbound_0.0.0.0_80.rbac.custom_rules.authz.denied',
      'envoy_http_rbac_denied',
      { envoy_rbac_http_prefix: 'custom_rules.authz', envoy_http_conn_manager_prefix: 'inbound_0.0.0.0_80' },
    ],
    [
      'http.x.rbac.policy.a.allowed',
      'envoy_http_rbac_policy_allowed',
      { envoy_rbac_policy_name: 'a', envoy_http_conn_manager_prefix: 'x' },
    ],
    ['http.x.rbac.allowed', 'envoy_http_rbac_allowed', { envoy_http_conn_manager_prefix: 'x' }],
    [
      'http.x.ext_authz.my.authz.failure_mode_allowed',
      'envoy_http_ext_authz_failure_mode_allowed',
      { envoy_ext_authz_prefix: 'my.authz', envoy_http_conn_manager_prefix: 'x' },
    ],
    [
      'http.outbound_0.0.0.0_80.fault.delays_injected',
      'envoy_http_fault_delays_injected',
      { envoy_http_conn_manager_prefix: 'outbound_0.0.0.0_80' },
    ],
    [
      'http.a.b.tracing.random_sampling',
      'envoy_http_tracing_random_sampling',
      { envoy_http_conn_manager_prefix: 'a.b' },
    ],
    ['http.a.b.cors.origin_valid', 'envoy_http_cors_origin_valid', { envoy_http_conn_manager_prefix: 'a.b' }],
    ['http.x.ext_authz.ok', 'envoy_http_ext_authz_ok', { envoy_http_conn_manager_prefix: 'x' }],
    [
      'http.ingress.rds.local_route.update_success',
      'envoy_http_rds_local_route_update_success',
      { envoy_http_conn_manager_prefix: 'ingress' },
    ],
    [
      'listener.0.0.0.0_15006.downstream_cx_total',
      'envoy_listener_downstream_cx_total',
      { envoy_listener_address: '0.0.0.0_15006' },
    ],
    [
      'listener.127.0.0.1_15001.http.outbound.downstream_rq_5xx',
      'envoy_listener_http_downstream_rq_xx',
      {
        envoy_response_code_class: '5',
        envoy_listener_address: '127.0.0.1_15001',
        envoy_http_conn_manager_prefix: 'outbound',
      },
    ],
    [
      'listener.[::1]_15001.downstream_cx_active',
      'envoy_listener_downstream_cx_active',
      { envoy_listener_address: '[::1]_15001' },
    ],
    [
      'vhost.reviews.default.svc:80.route.api.v1.upstream_rq_200',
      'envoy_vhost_route_upstream_rq',
      { envoy_response_code: '200', envoy_virtual_host: 'reviews.default.svc:80', envoy_route: 'api.v1' },
    ],
    ['listener_manager.lds.update_rejected', 'envoy_listener_manager_lds_update_rejected', {}],
  ];
  for (const [stat, name, labels] of names) {
    test(`${stat} is exported as ${name}`, () => {
      const exported = prometheusName(stat);
      expect(exported.name).toBe(name);
      expect(Object.fromEntries(exported.labels.map((label) => [label.name, label.value]))).toEqual(labels);
    });
  }

  test('histograms have buckets, a sum and a count, once they have a value', async () => {
    const stats = new StatsStore();
    stats.histogram('cluster.b.upstream_rq_time');
    stats.histogram('cluster.a.upstream_rq_time').record(7);
    const text = await textOf(undefined, stats);
    expect(text).toContain('# TYPE envoy_cluster_upstream_rq_time histogram\n');
    expect(text).toContain('envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="a",le="5"} 0\n');
    expect(text).toContain('envoy_cluster_upstream_rq_time_bucket{envoy_cluster_name="a",le="10"} 1\n');
    expect(text).toContain('envoy_cluster_upstream_rq_time_sum{envoy_cluster_name="a"} 7\n');
    expect(text).not.toContain('"b"');
  });

  test('clusters share a family, counters and gauges keep their type', async () => {
    const stats = new StatsStore();
    stats.counter('cluster.a.upstream_rq_total').value = 3;
    stats.counter('cluster.b.upstream_rq_total').value = 4;
    stats.counter('cluster.a.upstream_rq_200').value = 2;
    stats.counter('cluster.b.upstream_rq_200').value = 4;
    stats.gauge('cluster.a.upstream_cx_active').value = 1;
    const families = parsePrometheusText(await textOf(undefined, stats));
    expect(findSample(families, 'envoy_cluster_upstream_rq_total', { envoy_cluster_name: 'b' })).toBe(4);
    expect(
      findSample(families, 'envoy_cluster_upstream_rq', { envoy_cluster_name: 'a', envoy_response_code: '200' }),
    ).toBe(2);
    expect(families.get('envoy_cluster_upstream_rq_total')?.type).toBe('counter');
    expect(families.get('envoy_cluster_upstream_cx_active')?.type).toBe('gauge');
  });
});
