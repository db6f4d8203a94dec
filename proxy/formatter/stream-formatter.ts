/** Envoy's substitution formatter: a format string compiled into a function of a stream. */
import { type FormatPart, parseFormat } from '../common/format-string.ts';
import { requireValue } from '../common/decoded.ts';
import type { StreamInfo } from '../http/stream-info.ts';
import { readerOf } from './stream-variables.ts';

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
  if (typeof part === 'string') return () => part;
  const read = readerOf(part);
  return (stream) => read(stream)?.toString() ?? missing;
}
