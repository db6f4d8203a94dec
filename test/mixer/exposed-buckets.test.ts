import { describe, expect, test } from 'vitest';
import { defaultLimits } from '../../mixer/options.ts';
import { parseUpperBounds } from '../../mixer/telemetry/exposed-buckets.ts';
import { seriesKey, Totals } from '../../mixer/telemetry/totals.ts';
import { exposeInSlices, type ExpositionFormat } from '../../proxy/common/exposition.ts';
import { startMs } from './samples.ts';

const name = 'istio_request_duration_milliseconds';

/** Three requests, of 3, 40 and 40,000 ms, the second and the third of a trace. */
async function page(format: ExpositionFormat, shownBounds?: readonly number[]): Promise<string[]> {
  const totals = new Totals(defaultLimits, shownBounds);
  const sample = { name, help: 'Times.', labels: [] };
  const series = totals.findOrAdd(sample, seriesKey(sample), startMs);
  for (const [value, traceId] of [
    [3, undefined],
    [40, 'a'],
    [40_000, 'b'],
  ] as const) {
    series?.observe(value, 1);
    if (traceId !== undefined) series?.keepExemplar({ traceId, value, timestampMs: startMs + value });
  }
  let text = '';
  for await (const slice of exposeInSlices(totals.exposed(startMs), format)) text += slice;
  return text.split('\n').filter((line) => line.startsWith(name));
}

describe('buckets that are shown', () => {
  test('are all that are counted, where nobody asks for fewer', async () => {
    expect(await page('text')).toHaveLength(19 + 3);
  });

  test('are those that were asked for: requests of the others count in the next one', async () => {
    expect(await page('text', [5, 100, 1_000])).toEqual([
      `${name}_bucket{le="5"} 1`,
      `${name}_bucket{le="100"} 2`,
      `${name}_bucket{le="1000"} 2`,
      `${name}_bucket{le="+Inf"} 3`,
      `${name}_sum 40043`,
      `${name}_count 3`,
    ]);
  });

  test('have the exemplars of those that they stand for', async () => {
    const lines = await page('openmetrics', [5, 100, 1_000]);
    expect(lines.map((line) => /trace_id="(\w)"/.exec(line)?.[1])).toEqual([
      undefined,
      'a',
      undefined,
      'b',
      undefined,
      undefined,
    ]);
  });
});

describe('bounds in a flag', () => {
  test.each([
    ['5,25,100', [5, 25, 100]],
    ['0.5, 1', [0.5, 1]],
    ['7', undefined],
    ['25,5', undefined],
    ['5,5', undefined],
    ['', undefined],
    ['5,,25', undefined],
    ['1e1', undefined],
  ])('%j: %j', (text, bounds) => {
    expect(parseUpperBounds(text)).toEqual(bounds);
  });
});
