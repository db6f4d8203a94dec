/**
 * Prometheus' text exposition format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats) and OpenMetrics 1.0
 * (prometheus.io/docs/specs/om/open_metrics_spec), written in slices so that a scrape of many thousand series never holds the
 * event loop: prom-client renders a whole registry in one go.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';

/** OpenMetrics alone has exemplars. */
export type ExpositionFormat = 'text' | 'openmetrics';

export const expositionContentType: Readonly<Record<ExpositionFormat, string>> = {
  text: 'text/plain; version=0.0.4; charset=utf-8',
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
};

/** What a request's Accept header prefers (RFC 9110 §12.5.1); who does not ask for OpenMetrics gets text. */
export function negotiateFormat(accept: string): ExpositionFormat {
  const quality = { openmetrics: 0, text: 0 };
  for (const range of accept.toLowerCase().split(',')) {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim());
    const valueOf = (name: string): string | undefined =>
      parameters.find((parameter) => parameter.startsWith(`${name}=`))?.slice(name.length + 1);
    const isOurs = type === 'application/openmetrics-text' && /^(?:1\.\d+\.\d+)?$/.test(valueOf('version') ?? '');
    const kind = isOurs ? 'openmetrics' : ['text/plain', 'text/*', '*/*'].includes(type) ? 'text' : undefined;
    if (kind !== undefined) quality[kind] = Math.max(quality[kind], Number(valueOf('q') ?? 1) || 0);
  }
  return quality.openmetrics > 0 && quality.openmetrics >= quality.text ? 'openmetrics' : 'text';
}

export interface Label {
  readonly name: string;
  readonly value: string;
}

/** One of the requests that a bucket counts, by which a trace is found. */
export interface Exemplar {
  readonly traceId: string;
  readonly value: number;
  /** Milliseconds since the epoch. */
  readonly timestampMs: number;
}

/** A histogram with cumulative bucket counts, one per upper bound of its family; the +Inf bucket is `count`. */
export interface HistogramValue {
  readonly buckets: ArrayLike<number>;
  readonly count: number;
  readonly sum: number;
  /** One per bucket, that to infinity included; none where there was none. */
  readonly exemplars?: readonly (Exemplar | undefined)[] | undefined;
}

/** `labels` is what `formatLabels` returns. */
export interface ExposedSeries<V> {
  readonly labels: string;
  readonly value: V;
}

export type ExposedFamily =
  | {
      readonly name: string;
      readonly help: string;
      readonly type: 'counter' | 'gauge';
      readonly series: Iterable<ExposedSeries<number>>;
    }
  | {
      readonly name: string;
      readonly help: string;
      readonly type: 'histogram';
      readonly upperBounds: readonly number[];
      readonly series: Iterable<ExposedSeries<HistogramValue>>;
    };

/** `a="1",b="2"`; empty without labels. */
export function formatLabels(labels: readonly Label[]): string {
  return labels.map(({ name, value }) => `${name}="${escapeLabelValue(value)}"`).join(',');
}

function escapeLabelValue(value: string): string {
  if (!/["\\\n]/.test(value)) return value;
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}

const sliceLength = 64 * 1024;

/** The families as text in slices of about 64 Ki characters; other work of the process runs between two slices. */
export async function* exposeInSlices(
  families: Iterable<ExposedFamily>,
  format: ExpositionFormat = 'text',
): AsyncGenerator<string, void, undefined> {
  let slice = '';
  for (const block of exposeBlocks(families, format)) {
    slice += block;
    if (slice.length < sliceLength) continue;
    yield slice;
    slice = '';
    await nextTurn();
  }
  if (format === 'openmetrics') slice += '# EOF\n';
  if (slice !== '') yield slice;
}

/** One string per family header and per series; a family without series leaves no trace. */
function* exposeBlocks(
  families: Iterable<ExposedFamily>,
  format: ExpositionFormat,
): Generator<string, void, undefined> {
  for (const family of families) {
    let header = format === 'text' ? textHeader(family) : openMetricsHeader(family);
    for (const block of family.type === 'histogram' ? histogramBlocks(family, format) : numberBlocks(family)) {
      yield header + block;
      header = '';
    }
  }
}

function textHeader({ name, help, type }: ExposedFamily): string {
  return `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
}

/** There a counter's name is that of its sample without `_total`; what does not end so is of no known type. */
function openMetricsHeader({ name, help, type }: ExposedFamily): string {
  const isNamed = type !== 'counter' || name.endsWith('_total');
  const familyName = type === 'counter' && isNamed ? name.slice(0, -'_total'.length) : name;
  const shownHelp = escapeHelp(help).replaceAll('"', '\\"');
  return `# HELP ${familyName} ${shownHelp}\n# TYPE ${familyName} ${isNamed ? type : 'unknown'}\n`;
}

function escapeHelp(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function* numberBlocks(family: Exclude<ExposedFamily, { type: 'histogram' }>): Generator<string, void, undefined> {
  for (const { labels, value } of family.series) {
    yield `${family.name}${labels === '' ? '' : `{${labels}}`} ${formatNumber(value)}\n`;
  }
}

function* histogramBlocks(
  family: Extract<ExposedFamily, { type: 'histogram' }>,
  format: ExpositionFormat,
): Generator<string, void, undefined> {
  const { name, upperBounds } = family;
  const bounds = upperBounds.map((bound) => (format === 'text' ? String(bound) : canonicalNumber(bound)));
  for (const { labels, value } of family.series) {
    const open = labels === '' ? `${name}_bucket{le="` : `${name}_bucket{${labels},le="`;
    const exemplars = format === 'text' ? undefined : value.exemplars;
    let block = '';
    for (let i = 0; i < bounds.length; i += 1) {
      block += `${open}${bounds[i]}"} ${value.buckets[i]}${formatExemplar(exemplars?.[i])}\n`;
    }
    const suffix = labels === '' ? '' : `{${labels}}`;
    block += `${open}+Inf"} ${value.count}${formatExemplar(exemplars?.[bounds.length])}\n`;
    yield `${block}${name}_sum${suffix} ${formatNumber(value.sum)}\n${name}_count${suffix} ${value.count}\n`;
  }
}

/** OpenMetrics writes every bound as a number with a fraction: `1.0`. */
function canonicalNumber(value: number): string {
  return Number.isInteger(value) && value < 1e21 ? `${value}.0` : formatNumber(value);
}

function formatExemplar(exemplar: Exemplar | undefined): string {
  if (exemplar === undefined) return '';
  const { traceId, value, timestampMs } = exemplar;
  return ` # {trace_id="${traceId}"} ${value} ${timestampMs / 1000}`;
}

function formatNumber(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  if (value === Number.NEGATIVE_INFINITY) return '-Inf';
  return String(value);
}

/** Writes slices as they come: a scraper that reads slowly is waited for, and one that leaves ends the writing. */
export async function writeExposition(response: ServerResponse, slices: AsyncIterable<string>): Promise<void> {
  const isGone = new AbortController();
  response.once('close', () => isGone.abort());
  for await (const slice of slices) {
    if (!response.write(slice)) await once(response, 'drain', { signal: isGone.signal });
  }
}
