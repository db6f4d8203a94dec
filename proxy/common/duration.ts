/**
 * The JSON form of google.protobuf.Duration: decimal seconds with an `s`, up to nine fractional digits (`0.25s`, `-3s`).
 * Source: protobuf.dev/programming-guides/json.
 */
const protoDuration = /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/;

/** Milliseconds, possibly fractional; undefined when `text` is not a duration. */
export function parseProtoDurationMs(text: string): number | undefined {
  const match = protoDuration.exec(text);
  if (match === null) return undefined;
  const [, sign, seconds, fraction = ''] = match;
  const ms = Number(seconds) * 1000 + Number(fraction.padEnd(9, '0')) / 1e6;
  return sign === '-' ? -ms : ms;
}

export function formatProtoDuration(ms: number): string {
  const text = (ms / 1000).toFixed(9).replace(/\.?0+$/, '');
  return `${text}s`;
}
