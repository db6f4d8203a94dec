import { describe, expect, test } from 'vitest';
import { familyRejection, readSample } from '../../mixer/telemetry/sample.ts';
import type { Metric, MetricFamily } from '../../proxy/api/metrics-service.ts';
import { standardUpperBounds } from '../../proxy/api/standard-metrics.ts';
import { startMs } from './samples.ts';

function family(name: string, type: MetricFamily['type']): MetricFamily {
  return { name, help: 'Help.', type, metrics: [] };
}

const labels = [{ name: 'reporter', value: 'source' }];

function metric(changes: Partial<Metric> = {}): Metric {
  return { labels, createdMs: startMs, value: 1, histogram: undefined, ...changes };
}

const read = (ofFamily: MetricFamily, { labels: said, ...rest }: Metric): unknown =>
  readSample({ family: ofFamily, series: { labels: said, memo: undefined }, ...rest }, startMs);

describe('families', () => {
  test.each([
    ['istio_requests_total', 'counter', undefined],
    ['istio_response_bytes', 'histogram', undefined],
    ['istio_response_bytes', 'counter', 'type'],
    ['istio_tcp_sent_bytes_total', 'counter', undefined],
    ['istio_tcp_sent_bytes_total', 'histogram', 'type'],
    ['istio_tcp_bytes_total', 'counter', 'family_name'],
    ['envoy_cluster_upstream_rq_total', 'counter', undefined],
    ['envoy_cluster_upstream_rq_time', 'histogram', 'type'],
    ['envoy_cluster_upstream_cx_active', 'gauge', 'type'],
    ['envoy_', 'counter', 'family_name'],
    ['process_cpu_seconds_total', 'counter', 'family_name'],
    ['cluster.a.upstream_rq_total', 'counter', 'family_name'],
  ] as const)('%s as a %s: %s', (name, type, expected) => {
    expect(familyRejection(family(name, type))).toBe(expected);
  });
});

describe('samples', () => {
  test('a counter becomes one number', () => {
    expect(read(family('istio_requests_total', 'counter'), metric({ value: 7 }))).toMatchObject({
      name: 'istio_requests_total',
      help: 'Help.',
      labels,
      createdMs: startMs,
      values: [7],
    });
  });

  test('a histogram becomes its buckets, its count and its sum, with or without the bucket to infinity', () => {
    const buckets = standardUpperBounds.map((_, i) => i);
    const count = standardUpperBounds.length;
    const finite = { buckets, upperBounds: standardUpperBounds, count, sum: 2.5 };
    const infinite = { ...finite, buckets: [...buckets, count], upperBounds: [...standardUpperBounds, Infinity] };
    for (const histogram of [finite, infinite]) {
      const sample = read(family('istio_request_bytes', 'histogram'), metric({ histogram }));
      expect(sample).toMatchObject({ values: [...buckets, count, 2.5] });
    }
  });

  test('a histogram without its histogram has no value', () => {
    expect(read(family('istio_request_bytes', 'histogram'), metric())).toBe('value');
  });

  test('fractional bucket counts, or fewer than bounds, are refused', () => {
    const histogram = { buckets: [1, 2], upperBounds: standardUpperBounds, count: 2, sum: 1 };
    const of = (buckets: number[]): unknown =>
      read(family('istio_request_bytes', 'histogram'), metric({ histogram: { ...histogram, buckets } }));
    expect(of(standardUpperBounds.map(() => 0.5))).toBe('value');
    expect(of([1, 2])).toBe('buckets');
  });

  test('a clock that is a few hours off is forgiven, one that is years off is not', () => {
    const since = (createdMs: number): unknown =>
      read(family('istio_requests_total', 'counter'), metric({ createdMs }));
    expect(since(startMs + 5 * 3_600_000)).toMatchObject({ values: [1] });
    expect(since(startMs - 400 * 86_400_000)).toMatchObject({ values: [1] });
    expect(since(startMs + 2 * 86_400_000)).toBe('created_timestamp');
    expect(since(startMs - 11 * 365 * 86_400_000)).toBe('created_timestamp');
    expect(since(Number.NaN)).toBe('created_timestamp');
  });
});
