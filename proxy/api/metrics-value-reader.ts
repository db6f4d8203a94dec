/** Reads what a histogram of a report says into one object, again and again: its receiver copies what stays. */
import { type MetricHistogram, metricTags } from './metrics-service.ts';
import type { WireReader } from './wire-reader.ts';

type Draft<T> = { -readonly [K in keyof T]: T[K] };
export type CountedHistogram = Draft<MetricHistogram>;

const buckets: number[] = [];
const upperBounds: number[] = [];
const whole: Draft<MetricHistogram> = { count: 0, sum: 0, buckets, upperBounds };
const counted: Draft<MetricHistogram> = { count: 0, sum: 0, buckets, upperBounds };

/** Whole, as Prometheus' client model has it. */
export function readHistogram(reader: WireReader, metric: { createdMs: number }): MetricHistogram {
  let read = 0;
  whole.count = 0;
  whole.sum = 0;
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === metricTags.histogram.bucket) readBucket(reader, read++);
    else if (tag === metricTags.histogram.count) whole.count = reader.varint();
    else if (tag === metricTags.histogram.sum) whole.sum = reader.double();
    else if (tag === metricTags.histogram.created) metric.createdMs = readTimestampMs(reader);
    else reader.skip(tag);
  }
  reader.leave(end);
  buckets.length = read;
  upperBounds.length = read;
  return whole;
}

/** The counts of an update, one for each of `bounds` and one for what is beyond; their sum is not among them. */
export function readCounts(reader: WireReader, bounds: readonly number[]): CountedHistogram {
  let count = 0;
  let read = 0;
  const end = reader.enter();
  while (!reader.isAtEnd) {
    if (read > bounds.length) throw new RangeError(`more than ${bounds.length + 1} buckets at ${reader.position}`);
    count += reader.varint();
    if (read < bounds.length) buckets[read] = count;
    read += 1;
  }
  reader.leave(end);
  buckets.length = Math.min(read, bounds.length);
  counted.count = count;
  counted.upperBounds = bounds;
  return counted;
}

function readBucket(reader: WireReader, index: number): void {
  let cumulativeCount = 0;
  let upperBound = 0;
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === metricTags.bucket.cumulativeCount) cumulativeCount = reader.varint();
    else if (tag === metricTags.bucket.upperBound) upperBound = reader.double();
    else reader.skip(tag);
  }
  reader.leave(end);
  buckets[index] = cumulativeCount;
  upperBounds[index] = upperBound;
}

export function readTimestampMs(reader: WireReader): number {
  let ms = 0;
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === metricTags.timestamp.seconds) ms += reader.varint() * 1000;
    else if (tag === metricTags.timestamp.nanos) ms += reader.varint() / 1e6;
    else reader.skip(tag);
  }
  reader.leave(end);
  return ms;
}
