/** Pure: times of day in the words of `strftime`, as far as Envoy's %START_TIME(…)% is used with them; always UTC. */
import type { Decoded } from './decoded.ts';

type TimeWriter = (time: Date) => string;

/** Empty is Envoy's default, `2026-01-02T03:04:05.006Z`. A fault has an empty path. */
export function parseTimeFormat(format: string): Decoded<TimeWriter> {
  if (format === '') return { value: (time) => time.toISOString() };
  const writers: TimeWriter[] = [];
  for (const [token, directive] of format.matchAll(/[^%]+|%(\d?[A-Za-z%]?)/g)) {
    const writer = directive === undefined ? () => token : writerOf(directive);
    if (writer === undefined) {
      const message = `has "${token}": only ${Object.keys(directives).join(' ')} and 1f to 9f are supported behind "%"`;
      return { errors: [{ path: '', message }] };
    }
    writers.push(writer);
  }
  return { value: (time) => writers.map((write) => write(time)).join('') };
}

function writerOf(directive: string): TimeWriter | undefined {
  if (/^[1-9]f$/.test(directive)) return (time) => nanoseconds(time).slice(0, Number(directive[0]));
  return Object.hasOwn(directives, directive) ? directives[directive] : undefined;
}

const directives: Readonly<Record<string, TimeWriter>> = {
  '%': () => '%',
  a: (time) => time.toUTCString().slice(0, 3),
  b: (time) => time.toUTCString().slice(8, 11),
  d: (time) => pad(time.getUTCDate()),
  e: (time) => String(time.getUTCDate()).padStart(2),
  // As in Envoy, and unlike in Python, nanoseconds.
  f: nanoseconds,
  F: (time) => time.toISOString().slice(0, 10),
  H: (time) => pad(time.getUTCHours()),
  j: (time) => pad(dayOfYear(time), 3),
  m: (time) => pad(time.getUTCMonth() + 1),
  M: (time) => pad(time.getUTCMinutes()),
  s: (time) => String(Math.floor(time.getTime() / 1_000)),
  S: (time) => pad(time.getUTCSeconds()),
  T: (time) => time.toISOString().slice(11, 19),
  Y: (time) => String(time.getUTCFullYear()),
  z: () => '+0000',
  Z: () => 'UTC',
};

function pad(value: number, digits = 2): string {
  return String(value).padStart(digits, '0');
}

/** The clock tells milliseconds. */
function nanoseconds(time: Date): string {
  return `${pad(time.getUTCMilliseconds(), 3)}000000`;
}

function dayOfYear(time: Date): number {
  return Math.floor((time.getTime() - Date.UTC(time.getUTCFullYear(), 0, 1)) / 86_400_000) + 1;
}
