/**
 * Durations as users of Istio write them: Go's syntax (`1h30m`, `1.5s`, `250ms`), since Istio reads them with Go's
 * time.ParseDuration. Source: pkg.go.dev/time#ParseDuration.
 */
const nanosecondsPerUnit: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

const wholeDuration = /^([+-]?)((?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+)$/;
const oneTerm = /(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g;
/** Go counts a duration in an int64 of nanoseconds: about 292 years. */
const maxNanoseconds = 2n ** 63n - 1n;

/** Nanoseconds; undefined when `text` is not a duration. A bare `0` is one. */
export function parseDurationNs(text: string): bigint | undefined {
  if (text.length > 64) return undefined;
  if (/^[+-]?0$/.test(text)) return 0n;
  const match = wholeDuration.exec(text);
  if (match === null) return undefined;
  const [, sign, terms = ''] = match;
  let total = 0n;
  for (const [, whole = '', fraction = '', unit = ''] of terms.matchAll(oneTerm)) {
    const perUnit = nanosecondsPerUnit[unit] ?? 0n;
    const fractionNs = fraction === '' ? 0n : (BigInt(fraction) * perUnit) / 10n ** BigInt(fraction.length);
    total += BigInt(whole === '' ? '0' : whole) * perUnit + fractionNs;
  }
  if (total > maxNanoseconds) return undefined;
  return sign === '-' ? -total : total;
}

/** Milliseconds, possibly fractional; undefined when `text` is not a duration. */
export function parseDurationMs(text: string): number | undefined {
  const ns = parseDurationNs(text);
  return ns === undefined ? undefined : Number(ns) / 1e6;
}

/** Istio's rule for every duration of traffic management: at least 1 ms, whole milliseconds. Undefined when it holds. */
export function durationFault(text: string): string | undefined {
  const ns = parseDurationNs(text);
  if (ns === undefined) return `must be a duration such as 1h, 1m30s, 1.5s or 10ms, got ${JSON.stringify(text)}`;
  if (ns < 1_000_000n) return `must be at least 1ms, got ${JSON.stringify(text)}`;
  if (ns % 1_000_000n !== 0n) return `must be a whole number of milliseconds, got ${JSON.stringify(text)}`;
  return undefined;
}
