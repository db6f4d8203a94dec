import { describe, expect, test } from 'vitest';
import { encodePeerMetadata } from '../../../proxy/api/peer-metadata.ts';
import { IstioMetrics } from '../../../proxy/telemetry/istio-metrics.ts';
import { MetricsReport } from '../../../proxy/telemetry/metrics-report.ts';
import { SeriesExpiry, seriesExpiryMs } from '../../../proxy/telemetry/series-expiry.ts';
import { ManualClock } from '../../support/manual-clock.ts';
import { consumerService, consumerV2, nodeMetadata } from './nodes.ts';

const minuteMs = 60_000;

function setUp({ maxSeries, isSaid = true }: { maxSeries?: number; isSaid?: boolean } = {}) {
  const clock = new ManualClock();
  const metrics = new IstioMetrics(nodeMetadata(), maxSeries === undefined ? {} : { maxSeries });
  const state = { isSaid };
  new SeriesExpiry(metrics, clock, () => state.isSaid).start();
  const report = new MetricsReport({ metrics, stats: undefined, clock, startTimeMs: clock.nowMs() });
  return { clock, metrics, state, report };
}

const codesOf = (metrics: IstioMetrics): (string | undefined)[] =>
  [...metrics.series()].map(({ labels }) => labels.find(({ name }) => name === 'response_code')?.value);

const requestsOf = (report: MetricsReport) =>
  [...report.changes()].flatMap(({ families }) => families).find(({ name }) => name === 'istio_requests_total')
    ?.metrics ?? [];

describe('B15: a series', () => {
  test('leaves when no request counted in it for a quarter of an hour, and others stay', () => {
    const { clock, metrics } = setUp();
    const scope = metrics.outboundScope(consumerService, consumerV2);
    metrics.record(scope, 500, '-', 1, 0, 0);
    metrics.record(scope, 503, 'UH', 1, 0, 0);
    for (let minutes = 0; minutes <= 16; minutes += 1) {
      metrics.record(scope, 200, '-', 1, 0, 0);
      clock.advance(minuteMs);
    }
    expect(codesOf(metrics)).toEqual(['200']);
  });

  test('that comes back counts from zero, and says since when', () => {
    const { clock, metrics, report } = setUp();
    const scope = metrics.outboundScope(consumerService, consumerV2);
    for (let i = 0; i < 7; i += 1) metrics.record(scope, 200, '-', 1, 0, 0);
    const [before] = requestsOf(report);
    clock.advance(seriesExpiryMs + 2 * minuteMs);
    expect(codesOf(metrics)).toEqual([]);
    for (let i = 0; i < 7; i += 1) metrics.record(scope, 200, '-', 1, 0, 0);
    const [after] = requestsOf(report);
    expect([before?.value, after?.value]).toEqual([7, 7]);
    expect(after?.createdMs).toBeGreaterThan(before?.createdMs ?? Infinity);
  });

  test('is counted once, whoever still holds the scope from before', () => {
    const { clock, metrics } = setUp();
    const held = metrics.outboundScope(consumerService, consumerV2);
    metrics.record(held, 200, '-', 1, 0, 0);
    clock.advance(seriesExpiryMs + 2 * minuteMs);
    metrics.record(held, 200, '-', 1, 0, 0);
    metrics.record(metrics.outboundScope(consumerService, consumerV2), 200, '-', 1, 0, 0);
    expect([...metrics.series()].map((series) => metrics.requestCount(series))).toEqual([2]);
  });

  test('that two scopes of the same labels share leaves both of them', () => {
    const { clock, metrics } = setUp();
    const unnamed = { name: '', namespace: '', canonicalService: '', canonicalRevision: '', clusterId: '' };
    const first = metrics.outboundScope(undefined, undefined);
    metrics.record(first, 200, '-', 1, 0, 0);
    clock.advance(seriesExpiryMs + 2 * minuteMs);
    for (const scope of [metrics.outboundScope(undefined, unnamed), first]) metrics.record(scope, 200, '-', 1, 0, 0);
    expect([...metrics.series()].map((series) => metrics.requestCount(series))).toEqual([2]);
    clock.advance(seriesExpiryMs + 2 * minuteMs);
    metrics.record(first, 200, '-', 1, 0, 0);
    expect([...metrics.series()].map((series) => metrics.requestCount(series))).toEqual([1]);
  });

  test('stays while somebody has not been told what it counted', () => {
    const { clock, metrics, state } = setUp({ isSaid: false });
    metrics.record(metrics.outboundScope(consumerService, consumerV2), 200, '-', 1, 0, 0);
    clock.advance(10 * seriesExpiryMs);
    expect(codesOf(metrics)).toEqual(['200']);
    state.isSaid = true;
    clock.advance(minuteMs);
    expect(codesOf(metrics)).toEqual([]);
  });

  test('makes room: what came beyond the cap gets a series of its own again', () => {
    const { clock, metrics } = setUp({ maxSeries: 2 });
    const peer = (name: string): string => encodePeerMetadata(nodeMetadata({ workloadName: name }));
    for (let i = 0; i < 5; i += 1) metrics.record(metrics.inboundScope(peer(`intruder-${i}`)), 200, '-', 1, 0, 0);
    const late = peer('late');
    metrics.record(metrics.inboundScope(late), 200, '-', 1, 0, 0);
    expect(codesOf(metrics)).toContain('overflow');
    clock.advance(seriesExpiryMs + 2 * minuteMs);
    metrics.record(metrics.inboundScope(late), 200, '-', 1, 0, 0);
    expect(codesOf(metrics)).toEqual(['overflow', '200']);
  });
});
