import { describe, expect, test } from 'vitest';
import { maxReferences, type MetricFamily } from '../../../proxy/api/metrics-service.ts';
import { type MetricRules, noMetricRules } from '../../../proxy/api/metric-rules.ts';
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

const familiesOf = (report: MetricsReport): MetricFamily[] => [...report.changes()].flatMap(({ families }) => families);

/** Metrics per family in one walk: `{ istio_requests_total: [3, 1], … }`. */
function valuesOf(report: MetricsReport): Record<string, number[]> {
  const values: Record<string, number[]> = {};
  for (const { name, metrics } of familiesOf(report)) {
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
    expect(first?.families[0]?.metrics).toHaveLength(64);
    expect(valuesOf(report)['istio_requests_total']).toHaveLength(86);
  });

  test('gives the label array of a series again each time, so that its encoding is kept', () => {
    const { metrics, report } = setUp();
    const labelsOf = (): unknown => {
      metrics.record(metrics.inboundScope(''), 200, '-', 1, 1, 1);
      const [part] = report.changes();
      return part?.families[0]?.metrics[0]?.labels;
    };
    expect(labelsOf()).toBe(labelsOf());
  });

  test('carries the start of the process on every value', () => {
    const { metrics, stats, report } = setUp();
    metrics.record(metrics.inboundScope(''), 200, '-', 1, 1, 1);
    stats.counter('server.x').value = 1;
    const all = familiesOf(report).flatMap((family: MetricFamily) => family.metrics);
    expect(new Set(all.map(({ createdMs }) => createdMs))).toEqual(new Set([1_000_000]));
  });
});

describe('to a receiver that takes references', () => {
  const walk = (report: MetricsReport) => {
    const parts = [...report.changes(true)];
    return {
      whole: parts.flatMap(({ families }) => families.flatMap(({ metrics }) => metrics.map((m) => m.reference))),
      updates: parts.flatMap(({ updates }) => updates),
    };
  };

  test('a series is said in full once, and then by its numbers', () => {
    const { metrics, stats, report } = setUp();
    const scope = metrics.inboundScope('');
    metrics.record(scope, 200, '-', 1, 10, 100);
    stats.counter('cluster.a.upstream_rq_total').value = 4;
    expect(walk(report)).toEqual({ whole: [0, 1, 2, 3, 4], updates: [] });
    expect(walk(report)).toEqual({ whole: [], updates: [] });
    metrics.record(scope, 200, '-', 3, 10, 100);
    stats.counter('cluster.a.upstream_rq_total').value = 5;
    const { whole, updates } = walk(report);
    expect(whole).toEqual([]);
    expect(updates.map(({ reference, value }) => [reference, value])).toEqual([
      [0, 2],
      [1, 4],
      [2, 20],
      [3, 200],
      [4, 5],
    ]);
    expect(updates.map(({ counts }) => counts.reduce((sum, count) => sum + count, 0))).toEqual([0, 2, 2, 2, 0]);
    expect(updates[1]?.counts.slice(0, 4)).toEqual([0, 1, 1, 0]);
  });

  test('a connection too, and another series gets other numbers', () => {
    const { metrics, report } = setUp();
    const series = metrics.tcpSeries(metrics.inboundScope(''), '-');
    series.openedCount = 1;
    expect(walk(report).whole).toEqual([0, 1, 2, 3]);
    series.sentBytes = 7;
    metrics.tcpSeries(metrics.inboundScope(''), 'UF').openedCount = 1;
    const { whole, updates } = walk(report);
    expect(whole).toEqual([4, 5, 6, 7]);
    expect(updates.map(({ value }) => value)).toEqual([1, 0, 7, 0]);
  });

  test('a new stream begins with everything in full, under numbers of its own', () => {
    const { metrics, report } = setUp();
    const scope = metrics.inboundScope('');
    metrics.record(scope, 200, '-', 1, 1, 1);
    metrics.record(scope, 404, '-', 1, 1, 1);
    walk(report);
    report.restart();
    expect(walk(report)).toEqual({ whole: [0, 1, 2, 3, 4, 5, 6, 7], updates: [] });
  });

  test('what is beyond the limit of numbers is said in full each time', () => {
    const { stats, report } = setUp();
    const counters = Array.from({ length: maxReferences + 3 }, (_, i) =>
      stats.counter(`cluster.c${i}.upstream_rq_total`),
    );
    const count = (): void => {
      for (const counter of counters) counter.value += 1;
    };
    count();
    expect(walk(report).whole.filter((reference) => reference === undefined)).toHaveLength(3);
    count();
    const { whole, updates } = walk(report);
    expect(whole).toEqual([undefined, undefined, undefined]);
    expect(updates).toHaveLength(maxReferences);
  });
});

describe('a metric with labels of its own', () => {
  const name = 'istio_request_bytes';
  const withOwnLabels = (): MetricRules => {
    const own = { removedLabels: ['response_code'], fixedLabels: {} };
    return { ...noMetricRules, ownLabels: { [name]: own } };
  };

  test('is said as the sum of what it is, only when that changed, and by one number', () => {
    const { metrics, report } = setUp();
    metrics.setRules('destination', withOwnLabels());
    const scope = metrics.inboundScope('');
    metrics.record(scope, 200, '-', 1, 10, 1);
    metrics.record(scope, 404, '-', 1, 30, 1);
    expect(valuesOf(report)).toMatchObject({ istio_requests_total: [1, 1], [name]: [2] });
    expect(valuesOf(report)).toEqual({});
    metrics.record(scope, 404, '-', 1, 30, 1);
    report.restart();
    expect([...report.changes(true)].flatMap(({ updates }) => updates)).toEqual([]);
    metrics.record(scope, 404, '-', 1, 30, 1);
    const updates = [...report.changes(true)].flatMap((part) => part.updates);
    expect(updates).toHaveLength(4);
    expect(updates).toContainEqual({
      reference: expect.any(Number) as number,
      value: 100,
      counts: [0, 0, 0, 1, 0, 3, ...Array.from({ length: 14 }, () => 0)],
    });
  });

  test('has not said a series before its sums are said', () => {
    const { metrics, report } = setUp();
    metrics.setRules('destination', withOwnLabels());
    const scope = metrics.inboundScope('');
    metrics.record(scope, 200, '-', 1, 10, 1);
    const [series] = metrics.series();
    const connections = metrics.tcpSeries(scope, '-');
    connections.openedCount = 1;
    if (series === undefined) throw new Error('no series');
    expect([report.hasSaid(series), report.hasSaid(connections)]).toEqual([false, false]);
    valuesOf(report);
    expect([report.hasSaid(series), report.hasSaid(connections)]).toEqual([true, true]);
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
    const values = (): number[] => familiesOf(report).flatMap(({ metrics }) => metrics.map(({ value }) => value));
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
    const [again] = familiesOf(report).flatMap((family) => family.metrics);
    expect(again).toMatchObject({ value: 5, createdMs: clock.nowMs() });
    expect(valuesOf(report)).toEqual({});
  });

  test('more than fit into one message are split', () => {
    const { stats, report } = setUp();
    for (let i = 0; i < 130; i += 1) stats.counter(`cluster.c${i}.upstream_rq_total`).value = 1;
    const sizes = [...report.changes()].map(({ families }) =>
      families.reduce((sum, { metrics }) => sum + metrics.length, 0),
    );
    expect(sizes).toEqual([64, 64, 2]);
  });
});
