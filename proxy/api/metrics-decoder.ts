/**
 * Decodes the stream of one reporting sidecar and hands over metric by metric, without building messages.
 *
 * A series that has a number is known by it. One without comes in the same order every second, mostly: its labels are
 * compared as bytes with those at its place in the message before, and only decoded when they differ.
 */
import type { Decoded } from '../common/decoded.ts';
import type { Node as NodeJson } from './envoy.gen.ts';
import {
  type PlacedSeries,
  readLabel,
  readLabels,
  readPlacedSeries,
  readReference,
  type StreamSeries,
} from './metric-labels-reader.ts';
import {
  maxReferences,
  type MetricFamily,
  type MetricHistogram,
  type MetricLabel,
  metricTags,
  metricTypes,
} from './metrics-service.ts';
import { decode } from './protojson.ts';
import { type CountedHistogram, readCounts, readHistogram, readTimestampMs } from './metrics-value-reader.ts';
import { standardUpperBounds } from './standard-metrics.ts';
import { WireReader } from './wire-reader.ts';

export type FamilyHead = Omit<MetricFamily, 'metrics'>;

/** One metric of a message. The decoder fills the same object, and the arrays of its histogram, for each. */
export interface StreamMetric<M> {
  readonly family: FamilyHead;
  readonly series: StreamSeries<M>;
  /** When counting started, in milliseconds since the epoch; 0 when not said. */
  readonly createdMs: number;
  /** Of a counter or gauge. */
  readonly value: number;
  readonly histogram: MetricHistogram | undefined;
}

export interface MetricsVisitor<M> {
  /** Who reports: before the metrics of its message. */
  onNode(node: NodeJson): void;
  /** Whether the metrics of a family are wanted, which has `metricCount` of them. */
  onFamily(family: FamilyHead, metricCount: number): boolean;
  onMetric(metric: StreamMetric<M>): void;
  /** A value of a series that this stream never said in full, or that the receiver did not take then. */
  onUnknownReference(): void;
}

/** A series that has a number. */
interface NumberedSeries<M> extends StreamSeries<M> {
  readonly family: FamilyHead;
  readonly createdMs: number;
  /** Empty for a counter. */
  readonly upperBounds: readonly number[];
}

type Draft<M> = { -readonly [K in keyof StreamMetric<M>]: StreamMetric<M>[K] };

const noFamily: FamilyHead = { name: '', help: '', type: 'other' };

/** One per stream. */
export class MetricsDecoder<M = unknown> {
  /** By family, in the order of its metrics in the last message that had it. */
  #placed = new Map<string, PlacedSeries<M>[]>();
  /** By reference. */
  readonly #numbered: (NumberedSeries<M> | undefined)[] = [];
  readonly #metric: Draft<M> = {
    family: noFamily,
    series: { labels: [], memo: undefined },
    createdMs: 0,
    value: 0,
    histogram: undefined,
  };

  /** On broken bytes the metrics before them have been handed over: as they are cumulative, nothing is wrong by that. */
  decode(bytes: Uint8Array, visitor: MetricsVisitor<M>): Decoded<undefined> {
    const previous = this.#placed;
    this.#placed = new Map();
    try {
      return this.#message(new WireReader(bytes), previous, visitor);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return { errors: [{ path: '', message: `must be an encoded StreamMetricsMessage: ${error.message}` }] };
    }
  }

  #message(
    reader: WireReader,
    previous: ReadonlyMap<string, PlacedSeries<M>[]>,
    visitor: MetricsVisitor<M>,
  ): Decoded<undefined> {
    const { identifier, families, updates } = metricTags.message;
    while (!reader.isAtEnd) {
      const tag = reader.varint();
      if (tag === updates) this.#update(reader, visitor);
      else if (tag === families) this.#family(reader, previous, visitor);
      else if (tag === identifier) {
        const node = readNode(reader);
        if (node.errors !== undefined) return node;
        visitor.onNode(node.value);
      } else reader.skip(tag);
    }
    return { value: undefined };
  }

  #family(reader: WireReader, previous: ReadonlyMap<string, PlacedSeries<M>[]>, visitor: MetricsVisitor<M>): void {
    const end = reader.enter();
    const start = reader.position;
    const { family, metricCount } = readFamilyHead(reader);
    if (visitor.onFamily(family, metricCount)) {
      reader.position = start;
      const placed = previous.get(family.name) ?? [];
      this.#metric.family = family;
      let index = 0;
      while (!reader.isAtEnd) {
        const tag = reader.varint();
        if (tag !== metricTags.family.metric) reader.skip(tag);
        else {
          const reference = this.#read(reader, placed, index);
          visitor.onMetric(this.#metric);
          if (reference !== undefined) this.#keep(reference);
          index += 1;
        }
      }
      placed.length = Math.min(placed.length, index);
      this.#placed.set(family.name, placed);
    }
    reader.leave(end);
  }

  /** The result is the number of the series, if it has one. */
  #read(reader: WireReader, placed: PlacedSeries<M>[], index: number): number | undefined {
    const metric = this.#metric;
    metric.createdMs = 0;
    metric.value = 0;
    metric.histogram = undefined;
    const end = reader.enter();
    const reference = readReference(reader);
    metric.series =
      reference === undefined
        ? readPlacedSeries(reader, placed, index)
        : { labels: readLabels(reader), memo: undefined };
    while (!reader.isAtEnd) {
      const tag = reader.varint();
      if (tag === metricTags.metric.counter || tag === metricTags.metric.gauge) readValue(reader, metric);
      else if (tag === metricTags.metric.histogram) metric.histogram = readHistogram(reader, metric);
      // Behind the value, where our encoder never writes labels but another may.
      else if (tag === metricTags.metric.label) addLabel(metric, readLabel(reader));
      else reader.skip(tag);
    }
    reader.leave(end);
    return reference;
  }

  /** Remembers the metric at hand by its number. */
  #keep(reference: number): void {
    const { family, series, createdMs, histogram } = this.#metric;
    if (reference >= maxReferences || series.memo === undefined) return;
    const upperBounds = sharedBounds(histogram?.upperBounds);
    this.#numbered[reference] = { family, labels: series.labels, createdMs, upperBounds, memo: series.memo };
  }

  #update(reader: WireReader, visitor: MetricsVisitor<M>): void {
    const metric = this.#metric;
    let series: NumberedSeries<M> | undefined;
    let value = 0;
    let counts: CountedHistogram | undefined;
    const { reference, value: valueTag, counts: countsTag } = metricTags.update;
    const end = reader.enter();
    while (!reader.isAtEnd) {
      const tag = reader.varint();
      if (tag === reference) series = this.#numbered[reader.varint()];
      else if (tag === valueTag) value = reader.double();
      else if (tag === countsTag && series !== undefined) counts = readCounts(reader, series.upperBounds);
      else reader.skip(tag);
    }
    reader.leave(end);
    if (series === undefined) return visitor.onUnknownReference();
    metric.family = series.family;
    metric.series = series;
    metric.createdMs = series.createdMs;
    metric.value = value;
    if (counts !== undefined) counts.sum = value;
    metric.histogram = counts;
    visitor.onMetric(metric);
  }
}

const typeNames: ReadonlyMap<number, MetricFamily['type']> = new Map([
  [metricTypes.counter, 'counter'],
  [metricTypes.gauge, 'gauge'],
  [metricTypes.histogram, 'histogram'],
]);

/** What stands around the metrics, before or behind them. */
function readFamilyHead(reader: WireReader): { family: FamilyHead; metricCount: number } {
  let name = '';
  let help = '';
  let type: MetricFamily['type'] = 'counter';
  let metricCount = 0;
  while (!reader.isAtEnd) {
    const tag = reader.varint();
    if (tag === metricTags.family.name) name = reader.string();
    else if (tag === metricTags.family.help) help = reader.string();
    else if (tag === metricTags.family.type) type = typeNames.get(reader.varint()) ?? 'other';
    else {
      if (tag === metricTags.family.metric) metricCount += 1;
      reader.skip(tag);
    }
  }
  return { family: { name, help, type }, metricCount };
}

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

/** What is at a place is only known by the labels in front: with one more it is another series. */
function addLabel<M>(metric: Draft<M>, label: MetricLabel): void {
  metric.series = { labels: [...metric.series.labels, label], memo: undefined };
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

/** Nearly all histograms have the same bounds. */
function sharedBounds(bounds: readonly number[] = []): readonly number[] {
  const isStandard =
    bounds.length === standardUpperBounds.length && bounds.every((b, i) => b === standardUpperBounds[i]);
  return isStandard ? standardUpperBounds : [...bounds];
}
