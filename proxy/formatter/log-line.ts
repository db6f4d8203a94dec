/**
 * Lines of an access log: a format compiled into a function of a stream. What a client sends can neither end a line nor a
 * field (CVE-2024-45808), whatever the format.
 */
import { isUtf8 } from 'node:buffer';
import type { AccessLogFormat, JsonFormat, JsonFormatValue } from '../api/listener.ts';
import { requireValue } from '../common/decoded.ts';
import { type FormatCommand, type FormatPart, parseFormat } from '../common/format-string.ts';
import type { StreamInfo } from '../http/stream-info.ts';
import { isNumeric, streamVariables, type StreamReader, type StreamValue } from './stream-variables.ts';

/** What a line says of a stream, one value per variable of its format. */
export type LineValues = readonly StreamValue[];

/** A line in two steps: `read` runs when its stream is over, `write` for many lines in a row, which costs half as much. */
export interface LineFormat {
  /** Keeps nothing of the stream but texts; those cut from its heads keep the heads alive. */
  read(stream: StreamInfo): LineValues;
  write(values: LineValues): string;
}

type Writer = (values: LineValues) => string;

/** `format` has passed its decoder. A line of JSON ends itself, as in Envoy; a text ends where its format says so. */
export function compileLine(format: AccessLogFormat): LineFormat {
  const columns = new Columns();
  if (format.kind === 'text') {
    const write = compileText(columns, format.source, format.omitsEmptyValues ? '' : '-');
    return { read: columns.compile(), write };
  }
  const write = compileObject(columns, format.properties, format.omitsEmptyValues);
  return { read: columns.compile(), write: (values) => `${write(values)}\n` };
}

/** What a format reads, in the order of its variables. */
class Columns {
  readonly #readers: StreamReader[] = [];

  /** Index among the values. */
  add(command: FormatCommand): number {
    return this.#readers.push(readerOf(command)) - 1;
  }

  compile(): LineFormat['read'] {
    const readers = this.#readers;
    return (stream) => {
      const values: StreamValue[] = [];
      for (let i = 0; i < readers.length; i++) values.push(readers[i]?.(stream));
      return values;
    };
  }
}

// ---- text ----

function compileText(columns: Columns, source: string, missing: string): Writer {
  const parts = partsOf(source);
  const writers = parts.map((part, i): Writer => {
    if (typeof part === 'string') return () => part;
    const column = columns.add(part);
    const escape = isBetweenQuotes(parts, i) ? escapeText : escapeWord;
    return (values) => {
      const value = values[column];
      return escape(value === undefined || value === '' ? missing : String(value));
    };
  });
  return (values) => {
    let line = '';
    for (const write of writers) line += write(values);
    return line;
  };
}

/** Whether a value is a whole quoted field, which ends at the next quote and not at the next space. */
function isBetweenQuotes(parts: readonly FormatPart[], index: number): boolean {
  const before = parts[index - 1];
  const behind = parts[index + 1];
  return typeof before === 'string' && before.endsWith('"') && typeof behind === 'string' && behind.startsWith('"');
}

const unsafeInText = /["\\\u0000-\u001f]|[^\u0000-\u007e]/;

/** Most values need nothing: looking is cheaper than replacing. */
function escapeText(value: string): string {
  if (!unsafeInText.test(value)) return value;
  return decodeUtf8(value).replace(/["\\\u0000-\u001f\u007f-\u009f]/g, (char) =>
    char === '"' || char === '\\' ? `\\${char}` : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`,
  );
}

/** A value outside of quotes ends at the next space: one word, whatever a client or a header rule made of it. */
function escapeWord(value: string): string {
  const text = escapeText(value);
  return text.includes(' ') ? text.replaceAll(' ', '\\x20') : text;
}

// ---- JSON ----

/** A value in JSON with its name in front, when it has one; undefined leaves both out. */
type JsonWriter = (values: LineValues) => string | undefined;

function compileObject(columns: Columns, properties: JsonFormat, omitsEmptyValues: boolean): Writer {
  const [writeFirst = () => undefined, ...writers] = Object.entries(properties).map(([key, value], i) =>
    compileValue(columns, value, omitsEmptyValues, `${i === 0 ? '{' : ','}${JSON.stringify(key)}:`),
  );
  return (values) => {
    const first = writeFirst(values);
    let others = '';
    for (let i = 0; i < writers.length; i++) others += writers[i]?.(values) ?? '';
    return first === undefined ? `{${others.slice(1)}}` : `${first}${others}}`;
  };
}

/** What is left out, as in Envoy: what has no value, null, and objects without members, but not lists. */
function compileValue(columns: Columns, value: JsonFormatValue, omitsEmptyValues: boolean, prefix = ''): JsonWriter {
  if (typeof value === 'string') return compileTextValue(columns, value, omitsEmptyValues, prefix);
  if (typeof value !== 'object' || value === null) {
    const text = value === null && omitsEmptyValues ? undefined : `${prefix}${JSON.stringify(value)}`;
    return () => text;
  }
  if (isList(value)) {
    const write = compileList(columns, value, omitsEmptyValues);
    return (values) => `${prefix}${write(values)}`;
  }
  const write = compileObject(columns, value, omitsEmptyValues);
  return (values) => {
    const text = write(values);
    return omitsEmptyValues && text === '{}' ? undefined : `${prefix}${text}`;
  };
}

function compileList(columns: Columns, members: readonly JsonFormatValue[], omitsEmptyValues: boolean): Writer {
  const writers = members.map((member) => compileValue(columns, member, omitsEmptyValues));
  return (values) => {
    const texts = writers.map((write) => write(values));
    return `[${texts.filter((text) => text !== undefined).join(',')}]`;
  };
}

function isList(value: JsonFormat | readonly JsonFormatValue[]): value is readonly JsonFormatValue[] {
  return Array.isArray(value);
}

/** Only a value that is one variable and nothing else keeps its type. */
function compileTextValue(columns: Columns, source: string, omitsEmptyValues: boolean, prefix: string): JsonWriter {
  const parts = partsOf(source);
  const [only] = parts;
  if (parts.length !== 1 || only === undefined || typeof only === 'string') {
    const write = compileJsonText(columns, parts, omitsEmptyValues ? '' : '-');
    return (values) => `${prefix}${write(values)}`;
  }
  const missing = omitsEmptyValues ? undefined : `${prefix}null`;
  return rememberLast(columns.add(only), missing, prefix, isNumeric(only) ? (value) => String(value) : quoteJson);
}

/** From line to line most values are the same: comparing one is cheaper than encoding it again. */
function rememberLast(
  column: number,
  missing: string | undefined,
  prefix: string,
  encode: (value: string | number) => string,
): JsonWriter {
  let last: StreamValue = undefined;
  let text = missing;
  let encoded: string | undefined = undefined;
  return (values) => {
    const value = values[column];
    if (value !== last) {
      last = value;
      encoded = value === undefined ? undefined : encode(value);
      text = encoded === undefined ? missing : prefix + encoded;
    } else if (encoded !== undefined) {
      // It came again, so it may come often. Sums stay trees of their parts, walked through for every line; joined they are one.
      text = [prefix, encoded].join('');
      encoded = undefined;
    }
    return text;
  };
}

function compileJsonText(columns: Columns, parts: readonly FormatPart[], missing: string): Writer {
  const writers = parts.map((part): JsonWriter => {
    if (typeof part === 'string') return () => part;
    const column = columns.add(part);
    return (values) => values[column]?.toString();
  });
  return (values) => {
    let text = '';
    for (const write of writers) text += write(values) ?? missing;
    return quoteJson(text);
  };
}

const unusual = /[^\u0000-\u007e]/;
const c1Controls = /[\u007f-\u009f]/g;

/** JSON allows these control characters, terminals obey them. */
function quoteJson(raw: string | number): string {
  const value = String(raw);
  if (isPlain(value)) return `"${value}"`;
  if (!unusual.test(value)) return JSON.stringify(value);
  return JSON.stringify(decodeUtf8(value)).replace(c1Controls, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
}

/** Whether `value` is printable ASCII without quotes and backslashes, as most values are; an expression takes three times as long. */
function isPlain(value: string): boolean {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i);
    if (code < 0x20 || code > 0x7e || code === 0x22 || code === 0x5c) return false;
  }
  return true;
}

// ---- both ----

/** Values of headers are bytes, one per character: written as the text that they are, where they are one. */
function decodeUtf8(value: string): string {
  if (!/^[\u0000-\u00ff]*$/.test(value)) return value;
  const bytes = Buffer.from(value, 'latin1');
  return isUtf8(bytes) ? bytes.toString('utf8') : value;
}

function partsOf(source: string): FormatPart[] {
  return requireValue(parseFormat(source), 'format');
}

function readerOf(command: FormatCommand): StreamReader {
  const { variable, maxLength } = command;
  const read = streamVariables[variable](command);
  return maxLength === undefined ? read : (stream) => read(stream)?.toString().slice(0, maxLength);
}
