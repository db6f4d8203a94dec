/** Encodes what a sidecar reports. Labels are encoded once per series: pass the same array every time. */
import protobuf from 'protobufjs';
import {
  type Metric,
  type MetricFamily,
  type MetricHistogram,
  type MetricLabel,
  metricTags,
  metricTypes,
  type SeriesUpdate,
  type StreamMetricsMessage,
} from './metrics-service.ts';
import { encode } from './protojson.ts';

export function encodeStreamMetrics({ node, families, updates }: StreamMetricsMessage): Uint8Array {
  const writer = protobuf.Writer.create();
  if (node !== undefined) {
    writer.uint32(metricTags.message.identifier).fork();
    writer.uint32(metricTags.identifier.node).bytes(encode('envoy.config.core.v3.Node', node));
    writer.ldelim();
  }
  for (const family of families) writeFamily(writer, family);
  for (const update of updates) writeUpdate(writer, update);
  return writer.finish();
}

function writeFamily(writer: protobuf.Writer, family: MetricFamily): void {
  const { name, help, type, metric } = metricTags.family;
  writer.uint32(metricTags.message.families).fork();
  writer.uint32(name).string(family.name);
  writer.uint32(help).string(family.help);
  writer.uint32(type).uint32(metricTypes[family.type]);
  for (const each of family.metrics) {
    writer.uint32(metric).fork();
    writeMetric(writer, family.type, each);
    writer.ldelim();
  }
  writer.ldelim();
}

function writeUpdate(writer: protobuf.Writer, update: SeriesUpdate): void {
  const { reference, value, counts } = metricTags.update;
  writer.uint32(metricTags.message.updates).fork();
  writer.uint32(reference).uint32(update.reference);
  writer.uint32(value).double(update.value);
  if (update.counts.length > 0) {
    writer.uint32(counts).fork();
    for (const count of update.counts) writer.uint64(count);
    writer.ldelim();
  }
  writer.ldelim();
}

function writeMetric(writer: protobuf.Writer, type: MetricFamily['type'], metric: Metric): void {
  // In front, so that a decoder need not remember the labels of a series that has a number.
  if (metric.reference !== undefined) writer.uint32(metricTags.metric.reference).uint32(metric.reference);
  for (const label of encodeLabels(metric.labels)) {
    writer.uint32(metricTags.metric.label).bytes(label);
  }
  if (metric.histogram !== undefined) return writeHistogram(writer, metric.histogram, metric.createdMs);
  const { counter, gauge } = metricTags.metric;
  writer.uint32(type === 'counter' ? counter : gauge).fork();
  writer.uint32(metricTags.counter.value).double(metric.value);
  if (type === 'counter') writeCreated(writer, metricTags.counter.created, metric.createdMs);
  writer.ldelim();
}

function writeHistogram(writer: protobuf.Writer, histogram: MetricHistogram, createdMs: number): void {
  const { count, sum, bucket, created } = metricTags.histogram;
  const { cumulativeCount, upperBound } = metricTags.bucket;
  writer.uint32(metricTags.metric.histogram).fork();
  writer.uint32(count).uint64(histogram.count);
  writer.uint32(sum).double(histogram.sum);
  histogram.upperBounds.forEach((bound, i) => {
    writer.uint32(bucket).fork();
    writer.uint32(cumulativeCount).uint64(histogram.buckets[i] ?? 0);
    writer.uint32(upperBound).double(bound);
    writer.ldelim();
  });
  writeCreated(writer, created, createdMs);
  writer.ldelim();
}

function writeCreated(writer: protobuf.Writer, field: number, createdMs: number): void {
  if (createdMs === 0) return;
  const seconds = Math.floor(createdMs / 1000);
  writer.uint32(field).fork();
  writer.uint32(metricTags.timestamp.seconds).int64(seconds);
  writer.uint32(metricTags.timestamp.nanos).int32(Math.round((createdMs - seconds * 1000) * 1e6));
  writer.ldelim();
}

const encodedLabels = new WeakMap<readonly MetricLabel[], readonly Uint8Array[]>();

function encodeLabels(labels: readonly MetricLabel[]): readonly Uint8Array[] {
  let encoded = encodedLabels.get(labels);
  if (encoded === undefined) {
    const { name, value } = metricTags.label;
    encoded = labels.map((label) =>
      protobuf.Writer.create().uint32(name).string(label.name).uint32(value).string(label.value).finish(),
    );
    encodedLabels.set(labels, encoded);
  }
  return encoded;
}
