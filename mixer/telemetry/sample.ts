/**
 * The check of what a stream reports, metric by metric, before anything is counted.
 *
 * Mixer takes Istio's standard metrics and counters named `envoy_…` (what Heddle's sidecars make of their statistics).
 * A real Envoy sends its own statistics over the same service, under dotted names and without a start time: those are
 * dropped and counted, Envoy's own admin endpoint serves them.
 */
import type { MetricFamily, Metric, MetricHistogram } from '../../proxy/api/metrics-service.ts';
import { standardMetrics, standardUpperBounds } from '../../proxy/api/standard-metrics.ts';
import type { Label } from '../../proxy/common/exposition.ts';
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
export function familyRejection({ name, type }: MetricFamily): RejectionReason | undefined {
  const standard = standardMetrics.find((metric) => metric.name === name);
  if (standard !== undefined) return type === standard.type ? undefined : 'type';
  if (name.length > maxNameLength || !/^envoy_[a-zA-Z0-9_]+$/.test(name)) return 'family_name';
  return type === 'counter' ? undefined : 'type';
}

/** The sample of one metric of an accepted family, or why there is none. */
export function readSample(family: MetricFamily, metric: Metric, nowMs: number): Sample | RejectionReason {
  const { labels, createdMs } = metric;
  if (!areLabelsValid(labels)) return 'labels';
  if (!isPlausibleStart(createdMs, nowMs)) return 'created_timestamp';
  const values = family.type === 'counter' ? counterValues(metric.value) : histogramValues(metric.histogram);
  if (typeof values === 'string') return values;
  return { name: family.name, help: family.help.slice(0, maxLabelValueLength), labels, createdMs, values };
}

/** The decoder of a stream hands out the same array for a series again and again. */
const checkedLabels = new WeakMap<readonly Label[], boolean>();

function areLabelsValid(labels: readonly Label[]): boolean {
  let isValid = checkedLabels.get(labels);
  if (isValid === undefined) {
    const names = new Set(labels.map(({ name }) => name));
    isValid = labels.length <= maxLabels && names.size === labels.length && labels.every(isLabelValid);
    checkedLabels.set(labels, isValid);
  }
  return isValid;
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
  const isLengthRight = upperBounds.length === finiteCount || upperBounds[finiteCount] === Infinity;
  if (!isLengthRight || upperBounds.length > finiteCount + 1) return false;
  for (let i = 0; i < finiteCount; i += 1) if (upperBounds[i] !== standardUpperBounds[i]) return false;
  return true;
}

/** Beyond 2^53 a total could not grow by one any more. */
export function isAmount(value: number): boolean {
  return value >= 0 && value <= Number.MAX_SAFE_INTEGER;
}
