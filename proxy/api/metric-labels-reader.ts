/** Reads which series a metric of a report is: by its number, or by its labels, which at the same place are the same mostly. */
import { type MetricLabel, metricTags } from './metrics-service.ts';
import type { WireReader } from './wire-reader.ts';

/** A series of a stream. As long as it has its number, or keeps its place, it is the same object. */
export interface StreamSeries<M> {
  /** A receiver that has an equal array may put it in the place of this one: streams then share it. */
  labels: readonly MetricLabel[];
  /** The receiver's own: what it knows of the series. Without it a series is not remembered by its number. */
  memo: M | undefined;
}

/** A series with its encoded labels, which are found at its place. */
export interface PlacedSeries<M> extends StreamSeries<M> {
  readonly encoded: Buffer;
}

/** Undefined for a series without number. */
export function readReference(reader: WireReader): number | undefined {
  const start = reader.position;
  if (!reader.isAtEnd && reader.varint() === metricTags.metric.reference) return reader.varint();
  reader.position = start;
  return undefined;
}

export function readPlacedSeries<M>(reader: WireReader, placed: PlacedSeries<M>[], index: number): StreamSeries<M> {
  const candidate = placed[index];
  const start = reader.position;
  if (candidate !== undefined && reader.startsWith(candidate.encoded)) {
    reader.position += candidate.encoded.length;
    if (reader.isAtEnd || reader.peek() !== metricTags.metric.label) return candidate;
    reader.position = start;
  }
  const labels = readLabels(reader);
  // A copy, because a slice would keep the whole message alive.
  const encoded = Buffer.from(reader.bytes.subarray(start, reader.position));
  const series = { labels, memo: undefined, encoded };
  placed[index] = series;
  return series;
}

/** Those that come first. */
export function readLabels(reader: WireReader): readonly MetricLabel[] {
  const labels: MetricLabel[] = [];
  while (!reader.isAtEnd && reader.peek() === metricTags.metric.label) {
    reader.varint();
    labels.push(readLabel(reader));
  }
  return labels;
}

export function readLabel(reader: WireReader): MetricLabel {
  let name = '';
  let value = '';
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === metricTags.label.name) name = reader.string();
    else if (tag === metricTags.label.value) value = reader.string();
    else reader.skip(tag);
  }
  reader.leave(end);
  return { name, value };
}
