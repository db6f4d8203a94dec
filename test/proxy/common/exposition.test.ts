import { describe, expect, test } from 'vitest';
import { exposeInSlices, type ExposedFamily, negotiateFormat } from '../../../proxy/common/exposition.ts';

describe('the format that Accept prefers', () => {
  const prometheus =
    'application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1';
  test.each([
    ['', 'text'],
    ['*/*', 'text'],
    ['text/plain', 'text'],
    [prometheus, 'openmetrics'],
    ['application/openmetrics-text', 'openmetrics'],
    ['Application/OpenMetrics-Text; Version=1.0.0; charset=utf-8', 'openmetrics'],
    ['application/openmetrics-text;version=0.0.1', 'text'],
    ['application/openmetrics-text;version=2.0.0,text/plain;q=0.1', 'text'],
    ['application/openmetrics-text;q=0', 'text'],
    ['application/openmetrics-text;q=0.3,text/plain;q=0.9', 'text'],
    ['application/openmetrics-text;q=nonsense', 'text'],
  ] as const)('%j → %s', (accept, expected) => {
    expect(negotiateFormat(accept)).toBe(expected);
  });
});

const families: readonly ExposedFamily[] = [
  { name: 'a_total', help: 'Say "a"\nand \\.', type: 'counter', series: [{ labels: 'x="1"', value: 2 }] },
  { name: 'envoy_rq', help: 'Named as Envoy names it.', type: 'counter', series: [{ labels: '', value: 3 }] },
  { name: 'now', help: 'A gauge.', type: 'gauge', series: [{ labels: '', value: Infinity }] },
  { name: 'nothing', help: 'Without series.', type: 'gauge', series: [] },
  {
    name: 'took',
    help: 'A histogram.',
    type: 'histogram',
    upperBounds: [0.5, 10],
    series: [
      {
        labels: 'x="1"',
        value: {
          buckets: [1, 2],
          count: 3,
          sum: 30.5,
          exemplars: [
            undefined,
            { traceId: 'abc', value: 7, timestampMs: 1_500 },
            { traceId: 'def', value: 23, timestampMs: 2_000 },
          ],
        },
      },
    ],
  },
];

async function expose(format: 'text' | 'openmetrics'): Promise<string> {
  let text = '';
  for await (const slice of exposeInSlices(families, format)) text += slice;
  return text;
}

test('OpenMetrics: counters lose their ending in the name of the family, bounds have a fraction, traces are exemplars', async () => {
  expect(await expose('openmetrics')).toBe(
    [
      '# HELP a Say \\"a\\"\\nand \\\\.',
      '# TYPE a counter',
      'a_total{x="1"} 2',
      '# HELP envoy_rq Named as Envoy names it.',
      '# TYPE envoy_rq unknown',
      'envoy_rq 3',
      '# HELP now A gauge.',
      '# TYPE now gauge',
      'now +Inf',
      '# HELP took A histogram.',
      '# TYPE took histogram',
      'took_bucket{x="1",le="0.5"} 1',
      'took_bucket{x="1",le="10.0"} 2 # {trace_id="abc"} 7 1.5',
      'took_bucket{x="1",le="+Inf"} 3 # {trace_id="def"} 23 2',
      'took_sum{x="1"} 30.5',
      'took_count{x="1"} 3',
      '# EOF',
      '',
    ].join('\n'),
  );
});

test('text: as ever, without exemplars and end mark', async () => {
  expect(await expose('text')).toBe(
    [
      '# HELP a_total Say "a"\\nand \\\\.',
      '# TYPE a_total counter',
      'a_total{x="1"} 2',
      '# HELP envoy_rq Named as Envoy names it.',
      '# TYPE envoy_rq counter',
      'envoy_rq 3',
      '# HELP now A gauge.',
      '# TYPE now gauge',
      'now +Inf',
      '# HELP took A histogram.',
      '# TYPE took histogram',
      'took_bucket{x="1",le="0.5"} 1',
      'took_bucket{x="1",le="10"} 2',
      'took_bucket{x="1",le="+Inf"} 3',
      'took_sum{x="1"} 30.5',
      'took_count{x="1"} 3',
      '',
    ].join('\n'),
  );
});
