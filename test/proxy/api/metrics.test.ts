import { describe, expect, test } from 'vitest';
import { MetricsDecoder } from '../../../proxy/api/metrics-decoder.ts';
import { encodeStreamMetrics } from '../../../proxy/api/metrics-encoder.ts';
import type { Metric, MetricFamily, StreamMetricsMessage } from '../../../proxy/api/metrics-service.ts';
import { decode, encode } from '../../../proxy/api/protojson.ts';
import { seededRandom } from '../../support/seeded-random.ts';

const createdMs = Date.UTC(2026, 0, 31, 12, 0, 0, 250);

function counter(value: number, ...labels: string[]): Metric {
  return { labels: labels.map((label) => ({ name: 'l', value: label })), createdMs, value, histogram: undefined };
}

function family(name: string, metrics: Metric[]): MetricFamily {
  return { name, help: `Help of ${name}.`, type: 'counter', metrics };
}

const histogram: MetricFamily = {
  name: 'h',
  help: '',
  type: 'histogram',
  metrics: [
    {
      labels: [],
      createdMs,
      value: 0,
      histogram: { count: 2 ** 40, sum: 0.25, buckets: [1, 2 ** 33], upperBounds: [0.5, Infinity] },
    },
  ],
};
const gauge: MetricFamily = { name: 'g', help: '', type: 'gauge', metrics: [{ ...counter(-1.5, 'é'), createdMs: 0 }] };
const message: StreamMetricsMessage = {
  node: { id: 'x', metadata: { NAME: 'a' } },
  families: [family('c', [counter(1, 'a', 'b'), counter(2 ** 53, 'c')]), histogram, gauge],
};

describe('a report', () => {
  test('survives the wire', () => {
    expect(new MetricsDecoder().decode(encodeStreamMetrics(message))).toEqual({ value: message });
  });

  test('is what the .proto files say', () => {
    const { value } = decode('envoy.service.metrics.v3.StreamMetricsMessage', encodeStreamMetrics(message));
    expect(value?.identifier?.node).toEqual(message.node);
    expect(value?.envoy_metrics).toMatchObject([
      {
        name: 'c',
        help: 'Help of c.',
        metric: [
          {
            label: [
              { name: 'l', value: 'a' },
              { name: 'l', value: 'b' },
            ],
            counter: { value: 1, created_timestamp: '2026-01-31T12:00:00.25Z' },
          },
          { counter: { value: 2 ** 53 } },
        ],
      },
      {
        type: 'HISTOGRAM',
        metric: [
          {
            histogram: {
              sample_count: 2 ** 40,
              bucket: [{ cumulative_count: 1, upper_bound: 0.5 }, { cumulative_count: 2 ** 33 }],
            },
          },
        ],
      },
      { type: 'GAUGE', metric: [{ gauge: { value: -1.5 } }] },
    ]);
  });

  test('of another reporter is read however its fields are ordered, and whatever else it holds', () => {
    const bytes = encode('envoy.service.metrics.v3.StreamMetricsMessage', {
      envoy_metrics: [
        {
          name: 's',
          type: 'SUMMARY',
          metric: [{ summary: { sample_count: 3 }, timestamp_ms: 5, label: [{ name: 'a', value: 'b' }] }],
        },
      ],
    });
    expect(new MetricsDecoder().decode(bytes).value).toEqual({
      node: undefined,
      families: [
        {
          name: 's',
          help: '',
          type: 'other',
          metrics: [{ labels: [{ name: 'a', value: 'b' }], createdMs: 0, value: 0, histogram: undefined }],
        },
      ],
    });
    // metric { counter { value: 1.0 } label { name: "a" } }: the label behind the value.
    const late = Buffer.from('121722151a0909000000000000f03f0a030a01610a030a0162', 'hex');
    const decoder = new MetricsDecoder();
    expect(decoder.decode(late).value?.families[0]?.metrics[0]).toMatchObject({
      value: 1,
      labels: [{ name: 'a' }, { name: 'b' }],
    });
  });

  test('of a sidecar whose node is not valid is refused with the path', () => {
    // identifier { node { metadata { fields { key: "a" value {} } } } }
    expect(new MetricsDecoder().decode(Buffer.from('0a090a071a050a030a0161', 'hex')).errors).toEqual([
      { path: 'metadata.a', message: 'must be a JSON value' },
    ]);
  });
});

describe('labels of a stream', () => {
  const labelsOf = (decoder: MetricsDecoder, families: MetricFamily[]) =>
    decoder
      .decode(encodeStreamMetrics({ node: undefined, families }))
      .value?.families.flatMap(({ metrics }) => metrics.map(({ labels }) => labels));

  test('are the same array as long as a series keeps its place', () => {
    const decoder = new MetricsDecoder();
    const [first, second] = [counter(1, 'a'), counter(1, 'b')];
    const before = labelsOf(decoder, [family('c', [first, second]), histogram]);
    const after = labelsOf(decoder, [family('c', [{ ...first, value: 9 }, second, counter(1, 'new')]), histogram]);
    expect(after?.[0]).toBe(before?.[0]);
    expect(after?.[1]).toBe(before?.[1]);
    expect(after?.[2]).toEqual([{ name: 'l', value: 'new' }]);
    expect(after?.[3]).toBe(before?.[2]);
  });

  test('are right when series move, grow a label or lose one', () => {
    const decoder = new MetricsDecoder();
    const steps = [
      [counter(1, 'a'), counter(1, 'b')],
      [counter(1, 'b'), counter(1, 'a')],
      [counter(1, 'b', 'x'), counter(1, 'a')],
      [counter(1, 'b')],
      [counter(1), counter(1, 'a', 'b', 'c')],
    ];
    for (const metrics of steps) {
      expect(labelsOf(decoder, [family('c', metrics)])).toEqual(metrics.map(({ labels }) => labels));
    }
  });
});

describe('hostile bytes', () => {
  test.each([
    ['a length behind the end', '12ff01'],
    ['a number without end', '12ffffffffffffffffffffff'],
    ['a group', '0b'],
    ['half a double', '120722051a030900'],
  ])('%s is one fault', (_what, hex) => {
    const { errors } = new MetricsDecoder().decode(Buffer.from(hex, 'hex'));
    expect(errors).toHaveLength(1);
    expect(errors?.[0]?.message).toMatch(/^must be an encoded StreamMetricsMessage: /);
  });

  test('never throw, and a decoder goes on after them', () => {
    const random = seededRandom(7);
    const valid = Buffer.from(encodeStreamMetrics(message));
    const decoder = new MetricsDecoder();
    let refused = 0;
    for (let i = 0; i < 5_000; i += 1) {
      const bytes = Buffer.from(valid);
      for (let flips = 1 + Math.floor(random() * 3); flips > 0; flips -= 1) {
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      }
      if (decoder.decode(bytes.subarray(0, Math.floor(random() * bytes.length) + 1)).errors !== undefined) refused += 1;
    }
    expect(refused).toBeGreaterThan(1_000);
    expect(decoder.decode(valid)).toEqual({ value: message });
  });
});
