/** What sidecars report once a second, encoded as they encode it. */
import { encodeStreamMetrics } from '../../proxy/api/metrics-encoder.ts';
import type { Metric, MetricFamily } from '../../proxy/api/metrics-service.ts';
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

/** `references`: as our sidecars report to our mixer; `whole`: with all labels each time, as to anybody else. */
export type ReportForm = 'references' | 'whole';

/** The same every second, but for the numbers, which have grown by one. */
export class ReportingSidecar {
  readonly #id: string;
  readonly #form: ReportForm;
  readonly #labels: readonly (readonly Label[])[];

  /** Sidecars of one workload report the same label sets. */
  constructor(id: string, { form, workload, labelSets }: ReportedLoad) {
    this.#id = id;
    this.#form = form;
    this.#labels = Array.from({ length: labelSets }, (_, i) => labelSet(workload, i));
  }

  get metricCount(): number {
    return this.#labels.length * metricsPerLabelSet;
  }

  /** What a stream begins with. */
  introduction(): Uint8Array {
    return encodeStreamMetrics({ node: { id: this.#id }, families: [], updates: [] });
  }

  /** Everything in full. `count`: requests so far in each series. */
  whole(count: number, createdMs: number): Uint8Array {
    let next = 0;
    const metric = (labels: readonly Label[]): Metric => {
      const reference = this.#form === 'references' ? { reference: next++ } : {};
      return { labels, createdMs, value: count, histogram: undefined, ...reference };
    };
    const buckets = standardUpperBounds.map((_, i) => (i < 3 ? 0 : count));
    const histogram = { count, sum: count * 7, buckets, upperBounds: standardUpperBounds };
    const families: MetricFamily[] = [
      { ...requestsTotal, metrics: this.#labels.map(metric) },
      ...standardHistograms.map((family) => ({
        ...family,
        metrics: this.#labels.map((labels) => ({ ...metric(labels), value: 0, histogram })),
      })),
    ];
    return encodeStreamMetrics({ node: undefined, families, updates: [] });
  }

  /** What follows. */
  next(count: number, createdMs: number): Uint8Array {
    if (this.#form === 'whole') return this.whole(count, createdMs);
    const counts = Array.from({ length: standardUpperBounds.length + 1 }, (_, i) => (i === 3 ? count : 0));
    const sets = this.#labels.length;
    const updates = Array.from({ length: sets * metricsPerLabelSet }, (_, reference) =>
      reference < sets ? { reference, value: count, counts: [] } : { reference, value: count * 7, counts },
    );
    return encodeStreamMetrics({ node: undefined, families: [], updates });
  }
}

export interface ReportedLoad {
  readonly form: ReportForm;
  readonly workload: string;
  readonly labelSets: number;
}
