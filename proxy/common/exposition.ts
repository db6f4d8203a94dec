/**
 * Prometheus' text exposition format 0.0.4 (prometheus.io/docs/instrumenting/exposition_formats), written in slices so
 * that a scrape of many thousand series never holds the event loop: prom-client renders a whole registry in one go.
 */
import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { setImmediate as nextTurn } from 'node:timers/promises';

export const expositionContentType = 'text/plain; version=0.0.4; charset=utf-8';

export interface Label {
  readonly name: string;
  readonly value: string;
}

/** A histogram with cumulative bucket counts, one per upper bound of its family; the +Inf bucket is `count`. */
export interface HistogramValue {
  readonly buckets: ArrayLike<number>;
  readonly count: number;
  readonly sum: number;
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
export async function* exposeInSlices(families: Iterable<ExposedFamily>): AsyncGenerator<string, void, undefined> {
  let slice = '';
  for (const block of exposeBlocks(families)) {
    slice += block;
    if (slice.length < sliceLength) continue;
    yield slice;
    slice = '';
    await nextTurn();
  }
  if (slice !== '') yield slice;
}

/** One string per family header and per series; a family without series leaves no trace. */
function* exposeBlocks(families: Iterable<ExposedFamily>): Generator<string, void, undefined> {
  for (const family of families) {
    let header = `# HELP ${family.name} ${escapeHelp(family.help)}\n# TYPE ${family.name} ${family.type}\n`;
    for (const block of family.type === 'histogram' ? histogramBlocks(family) : numberBlocks(family)) {
      yield header + block;
      header = '';
    }
  }
}

function escapeHelp(help: string): string {
  return help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function* numberBlocks(family: Exclude<ExposedFamily, { type: 'histogram' }>): Generator<string, void, undefined> {
  for (const { labels, value } of family.series) {
    yield `${family.name}${labels === '' ? '' : `{${labels}}`} ${formatNumber(value)}\n`;
  }
}

function* histogramBlocks(family: Extract<ExposedFamily, { type: 'histogram' }>): Generator<string, void, undefined> {
  const { name, upperBounds } = family;
  for (const { labels, value } of family.series) {
    const open = labels === '' ? `${name}_bucket{le="` : `${name}_bucket{${labels},le="`;
    let block = '';
    for (let i = 0; i < upperBounds.length; i += 1) block += `${open}${upperBounds[i]}"} ${value.buckets[i]}\n`;
    const suffix = labels === '' ? '' : `{${labels}}`;
    block += `${open}+Inf"} ${value.count}\n`;
    yield `${block}${name}_sum${suffix} ${formatNumber(value.sum)}\n${name}_count${suffix} ${value.count}\n`;
  }
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
