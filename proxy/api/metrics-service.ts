/**
 * Envoy's metrics service, `envoy.service.metrics.v3.MetricsService/StreamMetrics`, in plain values: what sidecars
 * report once a second. Values are cumulative since `createdMs`, so that a receiver can tell a restart from a decrease.
 *
 * The labels of a series are forty times as long as what changes of it in a second. So a receiver of ours offers, with the
 * initial metadata of its answer, to take references: a series is then said in full once on a stream, under a number, and
 * from there on by its number with its values, cumulative as before. Any other receiver gets Envoy's messages alone.
 */
import type { MethodDefinition } from '@grpc/grpc-js';
import type { Node as NodeJson } from './envoy.gen.ts';
import { grpcBytes } from './grpc-bytes.ts';
import { fixed64Tag, lengthTag, varintTag } from './wire-tags.ts';

export interface StreamMetricsMessage {
  /** Who reports: in the first message of a stream only. */
  readonly node: NodeJson | undefined;
  readonly families: readonly MetricFamily[];
  /** Of series that this stream has said in full; none where the receiver takes no references. */
  readonly updates: readonly SeriesUpdate[];
}

/** What a series says now that was said in full before, on the same stream. */
export interface SeriesUpdate {
  readonly reference: number;
  /** Of a counter; a histogram's sum. */
  readonly value: number;
  /** Observations per bucket of a histogram, not cumulative, those beyond all bounds last; empty for a counter. */
  readonly counts: readonly number[];
}

/** `io.prometheus.client.MetricFamily`. */
export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  /** `other`: a type that nobody here reports, such as a summary; its metrics have no value. */
  readonly type: 'counter' | 'gauge' | 'histogram' | 'other';
  readonly metrics: readonly Metric[];
}

export interface Metric {
  readonly labels: readonly MetricLabel[];
  /** When counting started, in milliseconds since the epoch; 0 when not said (a gauge never says it). */
  readonly createdMs: number;
  /** Of a counter or gauge; 0 for a histogram. */
  readonly value: number;
  /** Of a histogram; undefined for the others. */
  readonly histogram: MetricHistogram | undefined;
  /** By which this stream says the series from now on. */
  readonly reference?: number;
}

export interface MetricLabel {
  readonly name: string;
  readonly value: string;
}

export interface MetricHistogram {
  readonly count: number;
  readonly sum: number;
  /** Cumulative counts, one per upper bound. The bucket to infinity may be left out: it is `count`. */
  readonly buckets: readonly number[];
  readonly upperBounds: readonly number[];
}

/** A stream of encoded StreamMetricsMessages, answered by one empty message when it ends. */
export const streamMetrics: MethodDefinition<Uint8Array, Uint8Array> = {
  path: '/envoy.service.metrics.v3.MetricsService/StreamMetrics',
  requestStream: true,
  responseStream: false,
  requestSerialize: grpcBytes.serialize,
  requestDeserialize: grpcBytes.deserialize,
  responseSerialize: grpcBytes.serialize,
  responseDeserialize: grpcBytes.deserialize,
};

/** What a grpc-js server registers. */
export const metricsService = { streamMetrics };

/** Metadata of an answer that offers to take references. */
export const referencesMetadata = { key: 'heddle-series-references', value: '1' } as const;

/** References of a stream are below this number: what is beyond is said in full each time. */
export const maxReferences = 65_536;

/** Of fields that Envoy's and Prometheus' messages do not have. */
const extensionField = 1501;

/** Tags of the fields in use, which encoder and decoder share. */
export const metricTags = {
  message: { identifier: lengthTag(1), families: lengthTag(2), updates: lengthTag(extensionField) },
  identifier: { node: lengthTag(1) },
  family: { name: lengthTag(1), help: lengthTag(2), type: varintTag(3), metric: lengthTag(4) },
  metric: {
    reference: varintTag(extensionField),
    label: lengthTag(1),
    gauge: lengthTag(2),
    counter: lengthTag(3),
    histogram: lengthTag(7),
  },
  update: { reference: varintTag(1), value: fixed64Tag(2), counts: lengthTag(3) },
  label: { name: lengthTag(1), value: lengthTag(2) },
  /** A gauge has the value only. */
  counter: { value: fixed64Tag(1), created: lengthTag(3) },
  histogram: { count: varintTag(1), sum: fixed64Tag(2), bucket: lengthTag(3), created: lengthTag(15) },
  bucket: { cumulativeCount: varintTag(1), upperBound: fixed64Tag(2) },
  timestamp: { seconds: varintTag(1), nanos: varintTag(2) },
} as const;

/** `io.prometheus.client.MetricType`; UNTYPED stands for all that is not reported here. */
export const metricTypes = { counter: 0, gauge: 1, histogram: 4, other: 3 } as const;
