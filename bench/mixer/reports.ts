/** What sidecars report once a second, encoded as they encode it. */
import { encodeStreamMetrics } from '../../proxy/api/metrics-encoder.ts';
import type { MetricFamily } from '../../proxy/api/metrics-service.ts';
import {
  requestsTotal,
  standardHistograms,
  standardLabelNames,
  standardUpperBounds,
} from '../../proxy/api/standard-metrics.ts';
import type { Label } from '../../proxy/common/exposition.ts';

/** Metrics per label set: one counter and the histograms. */
export const metricsPerLabelSet = 1 + standardHistograms.length;

/** As Prometheus counts them: the counter, and of each histogram its buckets, the one to infinity, the sum and the count. */
export const seriesPerLabelSet = 1 + standardHistograms.length * (standardUpperBounds.length + 3);

/** As long as those of a mesh are, about 1 kB a set. */
export function labelSet(workload: string, index: number): readonly Label[] {
  return standardLabelNames.map((name) => ({ name, value: valueOf(name, workload, index) }));
}

function valueOf(name: string, workload: string, index: number): string {
  if (name === 'reporter') return 'source';
  if (name === 'response_code') return String(200 + (index % 5));
  if (name.startsWith('source_')) return workload;
  if (name === 'destination_service') return `service-${index}.production.svc.cluster.local`;
  if (name.startsWith('destination_')) return `service-${index}`;
  return name === 'request_protocol' ? 'http' : '-';
}

/** The same every second, but for the numbers, which have grown by one. */
export class ReportingSidecar {
  readonly #id: string;
  readonly #labels: readonly (readonly Label[])[];
  #isIntroduced = false;

  /** Sidecars of one workload report the same label sets. */
  constructor(id: string, workload: string, labelSets: number) {
    this.#id = id;
    this.#labels = Array.from({ length: labelSets }, (_, i) => labelSet(workload, i));
  }

  /** `count`: requests so far in each series. */
  next(count: number, createdMs: number): Uint8Array {
    const node = this.#isIntroduced ? undefined : { id: this.#id };
    this.#isIntroduced = true;
    const buckets = standardUpperBounds.map((_, i) => (i < 3 ? 0 : count));
    const histogram = { count, sum: count * 7, buckets, upperBounds: standardUpperBounds };
    const base = { createdMs, value: 0, histogram };
    const families: MetricFamily[] = [
      {
        ...requestsTotal,
        metrics: this.#labels.map((labels) => ({ labels, createdMs, value: count, histogram: undefined })),
      },
      ...standardHistograms.map((family) => ({
        ...family,
        metrics: this.#labels.map((labels) => ({ ...base, labels })),
      })),
    ];
    return encodeStreamMetrics({ node, families });
  }
}
