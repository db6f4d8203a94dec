/** Envoy's substitution formatter: a format string compiled into a function of a stream. */
import { type FormatCommand, type FormatPart, parseFormat } from '../common/format-string.ts';
import { requireValue } from '../common/decoded.ts';
import type { StreamInfo } from '../http/stream-info.ts';
import { streamVariables } from './stream-variables.ts';

export type StreamFormatter = (stream: StreamInfo) => string;

/** `source` has passed `parseFormat`. A variable without a value is `missing`. */
export function compileFormat(source: string, { missing = '' }: { missing?: string } = {}): StreamFormatter {
  const formatters = requireValue(parseFormat(source), 'format').map((part) => compilePart(part, missing));
  const [only] = formatters;
  if (only === undefined) return () => '';
  if (formatters.length === 1) return only;
  return (stream) => {
    let text = '';
    for (const format of formatters) text += format(stream);
    return text;
  };
}

function compilePart(part: FormatPart, missing: string): StreamFormatter {
  return typeof part === 'string' ? () => part : compileCommand(part, missing);
}

function compileCommand(command: FormatCommand, missing: string): StreamFormatter {
  const { variable, maxLength } = command;
  const read = streamVariables[variable](command);
  return (stream) => {
    const value = read(stream);
    return value === undefined ? missing : String(value).slice(0, maxLength);
  };
}
