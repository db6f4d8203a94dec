import { describe, expect, test } from 'vitest';
import type { Instance, Reported } from '../../mixer/telemetry/instance.ts';
import type { Ledger } from '../../mixer/telemetry/ledger.ts';
import type { StreamSeries } from '../../proxy/api/metric-labels-reader.ts';
import { counter, createLedger, histogram, labels, shown, startMs } from './samples.ts';

function open(ledger: Ledger, nodeId: string, nowMs = startMs): Instance {
  const instance = ledger.openStream(nodeId, nowMs);
  if (instance === undefined) throw new Error(`${nodeId} was refused`);
  return instance;
}

const hourMs = 3_600_000;

describe('totals', () => {
  test('instances add up and a growing value adds its growth', () => {
    const { ledger, read } = createLedger();
    const a = open(ledger, 'a');
    const b = open(ledger, 'b');
    ledger.apply(a, counter('v1', 3), startMs);
    ledger.apply(b, counter('v1', 5), startMs);
    ledger.apply(a, counter('v1', 10), startMs);
    ledger.apply(a, counter('v2', 1), startMs);
    expect(read()).toEqual({ [shown('v1')]: 15, [shown('v2')]: 1 });
  });

  test('histograms add up bucket by bucket', () => {
    const { ledger, read } = createLedger();
    const a = open(ledger, 'a');
    ledger.apply(a, histogram('v1', 2, 0.5), startMs);
    ledger.apply(open(ledger, 'b'), histogram('v1', 3, 1), startMs);
    ledger.apply(a, histogram('v1', 4, 0.75), startMs);
    expect(read('istio_request_bytes')[shown('v1')]).toMatchObject({ count: 7, sum: 1.75 });
    const { buckets } = read('istio_request_bytes')[shown('v1')] as { buckets: Float64Array };
    expect(Array.from(buckets).slice(0, 19)).toEqual(Array.from({ length: 19 }, () => 7));
  });

  test('a repeated report adds nothing', () => {
    const { ledger, read } = createLedger();
    const a = open(ledger, 'a');
    for (let i = 0; i < 5; i += 1) expect(ledger.apply(a, counter('v1', 7), startMs)).toBeUndefined();
    expect(read()[shown('v1')]).toBe(7);
  });

  test('a late report of the same start is refused and changes nothing', () => {
    const { ledger, read } = createLedger();
    const a = open(ledger, 'a');
    ledger.apply(a, counter('v1', 7), startMs);
    expect(ledger.apply(a, counter('v1', 6), startMs)).toBe('decreased');
    ledger.apply(a, histogram('v1', 3, 10), startMs);
    expect(ledger.apply(a, histogram('v1', 4, 9), startMs)).toBe('decreased');
    expect(read()[shown('v1')]).toBe(7);
    expect(read('istio_request_bytes')[shown('v1')]).toMatchObject({ count: 3, sum: 10 });
  });

  test('a restarted instance adds to what it counted before', () => {
    const { ledger, read } = createLedger();
    ledger.apply(open(ledger, 'a'), counter('v1', 7, startMs), startMs);
    ledger.apply(open(ledger, 'a'), counter('v1', 2, startMs + 1), startMs);
    expect(read()[shown('v1')]).toBe(9);
  });

  test('the last report of a start is counted even when it arrives after the restart', () => {
    const { ledger, read } = createLedger();
    const a = open(ledger, 'a');
    ledger.apply(a, counter('v1', 7, startMs), startMs);
    ledger.apply(a, counter('v1', 2, startMs + 1), startMs);
    ledger.apply(a, counter('v1', 8, startMs), startMs);
    ledger.apply(a, counter('v1', 3, startMs + 1), startMs);
    expect(read()[shown('v1')]).toBe(11);
  });

  test('a new stream of a running instance starts from what is known of it', () => {
    const { ledger, read } = createLedger();
    const first = open(ledger, 'a');
    ledger.apply(first, counter('v1', 7), startMs);
    ledger.closeStream(first, startMs);
    ledger.apply(open(ledger, 'a'), counter('v1', 9), startMs);
    expect(read()[shown('v1')]).toBe(9);
  });

  test('labels in another order, or with an empty one more, are the same series', () => {
    const { ledger, read } = createLedger();
    ledger.apply(open(ledger, 'a'), counter('v1', 1), startMs);
    const reordered = [...labels('v1').toReversed(), { name: 'grpc_response_status', value: '' }];
    ledger.apply(open(ledger, 'b'), { ...counter('v1', 1), labels: reordered }, startMs);
    expect(Object.values(read())).toEqual([2]);
  });

  test('the same label array in two families is two series', () => {
    const { ledger, read } = createLedger();
    const a = open(ledger, 'a');
    const shared = labels('v1');
    for (const value of [1, 2]) {
      ledger.apply(a, { ...counter('v1', value), labels: shared }, startMs);
      ledger.apply(a, { ...counter('v1', value * 10), name: 'envoy_x', labels: shared }, startMs);
    }
    expect(read()[shown('v1')]).toBe(2);
    expect(read('envoy_x')[shown('v1')]).toBe(20);
  });
});

describe('instances that are gone', () => {
  test('keep their part of the totals after they are forgotten', () => {
    const { ledger, totals, read } = createLedger({ foldAfterMs: hourMs });
    const a = open(ledger, 'a');
    const b = open(ledger, 'b');
    ledger.apply(a, counter('v1', 7), startMs);
    ledger.apply(b, counter('v1', 1), startMs);
    ledger.closeStream(a, startMs);
    ledger.sweep(startMs + hourMs);
    expect(ledger.instanceCount).toBe(1);
    ledger.apply(b, counter('v1', 2), startMs + hourMs);
    totals.sweep(startMs + hourMs);
    expect(read('istio_requests_total', startMs + hourMs)).toEqual({ [shown('v1')]: 9 });
  });

  test('are not forgotten while a stream is open, however silent it is', () => {
    const { ledger, read } = createLedger();
    const a = open(ledger, 'a');
    ledger.apply(a, counter('v1', 7), startMs);
    ledger.sweep(startMs + 100 * hourMs);
    ledger.apply(a, counter('v1', 8), startMs + 100 * hourMs);
    expect(read('istio_requests_total', startMs + 100 * hourMs)).toEqual({ [shown('v1')]: 8 });
  });

  test('are counted on, not twice, when they come back after being forgotten', () => {
    const { ledger, read } = createLedger();
    const first = open(ledger, 'a');
    ledger.apply(first, counter('v1', 7), startMs);
    ledger.closeStream(first, startMs);
    ledger.sweep(startMs + hourMs);
    const again = open(ledger, 'a');
    ledger.apply(again, counter('v1', 9), startMs);
    ledger.apply(again, counter('v1', 10), startMs);
    expect(read()[shown('v1')]).toBe(8);
  });

  test('make room for new ones, the longest gone first; while all are connected a new one is refused', () => {
    const { ledger, read } = createLedger({ maxInstances: 2 });
    const a = open(ledger, 'a');
    const b = open(ledger, 'b');
    ledger.apply(a, counter('v1', 1), startMs);
    ledger.apply(b, counter('v1', 1), startMs);
    expect(ledger.openStream('c', startMs)).toBeUndefined();
    ledger.closeStream(b, startMs + 1);
    ledger.closeStream(a, startMs + 2);
    ledger.apply(open(ledger, 'c', startMs + 3), counter('v1', 1), startMs);
    ledger.apply(open(ledger, 'a', startMs + 3), counter('v1', 2), startMs);
    expect(ledger.instanceCount).toBe(2);
    expect(read()[shown('v1')]).toBe(4);
  });

  test('an instance that restarts without end is held with a bounded number of starts', () => {
    const { ledger, read } = createLedger({ maxEpochsPerInstance: 4 });
    const a = open(ledger, 'a');
    for (let i = 0; i < 100; i += 1) ledger.apply(a, counter('v1', 1, startMs + i), startMs + i);
    expect(a.epochs.size).toBe(4);
    expect(read()[shown('v1')]).toBe(100);
  });
});

describe('a series that its stream remembers', () => {
  const streamSeries = (): StreamSeries<Reported> => ({ labels: labels('v1'), memo: undefined });

  test('has the labels of the totals from its first report on, and is counted on without a look at them', () => {
    const { ledger, totals, read } = createLedger();
    const a = open(ledger, 'a');
    const series = streamSeries();
    ledger.apply(a, { ...counter('v1', 3), series }, startMs);
    const [shared] = totals.family('istio_requests_total')?.series.values() ?? [];
    expect(series.labels).toBe(shared?.labelValues);
    ledger.apply(a, { ...counter('v1', 5), labels: [], series }, startMs);
    expect(read()).toEqual({ [shown('v1')]: 5 });
  });

  test('keeps its own labels where they stand in another order', () => {
    const { ledger } = createLedger();
    ledger.apply(open(ledger, 'a'), counter('v1', 3), startMs);
    const reordered = labels('v1').toReversed();
    const series = { labels: reordered, memo: undefined };
    ledger.apply(open(ledger, 'b'), { ...counter('v1', 3), labels: reordered, series }, startMs);
    expect(series.labels).toBe(reordered);
  });

  test('is looked up again when it begins anew, and when its start was folded', () => {
    const { ledger, read } = createLedger({ maxEpochsPerInstance: 2 });
    const a = open(ledger, 'a');
    const series = streamSeries();
    for (const [value, createdMs] of [
      [7, 0],
      [2, 1],
      [8, 0],
      [1, 2],
      [1, 3],
      // Folded meanwhile: it only says where to count on.
      [3, 1],
      [4, 1],
    ] as const) {
      ledger.apply(a, { ...counter('v1', value, startMs + createdMs), series }, startMs);
    }
    expect(read()).toEqual({ [shown('v1')]: 8 + 2 + 1 + 1 + 1 });
  });

  test('has its values to itself, among however many series', () => {
    const { ledger, read } = createLedger();
    const a = open(ledger, 'a');
    for (let i = 0; i < 40; i += 1) ledger.apply(a, histogram(`v${i}`, 1, i), startMs);
    for (let i = 0; i < 40; i += 1) ledger.apply(a, histogram(`v${i}`, 3, 2 * i), startMs);
    expect(read('istio_request_bytes')[shown('v39')]).toMatchObject({ count: 3, sum: 78 });
    expect(read('istio_request_bytes')[shown('v0')]).toMatchObject({ count: 3, sum: 0 });
  });
});

describe('expiry', () => {
  test('a series that does not change any more is not shown, and comes back whole when it changes', () => {
    const { ledger, totals, read } = createLedger({ expireAfterMs: hourMs });
    const a = open(ledger, 'a');
    ledger.apply(a, counter('v1', 7), startMs);
    ledger.apply(a, counter('v2', 1), startMs);
    ledger.apply(a, counter('v2', 2), startMs + hourMs);
    expect(read('istio_requests_total', startMs + hourMs)).toEqual({ [shown('v2')]: 2 });
    totals.sweep(startMs + hourMs);
    ledger.apply(a, counter('v1', 8), startMs + hourMs);
    expect(read('istio_requests_total', startMs + hourMs)).toEqual({ [shown('v1')]: 8, [shown('v2')]: 2 });
  });

  test('being reported again unchanged is no change', () => {
    const { ledger, read } = createLedger({ expireAfterMs: hourMs });
    const a = open(ledger, 'a');
    ledger.apply(a, counter('v1', 7), startMs);
    ledger.apply(a, counter('v1', 7), startMs + hourMs);
    expect(read('istio_requests_total', startMs + hourMs)).toEqual({});
  });

  test('an expired series is forgotten once nobody is left who could change it', () => {
    const { ledger, totals } = createLedger();
    const a = open(ledger, 'a');
    ledger.apply(a, counter('v1', 7), startMs);
    ledger.apply(a, { ...counter('v1', 7), name: 'envoy_x' }, startMs);
    totals.sweep(startMs + 2 * hourMs);
    expect(totals.seriesCount).toBe(2);
    ledger.closeStream(a, startMs);
    ledger.sweep(startMs + 2 * hourMs);
    totals.sweep(startMs + 2 * hourMs);
    expect(totals.seriesCount).toBe(0);
    expect([...totals.exposed(startMs)].map(({ name }) => name)).not.toContain('envoy_x');
  });
});

describe('caps', () => {
  test('beyond the cap of a family everything adds up in its overflow series', () => {
    const { ledger, read } = createLedger({ maxSeriesPerFamily: 2 });
    const a = open(ledger, 'a');
    for (const growth of [1, 2]) {
      for (const version of ['v1', 'v2', 'v3', 'v4']) ledger.apply(a, counter(version, 10 * growth), startMs);
    }
    const values = read();
    expect(values[shown('v1')]).toBe(20);
    expect(values[shown('v2')]).toBe(20);
    const [overflow] = Object.entries(values).filter(([series]) => series.includes('destination_version="overflow"'));
    expect(overflow?.[0]).toContain('reporter="source"');
    expect(overflow?.[1]).toBe(40);
    expect(Object.keys(values)).toHaveLength(3);
  });

  test('an overflow series has the labels of its family: connections have no response', () => {
    const { ledger, read } = createLedger({ maxSeriesPerFamily: 1 });
    const instance = ledger.openStream('a', startMs);
    if (instance === undefined) throw new Error('refused');
    const name = 'istio_tcp_sent_bytes_total';
    for (const version of ['v1', 'v2', 'v3']) ledger.apply(instance, { ...counter(version, 5), name }, startMs);
    const [overflow] = Object.entries(read(name)).filter(([series]) => series.includes('overflow'));
    expect(overflow?.[1]).toBe(10);
    expect(overflow?.[0]).toContain('response_flags="overflow"');
    expect(overflow?.[0]).not.toContain('response_code');
  });

  test('what once counted as overflow stays there when room becomes free', () => {
    const { ledger, totals, read } = createLedger({ maxSeriesPerFamily: 1 });
    const a = open(ledger, 'a');
    const b = open(ledger, 'b');
    ledger.apply(a, counter('v1', 5), startMs);
    ledger.apply(b, counter('v2', 5), startMs);
    ledger.closeStream(a, startMs);
    ledger.sweep(startMs + hourMs);
    totals.sweep(startMs + hourMs);
    ledger.apply(b, counter('v2', 6), startMs + hourMs);
    expect(Object.values(read('istio_requests_total', startMs + hourMs))).toEqual([6]);
  });

  test('one instance cannot report without end', () => {
    const { ledger, read } = createLedger({ maxSeriesPerInstance: 3 });
    const a = open(ledger, 'a');
    const reasons = [1, 2, 3, 4, 5].map((i) => ledger.apply(a, counter(`v${i}`, 1), startMs));
    expect(reasons).toEqual([undefined, undefined, undefined, 'series_limit', 'series_limit']);
    expect(ledger.apply(open(ledger, 'b'), counter('v9', 1), startMs)).toBeUndefined();
    expect(Object.keys(read())).toHaveLength(4);
  });

  test('all instances together cannot either, and a forgotten one gives its share back', () => {
    const { ledger } = createLedger({ maxReportedSeries: 2 });
    const a = open(ledger, 'a');
    ledger.apply(a, counter('v1', 1), startMs);
    ledger.apply(a, counter('v2', 1), startMs);
    const b = open(ledger, 'b');
    expect(ledger.apply(b, counter('v1', 1), startMs)).toBe('series_limit');
    ledger.closeStream(a, startMs);
    ledger.sweep(startMs + hourMs);
    expect(ledger.apply(b, counter('v1', 1), startMs)).toBeUndefined();
  });

  test('families with names of their own are bounded, Istio keeps its place', () => {
    const { ledger } = createLedger({ maxFamilies: 2 });
    const a = open(ledger, 'a');
    const reasons = [1, 2, 3].map((i) => ledger.apply(a, { ...counter('v1', 1), name: `envoy_${i}` }, startMs));
    expect(reasons).toEqual([undefined, undefined, 'series_limit']);
    expect(ledger.apply(a, counter('v1', 1), startMs)).toBeUndefined();
  });
});
