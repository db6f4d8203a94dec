import { describe, expect, test } from 'vitest';
import type { MetricFamily } from '../../../proxy/api/metrics-service.ts';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { IstioMetrics } from '../../../proxy/telemetry/istio-metrics.ts';
import { MetricsReport } from '../../../proxy/telemetry/metrics-report.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { consumerService, consumerV2, nodeMetadata } from './nodes.ts';

function setUp(): { metrics: IstioMetrics; stats: StatsStore; clock: ManualClock; report: MetricsReport } {
  const clock = new ManualClock();
  const metrics = new IstioMetrics(nodeMetadata());
  const stats = new StatsStore();
  return { metrics, stats, clock, report: new MetricsReport({ metrics, stats, clock, startTimeMs: 1_000_000 }) };
}

/** Metrics per family in one walk: `{ istio_requests_total: [3, 1], … }`. */
function valuesOf(report: MetricsReport): Record<string, number[]> {
  const values: Record<string, number[]> = {};
  for (const { name, metrics } of [...report.changes()].flat()) {
    (values[name] ??= []).push(...metrics.map(({ value, histogram }) => histogram?.count ?? value));
  }
  return values;
}

describe('a walk', () => {
  test('says everything at first and then only what changed', () => {
    const { metrics, report } = setUp();
    const v2 = metrics.outboundScope(consumerService, consumerV2);
    metrics.record(v2, 200, '-', 1, 1, 1);
    metrics.record(v2, 503, 'UH', 1, 1, 1);
    expect(valuesOf(report)['istio_requests_total']).toEqual([1, 1]);
    expect(valuesOf(report)).toEqual({});
    metrics.record(v2, 503, 'UH', 1, 1, 1);
    expect(valuesOf(report)).toEqual({
      istio_requests_total: [2],
      istio_request_duration_milliseconds: [2],
      istio_request_bytes: [2],
      istio_response_bytes: [2],
    });
  });

  test('says everything again on a new stream', () => {
    const { metrics, stats, report } = setUp();
    metrics.record(metrics.inboundScope(''), 200, '-', 1, 1, 1);
    stats.counter('cluster.a.upstream_rq_total').value = 4;
    const first = valuesOf(report);
    report.restart();
    expect(valuesOf(report)).toEqual(first);
  });

  test('that was broken off goes on where it was', () => {
    const { metrics, report } = setUp();
    const scope = metrics.inboundScope('');
    for (let code = 0; code < 150; code += 1) metrics.record(scope, code, '-', 1, 1, 1);
    const [first] = report.changes();
    expect(first?.[0]?.metrics).toHaveLength(64);
    expect(valuesOf(report)['istio_requests_total']).toHaveLength(86);
  });

  test('gives the label array of a series again each time, so that its encoding is kept', () => {
    const { metrics, report } = setUp();
    const labelsOf = (): unknown => {
      metrics.record(metrics.inboundScope(''), 200, '-', 1, 1, 1);
      const [families] = report.changes();
      return families?.[0]?.metrics[0]?.labels;
    };
    expect(labelsOf()).toBe(labelsOf());
  });

  test('carries the start of the process on every value', () => {
    const { metrics, stats, report } = setUp();
    metrics.record(metrics.inboundScope(''), 200, '-', 1, 1, 1);
    stats.counter('server.x').value = 1;
    const all = [...report.changes()].flat().flatMap((family: MetricFamily) => family.metrics);
    expect(new Set(all.map(({ createdMs }) => createdMs))).toEqual(new Set([1_000_000]));
  });
});

describe('statistics of Envoy', () => {
  test('counters are said under their exported names once they counted, gauges never', () => {
    const { stats, report } = setUp();
    stats.counter('cluster.a.upstream_rq_total').value = 2;
    stats.counter('cluster.b.upstream_rq_total').value = 3;
    stats.counter('cluster.b.upstream_rq_timeout');
    stats.gauge('cluster.a.upstream_cx_active').value = 9;
    expect(valuesOf(report)).toEqual({ envoy_cluster_upstream_rq_total: [2, 3] });
    stats.counter('cluster.b.upstream_rq_total').value = 4;
    expect(valuesOf(report)).toEqual({ envoy_cluster_upstream_rq_total: [4] });
  });

  test('a reset of the counters on the admin pages is not told: sums over time go on', () => {
    const { stats, report } = setUp();
    const requests = stats.counter('cluster.a.upstream_rq_total');
    const values = (): number[] =>
      [...report.changes()].flat().flatMap(({ metrics }) => metrics.map(({ value }) => value));
    requests.value = 5;
    expect(values()).toEqual([5]);
    stats.resetCounters();
    expect(values()).toEqual([]);
    requests.value += 1;
    expect({ told: values(), shown: requests.shownValue }).toEqual({ told: [6], shown: 1 });
  });

  test('one that was removed and came back has its own start, so that it is no decrease', () => {
    const { stats, clock, report } = setUp();
    stats.counter('cluster.a.upstream_rq_total').value = 5;
    valuesOf(report);
    stats.remove(stats.entries().filter((stat) => stat.name.startsWith('cluster.a.')));
    stats.counter('cluster.a.upstream_rq_total').value = 5;
    const [again] = [...report.changes()].flat().flatMap((family) => family.metrics);
    expect(again).toMatchObject({ value: 5, createdMs: clock.nowMs() });
    expect(valuesOf(report)).toEqual({});
  });

  test('more than fit into one message are split', () => {
    const { stats, report } = setUp();
    for (let i = 0; i < 130; i += 1) stats.counter(`cluster.c${i}.upstream_rq_total`).value = 1;
    const sizes = [...report.changes()].map((families) =>
      families.reduce((sum, { metrics }) => sum + metrics.length, 0),
    );
    expect(sizes).toEqual([64, 64, 2]);
  });
});
