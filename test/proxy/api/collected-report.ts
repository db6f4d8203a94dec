/** What a decoder hands over, kept: as a message again. */
import type { MetricsDecoder, StreamMetric } from '../../../proxy/api/metrics-decoder.ts';
import type { Metric, MetricFamily, StreamMetricsMessage } from '../../../proxy/api/metrics-service.ts';
import type { Decoded } from '../../../proxy/common/decoded.ts';

export interface CollectedReport extends Pick<StreamMetricsMessage, 'node' | 'families'> {
  /** Values whose series nobody knows. */
  readonly unknownReferences: number;
}

/** All metrics are taken, so series are remembered by their numbers. */
export function collect(decoder: MetricsDecoder<string>, bytes: Uint8Array): Decoded<CollectedReport> {
  let node: StreamMetricsMessage['node'];
  let unknownReferences = 0;
  const families = new Map<string, Omit<MetricFamily, 'metrics'> & { readonly metrics: Metric[] }>();
  const { errors } = decoder.decode(bytes, {
    onNode: (said) => {
      node = said;
    },
    onFamily: (family) => families.set(family.name, { ...family, metrics: [] }).size > 0,
    onMetric: (metric) => {
      metric.series.memo ??= 'known';
      const family = families.get(metric.family.name) ?? { ...metric.family, metrics: [] };
      families.set(family.name, family);
      family.metrics.push(copyOf(metric));
    },
    onUnknownReference: () => {
      unknownReferences += 1;
    },
  });
  return errors === undefined ? { value: { node, families: [...families.values()], unknownReferences } } : { errors };
}

function copyOf({ series, createdMs, value, histogram }: StreamMetric<unknown>): Metric {
  const { labels } = series;
  if (histogram === undefined) return { labels, createdMs, value, histogram };
  const { count, sum, buckets, upperBounds } = histogram;
  return {
    labels,
    createdMs,
    value,
    histogram: { count, sum, buckets: [...buckets], upperBounds: [...upperBounds] },
  };
}
