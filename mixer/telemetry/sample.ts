/**
 * The check of what a stream reports, metric by metric, before anything is counted.
 *
 * Mixer takes Istio's standard metrics and counters named `envoy_…` (what Heddle's sidecars make of their statistics).
 * A real Envoy sends its own statistics over the same service, under dotted names and without a start time: those are
 * dropped and counted, Envoy's own admin endpoint serves them.
 */
import type { StreamSeries } from '../../proxy/api/metric-labels-reader.ts';
import type { FamilyHead, StreamMetric } from '../../proxy/api/metrics-decoder.ts';
import type { MetricHistogram } from '../../proxy/api/metrics-service.ts';
import { standardMetrics, standardUpperBounds } from '../../proxy/api/standard-metrics.ts';
import type { Label } from '../../proxy/common/exposition.ts';
import type { Reported } from './instance.ts';
import type { RejectionReason } from './rejection.ts';

/** One series of one report. */
export interface Sample {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly Label[];
  /** When its instance began to count; milliseconds since the epoch. */
  readonly createdMs: number;
  /**
   * Cumulative, and none of them ever decreases: the value, or Istio's buckets, the count and the sum. Of what `readSample`
   * returns the next sample has the same array: copy what stays.
   */
  readonly values: readonly number[];
  /** Where the stream remembers who this is. */
  readonly series?: StreamSeries<Reported>;
}

const maxNameLength = 128;
const maxLabels = 64;
const maxLabelNameLength = 128;
const maxLabelValueLength = 1024;
/** A process older than ten years, or one from the day after tomorrow, has no clock. */
const maxAgeMs = 10 * 365 * 86_400_000;
const maxClockSkewMs = 86_400_000;

/** Whether something can have begun at `startMs`; not so when it was not said. */
export function isPlausibleStart(startMs: number, nowMs: number): boolean {
  return startMs >= nowMs - maxAgeMs && startMs <= nowMs + maxClockSkewMs;
}

/** Why no metric of this family is taken; undefined when they are. */
export function familyRejection({ name, type }: FamilyHead): RejectionReason | undefined {
  const standard = standardMetrics.find((metric) => metric.name === name);
  if (standard !== undefined) return type === standard.type ? undefined : 'type';
  if (name.length > maxNameLength || !/^envoy_[a-zA-Z0-9_]+$/.test(name)) return 'family_name';
  return type === 'counter' ? undefined : 'type';
}

/** The sample of one metric of an accepted family, or why there is none. */
export function readSample(metric: StreamMetric<Reported>, nowMs: number): Sample | RejectionReason {
  const { family, series, createdMs } = metric;
  // What was counted before has been looked at.
  if (series.memo === undefined && !areLabelsValid(series.labels)) return 'labels';
  if (!isPlausibleStart(createdMs, nowMs)) return 'created_timestamp';
  const values = family.type === 'counter' ? counterValues(metric.value) : histogramValues(metric.histogram);
  if (typeof values === 'string') return values;
  const { name, help } = family;
  return { name, help: help.slice(0, maxLabelValueLength), labels: series.labels, createdMs, values, series };
}

function areLabelsValid(labels: readonly Label[]): boolean {
  const names = new Set(labels.map(({ name }) => name));
  return labels.length <= maxLabels && names.size === labels.length && labels.every(isLabelValid);
}

/** `le` belongs to the buckets of a histogram and `__…` to Prometheus. */
function isLabelValid({ name, value }: Label): boolean {
  return (
    name.length <= maxLabelNameLength &&
    /^(?!__)[a-zA-Z_][a-zA-Z0-9_]*$/.test(name) &&
    name !== 'le' &&
    value.length <= maxLabelValueLength
  );
}

/** Four hundred thousand samples a second leave no room for an array each. */
const counterScratch = [0];
const histogramScratch = Array.from({ length: standardUpperBounds.length + 2 }, () => 0);

function counterValues(value: number): readonly number[] | RejectionReason {
  counterScratch[0] = value;
  return isAmount(value) ? counterScratch : 'value';
}

function histogramValues(histogram: MetricHistogram | undefined): readonly number[] | RejectionReason {
  if (histogram === undefined) return 'value';
  const { buckets, count, sum } = histogram;
  if (!hasStandardBounds(histogram)) return 'buckets';
  const values = histogramScratch;
  const finiteCount = standardUpperBounds.length;
  let below = 0;
  for (let i = 0; i <= finiteCount; i += 1) {
    const value = (i < finiteCount ? buckets[i] : count) ?? NaN;
    if (!(value >= below) || !Number.isInteger(value)) return 'value';
    values[i] = value;
    below = value;
  }
  values[finiteCount + 1] = sum;
  return isAmount(count) && isAmount(sum) ? values : 'value';
}

/** The bucket to infinity may be left out. */
function hasStandardBounds({ upperBounds, buckets }: MetricHistogram): boolean {
  const finiteCount = standardUpperBounds.length;
  if (buckets.length !== upperBounds.length) return false;
  if (upperBounds === standardUpperBounds) return true;
  const isLengthRight = upperBounds.length === finiteCount || upperBounds[finiteCount] === Infinity;
  if (!isLengthRight || upperBounds.length > finiteCount + 1) return false;
  for (let i = 0; i < finiteCount; i += 1) if (upperBounds[i] !== standardUpperBounds[i]) return false;
  return true;
}

/** Beyond 2^53 a total could not grow by one any more. */
export function isAmount(value: number): boolean {
  return value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}
