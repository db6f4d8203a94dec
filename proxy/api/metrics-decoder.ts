/**
 * Decodes the stream of one reporting sidecar. Its series come in the same order every second, so the labels of a
 * series are compared as bytes with those at its place in the message before, and only decoded when they differ.
 */
import type { Decoded } from '../common/decoded.ts';
import type { Node as NodeJson } from './envoy.gen.ts';
import {
  type Metric,
  type MetricFamily,
  type MetricHistogram,
  type MetricLabel,
  metricTags,
  metricTypes,
  type StreamMetricsMessage,
} from './metrics-service.ts';
import { decode } from './protojson.ts';
import { WireReader } from './wire-reader.ts';

/** Labels with the bytes that they were decoded from, and the arrays of its histogram, which each message fills anew. */
interface KnownLabels {
  readonly encoded: Buffer;
  readonly labels: readonly MetricLabel[];
  readonly buckets: number[];
  readonly upperBounds: number[];
}

/**
 * One per stream. As long as a series keeps its place, its `labels` are the same array: a receiver may key on that. What
 * its histogram says is overwritten by the next message.
 */
export class MetricsDecoder {
  /** By family, in the order of its metrics in the last message that had it. */
  #known = new Map<string, KnownLabels[]>();

  decode(bytes: Uint8Array): Decoded<StreamMetricsMessage> {
    const previous = this.#known;
    this.#known = new Map();
    try {
      return this.#message(new WireReader(bytes), previous);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      return { errors: [{ path: '', message: `must be an encoded StreamMetricsMessage: ${reason}` }] };
    }
  }

  #message(reader: WireReader, previous: ReadonlyMap<string, KnownLabels[]>): Decoded<StreamMetricsMessage> {
    const families: MetricFamily[] = [];
    let node: Decoded<NodeJson> | undefined;
    while (!reader.isAtEnd) {
      const tag = reader.varint();
      if (tag === metricTags.message.identifier) node = readNode(reader);
      else if (tag === metricTags.message.families) families.push(this.#family(reader, previous));
      else reader.skip(tag);
    }
    return node?.errors === undefined ? { value: { node: node?.value, families } } : node;
  }

  #family(reader: WireReader, previous: ReadonlyMap<string, KnownLabels[]>): MetricFamily {
    let name = '';
    let help = '';
    let type: MetricFamily['type'] = 'counter';
    let known: KnownLabels[] = [];
    const metrics: Metric[] = [];
    const end = reader.enter();
    while (!reader.isAtEnd) {
      const tag = reader.varint();
      if (tag === metricTags.family.metric) metrics.push(readMetric(reader, known, metrics.length));
      else if (tag === metricTags.family.name) {
        name = reader.string();
        known = previous.get(name) ?? [];
      } else if (tag === metricTags.family.help) help = reader.string();
      else if (tag === metricTags.family.type) type = typeNames.get(reader.varint()) ?? 'other';
      else reader.skip(tag);
    }
    reader.leave(end);
    known.length = metrics.length;
    this.#known.set(name, known);
    return { name, help, type, metrics };
  }
}

const typeNames: ReadonlyMap<number, MetricFamily['type']> = new Map([
  [metricTypes.counter, 'counter'],
  [metricTypes.gauge, 'gauge'],
  [metricTypes.histogram, 'histogram'],
]);

function readNode(reader: WireReader): Decoded<NodeJson> {
  let node: Decoded<NodeJson> = { value: {} };
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag !== metricTags.identifier.node) {
      reader.skip(tag);
      continue;
    }
    const nodeEnd = reader.enter();
    node = decode('envoy.config.core.v3.Node', reader.rest());
    reader.leave(nodeEnd);
  }
  reader.leave(end);
  return node;
}

function readMetric(reader: WireReader, known: KnownLabels[], index: number): Metric {
  const metric = { labels: noLabels, createdMs: 0, value: 0, histogram: undefined as MetricHistogram | undefined };
  const end = reader.enter();
  metric.labels = readLeadingLabels(reader, known, index);
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === metricTags.metric.counter || tag === metricTags.metric.gauge) readValue(reader, metric);
    else if (tag === metricTags.metric.histogram) metric.histogram = readHistogram(reader, metric, known[index]);
    // Behind the value, where our encoder never writes labels but another may.
    else if (tag === metricTags.metric.label) metric.labels = [...metric.labels, readLabel(reader)];
    else reader.skip(tag);
  }
  reader.leave(end);
  return metric;
}

const noLabels: readonly MetricLabel[] = [];

function readLeadingLabels(reader: WireReader, known: KnownLabels[], index: number): readonly MetricLabel[] {
  const candidate = known[index];
  if (candidate !== undefined && reader.startsWith(candidate.encoded)) {
    const start = reader.position;
    reader.position += candidate.encoded.length;
    if (reader.isAtEnd || reader.peek() !== metricTags.metric.label) return candidate.labels;
    reader.position = start;
  }
  const start = reader.position;
  const labels: MetricLabel[] = [];
  while (!reader.isAtEnd && reader.peek() === metricTags.metric.label) {
    reader.varint();
    labels.push(readLabel(reader));
  }
  // A copy, because a slice would keep the whole message alive.
  const encoded = Buffer.from(reader.bytes.subarray(start, reader.position));
  known[index] = { encoded, labels, buckets: [], upperBounds: [] };
  return labels;
}

function readLabel(reader: WireReader): MetricLabel {
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

/** A counter or a gauge. */
function readValue(reader: WireReader, metric: { value: number; createdMs: number }): void {
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === metricTags.counter.value) metric.value = reader.double();
    else if (tag === metricTags.counter.created) metric.createdMs = readTimestampMs(reader);
    else reader.skip(tag);
  }
  reader.leave(end);
}

function readHistogram(
  reader: WireReader,
  metric: { createdMs: number },
  { buckets, upperBounds }: Pick<KnownLabels, 'buckets' | 'upperBounds'> = { buckets: [], upperBounds: [] },
): MetricHistogram {
  let read = 0;
  let count = 0;
  let sum = 0;
  const end = reader.enter();
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === metricTags.histogram.bucket) readBucket(reader, { buckets, upperBounds }, read++);
    else if (tag === metricTags.histogram.count) count = reader.varint();
    else if (tag === metricTags.histogram.sum) sum = reader.double();
    else if (tag === metricTags.histogram.created) metric.createdMs = readTimestampMs(reader);
    else reader.skip(tag);
  }
  reader.leave(end);
  buckets.length = read;
  upperBounds.length = read;
  return { count, sum, buckets, upperBounds };
}

function readBucket(
  reader: WireReader,
  { buckets, upperBounds }: Pick<KnownLabels, 'buckets' | 'upperBounds'>,
  index: number,
): void {
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

function readTimestampMs(reader: WireReader): number {
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
