import { describe, expect, test } from 'vitest';
import { decodeListener } from '../../../proxy/api/listener-decoder.ts';
import { type MetricRules, metricRulesMetadata, noMetricRules } from '../../../proxy/api/metric-rules.ts';
import { requireValue } from '../../../proxy/common/decoded.ts';
import { StatsStore } from '../../../proxy/common/stats.ts';
import { IstioMetrics } from '../../../proxy/telemetry/istio-metrics.ts';
import { prometheusText } from '../../../proxy/telemetry/prometheus.ts';
import { httpListener } from '../../support/envoy-json.ts';
import { findSample, parsePrometheusText, sumSamples, type TextFamily } from '../../support/prometheus-text.ts';
import { consumerService, consumerV2, nodeMetadata } from './nodes.ts';

function rules(changes: Partial<MetricRules>): MetricRules {
  return { ...noMetricRules, ...changes };
}

async function exposed(metrics: IstioMetrics): Promise<Map<string, TextFamily>> {
  let text = '';
  for await (const slice of prometheusText(metrics, new StatsStore())) text += slice;
  // Throws where a series appears twice.
  return parsePrometheusText(text);
}

const v3 = { ...consumerV2, name: 'ftgo-consumer-service-v3', canonicalRevision: 'v3' };

function request(metrics: IstioMetrics, code = 200, workload = consumerV2): void {
  metrics.record(metrics.outboundScope(consumerService, workload), code, code === 200 ? '-' : 'UF', 3, 10, 100);
}

describe('the rules of a side', () => {
  test('leave labels out, and what differs in nothing else is one series', async () => {
    const metrics = new IstioMetrics(nodeMetadata());
    metrics.setRules(
      'source',
      rules({
        removedLabels: [
          'response_code',
          'response_flags',
          'destination_version',
          'destination_workload',
          'destination_canonical_revision',
        ],
      }),
    );
    for (const workload of [consumerV2, v3]) for (const code of [200, 503, 200]) request(metrics, code, workload);
    const families = await exposed(metrics);
    const samples = families.get('istio_requests_total')?.samples ?? [];
    expect(samples).toHaveLength(1);
    expect(samples[0]?.value).toBe(6);
    expect(samples[0]?.labels).not.toHaveProperty('response_code');
    expect(samples[0]?.labels).toHaveProperty('reporter', 'source');
    expect(sumSamples(families, 'istio_request_bytes_sum')).toBe(60);
  });

  test('give labels another value, and add labels', async () => {
    const metrics = new IstioMetrics(nodeMetadata());
    metrics.setRules('source', rules({ fixedLabels: { request_protocol: 'web', zone: 'a', response_code: 'any' } }));
    request(metrics);
    request(metrics, 503);
    const labels = { request_protocol: 'web', zone: 'a', response_code: 'any' };
    const families = await exposed(metrics);
    expect(findSample(families, 'istio_requests_total', { ...labels, response_flags: '-' })).toBe(1);
    expect(findSample(families, 'istio_requests_total', { ...labels, response_flags: 'UF' })).toBe(1);
  });

  test('hold for connections too', async () => {
    const metrics = new IstioMetrics(nodeMetadata());
    metrics.setRules(
      'destination',
      rules({ removedLabels: ['response_flags'], droppedMetrics: ['istio_tcp_sent_bytes_total'] }),
    );
    for (const flags of ['-', 'UF']) metrics.tcpSeries(metrics.inboundScope(''), flags).openedCount += 1;
    const families = await exposed(metrics);
    expect(families.get('istio_tcp_connections_opened_total')?.samples).toMatchObject([{ value: 2 }]);
    expect(families.has('istio_tcp_sent_bytes_total')).toBe(false);
  });

  test('leave metrics out, on this side only', async () => {
    const metrics = new IstioMetrics(nodeMetadata());
    metrics.setRules('source', rules({ droppedMetrics: ['istio_request_bytes'] }));
    request(metrics);
    metrics.record(metrics.inboundScope(''), 200, '-', 1, 7, 7);
    const families = await exposed(metrics);
    expect(findSample(families, 'istio_requests_total', { reporter: 'source' })).toBe(1);
    expect(findSample(families, 'istio_request_bytes_sum', { reporter: 'source' })).toBeUndefined();
    expect(findSample(families, 'istio_request_bytes_sum', { reporter: 'destination' })).toBe(7);
  });

  test('may change under traffic and back: counts go on where they were, and are found at once', async () => {
    const metrics = new IstioMetrics(nodeMetadata());
    const without = rules({ removedLabels: ['source_app'] });
    for (const each of [noMetricRules, without, noMetricRules, without]) {
      metrics.setRules('source', each);
      metrics.setRules('destination', each);
      const before = metrics.outboundScope(consumerService, consumerV2);
      expect(before.isRetired).toBe(false);
      request(metrics);
      metrics.record(metrics.outboundScope(undefined, undefined), 404, 'NR', 1, 0, 0);
      metrics.record(metrics.inboundScope(''), 200, '-', 1, 0, 0);
      expect(before.find(200, '-')).toBeGreaterThan(0);
    }
    const families = await exposed(metrics);
    const samples = families.get('istio_requests_total')?.samples ?? [];
    expect(samples.map(({ value }) => value)).toEqual([2, 2, 2, 2, 2, 2]);
    expect(samples.filter(({ labels }) => labels['source_app'] === undefined)).toHaveLength(3);
  });

  test('series that nobody counts in are taken out with all the responses that counted in them', async () => {
    const metrics = new IstioMetrics(nodeMetadata());
    metrics.setRules('source', rules({ removedLabels: ['response_code', 'response_flags'] }));
    request(metrics);
    request(metrics, 503);
    const sweep = (nowMs: number): void => metrics.sweep({ nowMs, expireAfterMs: 10, isSaid: () => true });
    sweep(100);
    sweep(200);
    expect((await exposed(metrics)).has('istio_requests_total')).toBe(false);
    request(metrics);
    request(metrics, 503);
    expect((await exposed(metrics)).get('istio_requests_total')?.samples).toMatchObject([{ value: 2 }]);
  });
});

describe('labels of one metric', () => {
  const lean = rules({
    removedLabels: ['source_app'],
    ownLabels: {
      istio_request_duration_milliseconds: {
        removedLabels: ['response_code', 'response_flags'],
        fixedLabels: { destination_version: 'any', zone: 'a' },
      },
    },
  });

  test('sum up what is one series to it alone, and the others are as they were', async () => {
    const metrics = new IstioMetrics(nodeMetadata());
    metrics.setRules('source', lean);
    for (const code of [200, 503, 200]) request(metrics, code);
    metrics.record(metrics.inboundScope(''), 200, '-', 1, 1, 1);
    const families = await exposed(metrics);
    const own = { reporter: 'source', destination_version: 'any', zone: 'a' };
    expect(findSample(families, 'istio_request_duration_milliseconds_count', own)).toBe(3);
    expect(findSample(families, 'istio_request_duration_milliseconds_sum', own)).toBe(9);
    expect(findSample(families, 'istio_request_duration_milliseconds_bucket', { ...own, le: '5' })).toBe(3);
    expect(findSample(families, 'istio_request_duration_milliseconds_bucket', { ...own, le: '1' })).toBe(0);
    const [sample] = families.get('istio_request_duration_milliseconds')?.samples ?? [];
    expect(sample?.labels).not.toHaveProperty('response_code');
    expect(sample?.labels).not.toHaveProperty('source_app');
    expect(findSample(families, 'istio_requests_total', { reporter: 'source', response_code: '200' })).toBe(2);
    expect(findSample(families, 'istio_requests_total', { reporter: 'source', response_code: '503' })).toBe(1);
    const inbound = { reporter: 'destination', response_code: '200' };
    expect(findSample(families, 'istio_request_duration_milliseconds_count', inbound)).toBe(1);
  });

  test('of connections too, and a metric that is left out stays out', async () => {
    const metrics = new IstioMetrics(nodeMetadata());
    const ownLabels = { istio_tcp_sent_bytes_total: { removedLabels: ['response_flags'], fixedLabels: {} } };
    metrics.setRules('destination', rules({ ownLabels, droppedMetrics: ['istio_tcp_received_bytes_total'] }));
    for (const flags of ['-', 'UF']) {
      const series = metrics.tcpSeries(metrics.inboundScope(''), flags);
      series.openedCount += 1;
      series.sentBytes += 7;
    }
    const families = await exposed(metrics);
    expect(families.get('istio_tcp_sent_bytes_total')?.samples).toMatchObject([{ value: 14 }]);
    expect(families.get('istio_tcp_connections_opened_total')?.samples).toMatchObject([{ value: 1 }, { value: 1 }]);
    expect(families.has('istio_tcp_received_bytes_total')).toBe(false);
  });

  test('may come and go under traffic: every count is told once, under the labels of its time', async () => {
    const metrics = new IstioMetrics(nodeMetadata());
    for (const each of [noMetricRules, lean, noMetricRules, lean]) {
      metrics.setRules('source', each);
      request(metrics);
      request(metrics, 503);
    }
    const families = await exposed(metrics);
    const told = (name: string): number[] => (families.get(name)?.samples ?? []).map(({ value }) => value);
    expect(told('istio_requests_total')).toEqual([2, 2, 2, 2]);
    expect(sumSamples(families, 'istio_request_duration_milliseconds_count', { zone: 'a' })).toBe(4);
    expect(sumSamples(families, 'istio_request_duration_milliseconds_count')).toBe(8);
  });

  test('never tell less, whatever is taken out of the sum, until all of it is', async () => {
    const metrics = new IstioMetrics(nodeMetadata());
    metrics.setRules('source', lean);
    const count = async (): Promise<number | undefined> =>
      findSample(await exposed(metrics), 'istio_request_duration_milliseconds_count', { zone: 'a' });
    let nowMs = 0;
    const sweep = (): void => metrics.sweep({ nowMs: (nowMs += 100), expireAfterMs: 150, isSaid: () => true });
    request(metrics);
    request(metrics, 503);
    sweep();
    for (let i = 0; i < 3; i += 1) {
      request(metrics);
      sweep();
    }
    expect((await exposed(metrics)).get('istio_requests_total')?.samples).toHaveLength(1);
    expect(await count()).toBe(5);
    request(metrics, 503);
    expect(await count()).toBe(6);
    for (let i = 0; i < 3; i += 1) sweep();
    expect(await count()).toBeUndefined();
    request(metrics);
    expect(await count()).toBe(1);
  });
});

describe('in the metadata of a listener', () => {
  const decoded = (metadata: object) => decodeListener({ ...httpListener({ routes: { name: 'r' } }), metadata });

  test('they come as they were sent', () => {
    const sent = rules({
      droppedMetrics: ['istio_request_bytes'],
      removedLabels: ['a'],
      fixedLabels: { b: 'c' },
      ownLabels: { istio_requests_total: { removedLabels: ['d'], fixedLabels: { e: 'f' } } },
    });
    expect(requireValue(decoded(metricRulesMetadata(sent)), 'listener').metricRules).toEqual(sent);
    expect(requireValue(decoded({ filter_metadata: { other: { x: 1 } } }), 'listener').metricRules).toBeUndefined();
  });

  test.each([
    ['no list', { metrics: 'all' }],
    ['a metric of its own', { metrics: [{ name: 'mine' }] }],
    ['a metric that is left out with labels', { metrics: [{ name: 'a', drop: true, tags_to_remove: ['a'] }] }],
    ['a name that is none', { metrics: [{ name: 7, tags_to_remove: ['a'] }] }],
    ['nothing about it', { metrics: [{}] }],
    ['a match', { metrics: [{ match: 'true', tags_to_remove: ['a'] }] }],
    ['a label that is a number', { metrics: [{ dimensions: { a: 1 } }] }],
  ])('%s is refused', (_, config) => {
    expect(decoded({ filter_metadata: { 'istio.stats': config } }).errors?.[0]).toMatchObject({
      path: 'metadata.filter_metadata',
      message: expect.stringMatching(/^must have \{name, drop: true\} or .* in istio\.stats\.metrics, got /) as string,
    });
  });
});
