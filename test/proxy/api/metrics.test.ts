import { describe, expect, test } from 'vitest';
import { MetricsDecoder } from '../../../proxy/api/metrics-decoder.ts';
import { encodeStreamMetrics } from '../../../proxy/api/metrics-encoder.ts';
import {
  maxReferences,
  type Metric,
  type MetricFamily,
  type StreamMetricsMessage,
} from '../../../proxy/api/metrics-service.ts';
import { standardUpperBounds } from '../../../proxy/api/standard-metrics.ts';
import { decode, encode } from '../../../proxy/api/protojson.ts';
import { seededRandom } from '../../support/seeded-random.ts';
import { collect } from './collected-report.ts';

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
  updates: [],
};

const collected = { node: message.node, families: message.families, unknownReferences: 0 };
const newDecoder = (): MetricsDecoder<string> => new MetricsDecoder<string>();

describe('a report', () => {
  test('survives the wire', () => {
    expect(collect(newDecoder(), encodeStreamMetrics(message))).toEqual({ value: collected });
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
    expect(collect(newDecoder(), bytes).value).toEqual({
      node: undefined,
      unknownReferences: 0,
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
    expect(collect(newDecoder(), late).value?.families[0]?.metrics[0]).toMatchObject({
      value: 1,
      labels: [{ name: 'a' }, { name: 'b' }],
    });
  });

  test('of a sidecar whose node is not valid is refused with the path', () => {
    // identifier { node { metadata { fields { key: "a" value {} } } } }
    expect(collect(newDecoder(), Buffer.from('0a090a071a050a030a0161', 'hex')).errors).toEqual([
      { path: 'metadata.a', message: 'must be a JSON value' },
    ]);
  });
});

describe('labels of a stream', () => {
  const labelsOf = (decoder: MetricsDecoder<string>, families: MetricFamily[]) =>
    collect(decoder, encodeStreamMetrics({ node: undefined, families, updates: [] })).value?.families.flatMap(
      ({ metrics }) => metrics.map(({ labels }) => labels),
    );

  test('are the same array as long as a series keeps its place', () => {
    const decoder = newDecoder();
    const [first, second] = [counter(1, 'a'), counter(1, 'b')];
    const before = labelsOf(decoder, [family('c', [first, second]), histogram]);
    const after = labelsOf(decoder, [family('c', [{ ...first, value: 9 }, second, counter(1, 'new')]), histogram]);
    expect(after?.[0]).toBe(before?.[0]);
    expect(after?.[1]).toBe(before?.[1]);
    expect(after?.[2]).toEqual([{ name: 'l', value: 'new' }]);
    expect(after?.[3]).toBe(before?.[2]);
  });

  test('are right when series move, grow a label or lose one', () => {
    const decoder = newDecoder();
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

describe('series with a number', () => {
  const upperBounds = [...standardUpperBounds];
  const ofHistogram = (count: number, sum: number): Metric => {
    const buckets = upperBounds.map((_, i) => (i < 2 ? 0 : count));
    return { ...counter(0, 'b'), histogram: { count, sum, buckets, upperBounds } };
  };
  const whole: StreamMetricsMessage = {
    node: undefined,
    families: [
      family('c', [{ ...counter(1, 'a'), reference: 0 }]),
      { ...histogram, metrics: [{ ...ofHistogram(3, 9), reference: 1 }] },
    ],
    updates: [],
  };
  const counts = [0, 0, 5, ...upperBounds.slice(2).map(() => 0)];
  const update: StreamMetricsMessage = {
    node: undefined,
    families: [],
    updates: [
      { reference: 0, value: 7, counts: [] },
      { reference: 1, value: 12.5, counts },
    ],
  };
  const decodeAll = (decoder: MetricsDecoder<string>, ...messages: StreamMetricsMessage[]) =>
    messages.map((each) => collect(decoder, encodeStreamMetrics(each)).value);

  test('are said by it from then on, with family, labels and start as before', () => {
    const [, second, third] = decodeAll(newDecoder(), whole, update, update);
    const histogramNow = { ...ofHistogram(5, 12.5), value: 12.5 };
    expect(second?.families).toEqual([family('c', [counter(7, 'a')]), { ...histogram, metrics: [histogramNow] }]);
    expect(third).toEqual(second);
  });

  test('are, to a receiver that knows nothing of numbers, what they are without', () => {
    const { value } = decode('envoy.service.metrics.v3.StreamMetricsMessage', encodeStreamMetrics(whole));
    expect(value?.envoy_metrics?.[0]?.metric?.[0]).toMatchObject({ label: [{ value: 'a' }], counter: { value: 1 } });
  });

  test('are unknown to another stream, and in another stream they are others', () => {
    expect(decodeAll(newDecoder(), update)[0]).toEqual({ node: undefined, families: [], unknownReferences: 2 });
    const other = { ...whole, families: [family('d', [{ ...counter(1, 'x'), reference: 0 }])] };
    const [, said] = decodeAll(newDecoder(), other, update);
    expect(said?.families).toEqual([family('d', [counter(7, 'x')])]);
    expect(said?.unknownReferences).toBe(1);
  });

  test('take the number of another when they are said in full with it', () => {
    const again = { ...whole, families: [family('c', [{ ...counter(2, 'z'), reference: 0 }])] };
    const said = decodeAll(newDecoder(), whole, again, update).at(-1);
    expect(said?.families[0]?.metrics[0]?.labels).toEqual([{ name: 'l', value: 'z' }]);
  });

  test('are not remembered where the receiver did not take them, nor beyond the limit of numbers', () => {
    const decoder = newDecoder();
    const visitor = { onNode: () => {}, onFamily: () => true, onMetric: () => {}, onUnknownReference: () => {} };
    expect(decoder.decode(encodeStreamMetrics(whole), visitor).errors).toBeUndefined();
    expect(decodeAll(decoder, update)[0]?.unknownReferences).toBe(2);
    const beyond = { ...whole, families: [family('c', [{ ...counter(1, 'a'), reference: maxReferences }])] };
    const updates = [{ reference: maxReferences, value: 1, counts: [] }];
    const [first, second] = decodeAll(newDecoder(), beyond, { ...update, updates });
    expect(first?.families[0]?.metrics).toHaveLength(1);
    expect(second?.unknownReferences).toBe(1);
  });

  test('with more buckets than they have bounds are a fault, with fewer they are handed over as they are', () => {
    const decoder = newDecoder();
    const said = (more: readonly number[]) =>
      collect(decoder, encodeStreamMetrics({ ...update, updates: [{ reference: 1, value: 1, counts: more }] }));
    collect(decoder, encodeStreamMetrics(whole));
    expect(said([...counts, 1]).errors?.[0]?.message).toMatch(/more than 20 buckets/);
    expect(said([1, 2]).value?.families[0]?.metrics[0]?.histogram).toMatchObject({ count: 3, buckets: [1, 3] });
  });
});

describe('hostile bytes', () => {
  test.each([
    ['a length behind the end', '12ff01'],
    ['a number without end', '12ffffffffffffffffffffff'],
    ['a group', '0b'],
    ['half a double', '120722051a030900'],
  ])('%s is one fault', (_what, hex) => {
    const { errors } = collect(newDecoder(), Buffer.from(hex, 'hex'));
    expect(errors).toHaveLength(1);
    expect(errors?.[0]?.message).toMatch(/^must be an encoded StreamMetricsMessage: /);
  });

  test('never throw, and a decoder goes on after them', () => {
    const random = seededRandom(7);
    const valid = Buffer.from(encodeStreamMetrics(message));
    const decoder = newDecoder();
    let refused = 0;
    for (let i = 0; i < 5_000; i += 1) {
      const bytes = Buffer.from(valid);
      for (let flips = 1 + Math.floor(random() * 3); flips > 0; flips -= 1) {
        bytes[Math.floor(random() * bytes.length)] = Math.floor(random() * 256);
      }
      const cut = bytes.subarray(0, Math.floor(random() * bytes.length) + 1);
      if (collect(decoder, cut).errors !== undefined) refused += 1;
    }
    expect(refused).toBeGreaterThan(1_000);
    expect(collect(decoder, valid)).toEqual({ value: collected });
  });
});
