/** What a broken or hostile peer can send. After each of it the mixer lives and counts the honest peer right. */
import { Client, credentials, type ClientWritableStream, type ServiceError } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MixerServer } from '../../mixer/server.ts';
import { encodeStreamMetrics } from '../../proxy/api/metrics-encoder.ts';
import {
  type Metric,
  type MetricFamily,
  type MetricHistogram,
  streamMetrics,
} from '../../proxy/api/metrics-service.ts';
import { standardUpperBounds } from '../../proxy/api/standard-metrics.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { findSample, sumSamples } from '../support/prometheus-text.ts';
import { scrape, startMixer } from './mesh-of-two.ts';

const clock = new ManualClock();
const createdMs = clock.nowMs() - 60_000;

let mixer: MixerServer;
let client: Client;

beforeAll(async () => {
  mixer = await startMixer({ clock, limits: { maxSeriesPerFamily: 50, maxSeriesPerInstance: 100 } });
  client = new Client(`127.0.0.1:${mixer.grpcPort}`, credentials.createInsecure());
  // Its series is there before anybody takes all the room.
  await expectHonestPeerIsServed();
});

afterAll(async () => {
  client.close();
  await mixer.close();
});

/** Sends these messages on a stream of its own; resolves with the mixer's error, if it had one. */
async function send(...messages: Uint8Array[]): Promise<ServiceError | null> {
  return new Promise((resolve) => {
    const { path, requestSerialize, responseDeserialize } = streamMetrics;
    const call: ClientWritableStream<Uint8Array> = client.makeClientStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      resolve,
    );
    call.on('error', () => {});
    for (const message of messages) call.write(message);
    call.end();
  });
}

function from(id: string, ...families: MetricFamily[]): Uint8Array {
  return encodeStreamMetrics({ node: { id }, families, updates: [] });
}

function metric(changes: Partial<Metric> = {}): Metric {
  return { labels: [{ name: 'reporter', value: 'source' }], createdMs, value: 1, histogram: undefined, ...changes };
}

function requests(...metrics: Metric[]): MetricFamily {
  return { name: 'istio_requests_total', help: '', type: 'counter', metrics };
}

function bytes(changes: Partial<MetricHistogram> = {}): MetricFamily {
  const histogram = { count: 1, sum: 1, buckets: standardUpperBounds.map(() => 0), upperBounds: standardUpperBounds };
  const metrics = [metric({ histogram: { ...histogram, ...changes } })];
  return { name: 'istio_request_bytes', help: '', type: 'histogram', metrics };
}

async function rejected(reason: string): Promise<number> {
  return findSample(await scrape(mixer), 'heddle_mixer_rejected_total', { reason }) ?? Number.NaN;
}

let honest = 0;

/** An honest peer counts one more request: the mixer must have exactly what it sent. */
async function expectHonestPeerIsServed(): Promise<void> {
  honest += 1;
  const labels = [{ name: 'source_app', value: 'honest' }];
  expect(await send(from('honest', requests(metric({ labels, value: honest }))))).toBeNull();
  expect(findSample(await scrape(mixer), 'istio_requests_total', { source_app: 'honest' })).toBe(honest);
}

const label = (name: string, value = 'x'): Metric => metric({ labels: [{ name, value }] });

const badMetrics: readonly [what: string, reason: string, family: MetricFamily][] = [
  ['a counter that is NaN', 'value', requests(metric({ value: Number.NaN }))],
  ['a negative counter', 'value', requests(metric({ value: -1 }))],
  ['an infinite counter', 'value', requests(metric({ value: Infinity }))],
  ['a counter that no addition changes', 'value', requests(metric({ value: 1e300 }))],
  ['a histogram whose sum is NaN', 'value', bytes({ sum: Number.NaN })],
  ['a histogram whose sum is negative', 'value', bytes({ sum: -5 })],
  [
    'buckets that are not cumulative',
    'value',
    bytes({ buckets: standardUpperBounds.map((_, i) => (i === 0 ? 5 : 1)) }),
  ],
  ['buckets above the count', 'value', bytes({ buckets: standardUpperBounds.map(() => 2) })],
  ['other bucket bounds', 'buckets', bytes({ upperBounds: standardUpperBounds.map((bound) => bound + 1) })],
  ['no buckets', 'buckets', bytes({ upperBounds: [], buckets: [] })],
  ['a label value of 1 MB', 'labels', requests(label('source_app', 'x'.repeat(1_000_000)))],
  ['a label name of 1,000 letters', 'labels', requests(label('x'.repeat(1000)))],
  ['an empty label name', 'labels', requests(label(''))],
  ['a label name with a quote', 'labels', requests(label('a"} 1\nx'))],
  ['a label name that begins with a digit', 'labels', requests(label('1a'))],
  ['a label name of Prometheus itself', 'labels', requests(label('__name__'))],
  ['the label of buckets', 'labels', requests(label('le'))],
  [
    'the same label twice',
    'labels',
    requests(metric({ labels: [1, 2].map((i) => ({ name: 'a', value: String(i) })) })),
  ],
  [
    'a hundred labels',
    'labels',
    requests(metric({ labels: Array.from({ length: 100 }, (_, i) => ({ name: `l${i}`, value: 'x' })) })),
  ],
  ['no start time', 'created_timestamp', requests(metric({ createdMs: 0 }))],
  ['a start in 1970', 'created_timestamp', requests(metric({ createdMs: 1000 }))],
  ['a start in 2099', 'created_timestamp', requests(metric({ createdMs: Date.UTC(2099, 0) }))],
  ['an empty name', 'family_name', { ...requests(metric()), name: '' }],
  ['a name with a line feed', 'family_name', { ...requests(metric()), name: 'envoy_x 1\nenvoy_y' }],
  ['a dotted name of a real Envoy', 'family_name', { ...requests(metric()), name: 'cluster.a.upstream_rq_total' }],
  ['a name of mixer itself', 'family_name', { ...requests(metric()), name: 'heddle_mixer_batches_total' }],
  ['a name of 10,000 letters', 'family_name', { ...requests(metric()), name: `envoy_${'x'.repeat(10_000)}` }],
  ['a gauge', 'type', { ...requests(metric()), name: 'envoy_cluster_upstream_cx_active', type: 'gauge' }],
  ['a summary', 'type', { ...requests(metric()), name: 'envoy_x', type: 'other' }],
  ['a histogram under the name of a counter', 'type', { ...bytes(), name: 'istio_requests_total' }],
];

describe('metrics that are refused and counted, alone', () => {
  for (const [what, reason, family] of badMetrics) {
    test(`${what}: ${reason}`, async () => {
      const before = await rejected(reason);
      const good = metric({ labels: [{ name: 'beside', value: what }], value: 3 });
      expect(await send(from('hostile', family, requests(good)))).toBeNull();
      expect(await rejected(reason)).toBe(before + 1);
      expect(findSample(await scrape(mixer), 'istio_requests_total', { beside: what })).toBe(3);
      await expectHonestPeerIsServed();
    });
  }

  test('numbers of series that the stream never said: reference', async () => {
    const before = await rejected('reference');
    const updates = [0, 7, 2 ** 31].map((reference) => ({ reference, value: 1, counts: [] }));
    expect(await send(from('hostile'), encodeStreamMetrics({ node: undefined, families: [], updates }))).toBeNull();
    expect(await rejected('reference')).toBe(before + 3);
    await expectHonestPeerIsServed();
  });

  test('values of a numbered series that cannot be: value, buckets, decreased', async () => {
    const labels = [{ name: 'case', value: 'numbered' }];
    const whole = from('hostile', requests(metric({ labels, value: 5, reference: 0 })), {
      ...bytes(),
      metrics: bytes().metrics.map((each) => ({ ...each, labels, reference: 1 })),
    });
    const update = (reference: number, value: number, counts: readonly number[] = []): Uint8Array =>
      encodeStreamMetrics({ node: undefined, families: [], updates: [{ reference, value, counts }] });
    const before = [await rejected('value'), await rejected('buckets'), await rejected('decreased')];
    const full = standardUpperBounds.map(() => 0);
    const bad = [update(0, Number.NaN), update(0, 4), update(1, 3), update(1, 3, [1, 2]), update(1, -1, [...full, 1])];
    expect(await send(whole, ...bad, update(0, 6), update(1, 9, [...full, 3]))).toBeNull();
    expect([await rejected('value'), await rejected('buckets'), await rejected('decreased')]).toEqual(
      [3, 1, 1].map((more, i) => (before[i] ?? 0) + more),
    );
    const families = await scrape(mixer);
    expect(findSample(families, 'istio_requests_total', { case: 'numbered' })).toBe(6);
    expect(findSample(families, 'istio_request_bytes_count', { case: 'numbered' })).toBe(3);
  });

  test('a value that decreases since the same start', async () => {
    const before = await rejected('decreased');
    const labels = [{ name: 'case', value: 'decreasing' }];
    const report = (value: number): Uint8Array => from('hostile', requests(metric({ labels, value })));
    await send(report(9), report(8), report(10));
    expect(await rejected('decreased')).toBe(before + 1);
    expect(findSample(await scrape(mixer), 'istio_requests_total', { case: 'decreasing' })).toBe(10);
  });
});

describe('streams that are refused', () => {
  const badStreams: readonly [what: string, reason: string, messages: Uint8Array[]][] = [
    [
      'no identifier in the first message',
      'identifier',
      [encodeStreamMetrics({ node: undefined, families: [], updates: [] })],
    ],
    ['an empty node id', 'identifier', [from('')]],
    ['a node id of 10,000 letters', 'identifier', [from('x'.repeat(10_000))]],
    ['bytes that are no message', 'encoding', [Buffer.from('GET / HTTP/1.1\r\n\r\n')]],
    ['a message cut in the middle', 'encoding', [from('x', requests(metric())).subarray(0, 12)]],
  ];
  for (const [what, reason, messages] of badStreams) {
    test(`${what}: ${reason}`, async () => {
      const before = await rejected(reason);
      const error = await send(...messages);
      expect(error?.details).toMatch(/must (have|be)/);
      expect(await rejected(reason)).toBe(before + 1);
      await expectHonestPeerIsServed();
    });
  }

  test('an identifier that is sent again is no fault, and only the first counts', async () => {
    expect(await send(from('one'), from('two'), from('one'))).toBeNull();
    const families = await scrape(mixer);
    expect(findSample(families, 'heddle_mixer_streams')).toBe(0);
  });

  test('a message above the limit of gRPC ends its stream only', async () => {
    const error = await send(from('huge', requests(label('source_app', 'x'.repeat(5_000_000)))));
    expect(error).not.toBeNull();
    await expectHonestPeerIsServed();
  });
});

test('random bytes and random cuts of a good message never bring the mixer down', async () => {
  const good = from('fuzz', requests(metric()), bytes());
  let state = 7;
  const next = (below: number): number => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) % below;
  };
  for (let i = 0; i < 200; i += 1) {
    const message = Uint8Array.from(good).subarray(0, next(good.length + 1));
    for (let n = next(4); n > 0 && message.length > 0; n -= 1) message[next(message.length)] = next(256);
    await send(message);
  }
  await expectHonestPeerIsServed();
});

test('a hundred thousand series from one peer fill its own share and nothing else', async () => {
  const before = await rejected('series_limit');
  for (let message = 0; message < 10; message += 1) {
    const metrics = Array.from({ length: 10_000 }, (_, i) => label('source_app', `${message}-${i}`));
    await send(from('flood', requests(...metrics)));
  }
  expect(await rejected('series_limit')).toBe(before + 100_000 - 100);
  const families = await scrape(mixer);
  expect(families.get('istio_requests_total')?.samples.length).toBeLessThanOrEqual(53);
  const overflow = sumSamples(families, 'istio_requests_total', { source_app: 'overflow' });
  const shown = (families.get('istio_requests_total')?.samples ?? []).filter(({ labels }) =>
    /^\d+-\d+$/.test(labels['source_app'] ?? ''),
  );
  expect(overflow + shown.length).toBe(100);
  await expectHonestPeerIsServed();
}, 60_000);
