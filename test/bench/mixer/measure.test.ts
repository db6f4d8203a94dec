import { describe, expect, test } from 'vitest';
import { measureEntries, measurePage, measureRecording } from '../../../bench/mixer/measure.ts';

const options = { sidecars: 3, seconds: 1, series: 50 };

describe('the measurements of the mixer count what they are about', () => {
  test('access-log entries, all of which are counted', () => {
    expect(measureEntries(options)).toBeGreaterThan(100);
  });

  test('pages with a histogram for each label set in each of three metrics', async () => {
    const { bytes } = await measurePage(options, 'text');
    expect(bytes).toBeGreaterThan(50 * 3 * 22 * 500);
    expect((await measurePage(options, 'openmetrics')).bytes).toBeGreaterThan(bytes);
  });

  test('requests of a sidecar', () => {
    expect(measureRecording()).toBeGreaterThan(0);
  });
});
