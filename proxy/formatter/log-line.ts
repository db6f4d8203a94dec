/**
 * Lines of an access log: a format compiled into a function of a stream. What a client sends can neither end a line nor a
 * field (CVE-2024-45808), whatever the format.
 */
import { isUtf8 } from 'node:buffer';
import type { AccessLogFormat, JsonFormat, JsonFormatValue } from '../api/listener.ts';
import { requireValue } from '../common/decoded.ts';
import { type FormatPart, parseFormat } from '../common/format-string.ts';
import type { StreamInfo } from '../http/stream-info.ts';
import { type Column, ColumnLine } from './column-line.ts';
import { compileFormat, type StreamFormatter } from './stream-formatter.ts';
import { isNumeric, readerOf, type StreamValue } from './stream-variables.ts';

/** `format` has passed its decoder. A line of JSON ends itself, as in Envoy; a text ends where its format says so. */
export function compileLine(format: AccessLogFormat): ColumnLine {
  return format.kind === 'text' ? compileText(format) : compileJson(format);
}

// ---- text ----

function compileText({ source, omitsEmptyValues }: AccessLogFormat & { kind: 'text' }): ColumnLine {
  const missing = omitsEmptyValues ? '' : '-';
  const columns: Column[] = [];
  let text = '';
  const parts = partsOf(source);
  for (const [i, part] of parts.entries()) {
    if (typeof part === 'string') {
      text += part;
      continue;
    }
    const allowsSpaces = isBetweenQuotes(parts, i);
    const escape = allowsSpaces ? escapeText : escapeWord;
    const encode = (value: StreamValue): string =>
      escape(value === undefined || value === '' ? missing : String(value));
    columns.push({ prefix: text, read: readerOf(part), encode, quote: '', allowsSpaces });
    text = '';
  }
  return new ColumnLine({ columns, suffix: text, isObject: false });
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
type JsonWriter = (stream: StreamInfo) => string | undefined;

function compileJson({ properties, omitsEmptyValues }: AccessLogFormat & { kind: 'json' }): ColumnLine {
  const columns = Object.entries(properties).map(([key, value]) => ({
    ...compileMember(value, omitsEmptyValues),
    prefix: `,${JSON.stringify(key)}:`,
  }));
  return new ColumnLine({ columns, suffix: '}\n', isObject: true });
}

type Member = Omit<Column, 'prefix'>;

function compileMember(value: JsonFormatValue, omitsEmptyValues: boolean): Member {
  if (typeof value === 'string') return compileString(value, omitsEmptyValues);
  const read = compileValue(value, omitsEmptyValues);
  return { read, encode: (json) => json?.toString(), quote: '', allowsSpaces: true };
}

/** Only a value that is one variable and nothing else keeps its type. */
function compileString(source: string, omitsEmptyValues: boolean): Member {
  const parts = partsOf(source);
  const [only] = parts;
  const command = parts.length !== 1 || typeof only === 'string' ? undefined : only;
  if (command === undefined) {
    const read = compileFormat(source, { missing: omitsEmptyValues ? '' : '-' });
    return { read, encode: (text = '') => quoteJson(text), quote: '"', allowsSpaces: true };
  }
  const missing = omitsEmptyValues ? undefined : 'null';
  const encode = isNumeric(command) ? String : quoteJson;
  return {
    read: readerOf(command),
    encode: (value) => (value === undefined ? missing : encode(value)),
    quote: isNumeric(command) ? '' : '"',
    allowsSpaces: true,
  };
}

function compileObject(properties: JsonFormat, omitsEmptyValues: boolean): StreamFormatter {
  const writers = Object.entries(properties).map(([key, value]) =>
    compileValue(value, omitsEmptyValues, `${JSON.stringify(key)}:`),
  );
  return (stream) => `{${joinPresent(writers, stream)}}`;
}

/** What is left out, as in Envoy: what has no value, null, and objects without members, but not lists. */
function compileValue(value: JsonFormatValue, omitsEmptyValues: boolean, prefix = ''): JsonWriter {
  if (typeof value === 'string') {
    const { read, encode } = compileString(value, omitsEmptyValues);
    return (stream) => {
      const text = encode(read(stream));
      return text === undefined ? undefined : prefix + text;
    };
  }
  if (typeof value !== 'object' || value === null) {
    const text = value === null && omitsEmptyValues ? undefined : `${prefix}${JSON.stringify(value)}`;
    return () => text;
  }
  if (isList(value)) {
    const write = compileList(value, omitsEmptyValues);
    return (stream) => `${prefix}${write(stream)}`;
  }
  const write = compileObject(value, omitsEmptyValues);
  return (stream) => {
    const text = write(stream);
    return omitsEmptyValues && text === '{}' ? undefined : `${prefix}${text}`;
  };
}

function compileList(members: readonly JsonFormatValue[], omitsEmptyValues: boolean): StreamFormatter {
  const writers = members.map((member) => compileValue(member, omitsEmptyValues));
  return (stream) => `[${joinPresent(writers, stream)}]`;
}

function joinPresent(writers: readonly JsonWriter[], stream: StreamInfo): string {
  let text = '';
  for (const write of writers) {
    const each = write(stream);
    if (each !== undefined) text += text === '' ? each : `,${each}`;
  }
  return text;
}

function isList(value: JsonFormat | readonly JsonFormatValue[]): value is readonly JsonFormatValue[] {
  return Array.isArray(value);
}

const unusual = /[^\u0000-\u007e]/;
const c1Controls = /[\u007f-\u009f]/g;

/** JSON allows these control characters, terminals obey them. */
function quoteJson(raw: string | number): string {
  const value = String(raw);
  if (!unusual.test(value)) return JSON.stringify(value);
  return JSON.stringify(decodeUtf8(value)).replace(c1Controls, (char) => `\\u00${char.charCodeAt(0).toString(16)}`);
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
