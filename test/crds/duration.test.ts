import { describe, expect, it } from 'vitest';
import { durationFault, parseDurationMs, parseDurationNs } from '../../crds/duration.ts';

describe('durations in Go syntax', () => {
  it.each([
    ['0', 0],
    ['0s', 0],
    ['5s', 5000],
    ['1.5s', 1500],
    ['.5s', 500],
    ['1.s', 1000],
    ['250ms', 250],
    ['1h30m', 5_400_000],
    ['1h1m1s1ms', 3_661_001],
    ['2.000000001s', 2000.000001],
    ['10us', 0.01],
    ['10µs', 0.01],
    ['-3s', -3000],
    ['24h', 86_400_000],
  ])('%s is %d ms', (text, ms) => {
    expect(parseDurationMs(text)).toBe(ms);
  });

  it.each([
    '',
    '5',
    's',
    '1 s',
    '1d',
    '1s2',
    '--1s',
    '1.2.3s',
    '1S',
    'Infinity',
    '1e3s',
    '9'.repeat(70) + 's',
    '9999999h',
  ])('%j is none', (text) => {
    expect(parseDurationMs(text)).toBeUndefined();
  });

  it('are exact to the nanosecond', () => {
    expect(parseDurationNs('2562047h47m16.854775807s')).toBe(2n ** 63n - 1n);
    expect(parseDurationNs('2562047h47m16.854775808s')).toBeUndefined();
  });

  it('must be whole milliseconds, at least one', () => {
    expect(durationFault('1ms')).toBeUndefined();
    expect(durationFault('0s')).toBe('must be at least 1ms, got "0s"');
    expect(durationFault('-1s')).toBe('must be at least 1ms, got "-1s"');
    expect(durationFault('1.0001ms')).toBe('must be a whole number of milliseconds, got "1.0001ms"');
    expect(durationFault('soon')).toBe('must be a duration such as 1h, 1m30s, 1.5s or 10ms, got "soon"');
  });
});
