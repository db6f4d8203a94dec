/** `google.protobuf.Duration` and `Timestamp` as JSON writes them. Both count seconds and nanoseconds on the wire. */

export interface ProtoTime {
  readonly seconds: number;
  readonly nanos: number;
}

/** Ten thousand years, the range that the .proto allows. */
const maxDurationSeconds = 315_576_000_000;
const minTimestampMs = Date.parse('0001-01-01T00:00:00Z');
const maxTimestampMs = Date.UTC(9999, 11, 31, 23, 59, 59, 999);

/** `-3.25s` → { seconds: -3, nanos: -250000000 }. */
export function readDuration(json: unknown): ProtoTime | undefined {
  const match = typeof json === 'string' ? /^(-?)(\d{1,12})(?:\.(\d{1,9}))?s$/.exec(json) : null;
  if (match === null) return undefined;
  const [, sign, seconds, fraction = ''] = match;
  if (Number(seconds) > maxDurationSeconds) return undefined;
  const factor = sign === '-' ? -1 : 1;
  return { seconds: factor * Number(seconds), nanos: factor * Number(fraction.padEnd(9, '0')) };
}

export function writeDuration({ seconds, nanos }: ProtoTime): string | undefined {
  if (Math.abs(seconds) > maxDurationSeconds || Math.abs(nanos) >= 1e9 || seconds * nanos < 0) return undefined;
  const sign = seconds < 0 || nanos < 0 ? '-' : '';
  return `${sign}${Math.abs(seconds)}${fraction(Math.abs(nanos))}s`;
}

/** RFC 3339: `2026-01-31T12:00:00.25Z`. */
export function readTimestamp(json: unknown): ProtoTime | undefined {
  const pattern = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?(Z|[+-]\d\d:\d\d)$/;
  const match = typeof json === 'string' ? pattern.exec(json) : null;
  if (match === null) return undefined;
  const [, wholeSeconds = '', fraction = '', zone = ''] = match;
  const ms = Date.parse(wholeSeconds + zone);
  return Number.isNaN(ms) ? undefined : { seconds: ms / 1000, nanos: Number(fraction.padEnd(9, '0')) };
}

export function writeTimestamp({ seconds, nanos }: ProtoTime): string | undefined {
  const ms = seconds * 1000;
  if (!(ms >= minTimestampMs && ms <= maxTimestampMs) || nanos < 0 || nanos >= 1e9) return undefined;
  return `${new Date(ms).toISOString().slice(0, 19)}${fraction(nanos)}Z`;
}

function fraction(nanos: number): string {
  return nanos === 0 ? '' : `.${String(nanos).padStart(9, '0').replace(/0+$/, '')}`;
}
