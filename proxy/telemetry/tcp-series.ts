/** The counts of one label set of Istio's TCP metrics. */
import type { TcpMetricName } from '../api/standard-metrics.ts';
import type { Label } from '../common/exposition.ts';
import type { GroupedSeries } from './metric-groups.ts';
import type { MetricScope } from './metric-scope.ts';
import { type OwnLabels, ownLabelsOf } from './own-labels.ts';
import type { AgingSeries, SeriesAge, SeriesGenerations } from './series-generations.ts';

/** Where a series stands; undefined for those that take what exceeds a cap. */
export interface TcpSeriesOrigin {
  readonly scope: MetricScope;
  readonly responseFlags: string;
  readonly key: string;
}

export class TcpSeries implements AgingSeries, GroupedSeries {
  readonly labels: readonly Label[];
  readonly origin: TcpSeriesOrigin | undefined;
  readonly createdMs: number | undefined;
  readonly age: SeriesAge;
  readonly #ownLabels: OwnLabels | undefined;
  openedCount = 0;
  closedCount = 0;
  /** Sent to and received from the client: Istio's words for responses and requests. */
  sentBytes = 0;
  receivedBytes = 0;

  constructor(labels: readonly Label[], origin: TcpSeriesOrigin | undefined, generations: SeriesGenerations) {
    this.labels = labels;
    this.origin = origin;
    this.createdMs = generations.createdMs;
    this.age = generations.newAge();
    this.#ownLabels = origin && ownLabelsOf(origin.scope.reporter.rules, labels);
  }

  labelsOf(metric: string): readonly Label[] {
    return this.#ownLabels?.get(metric) ?? this.labels;
  }

  get eventCount(): number {
    return this.openedCount + this.closedCount + this.sentBytes + this.receivedBytes;
  }

  /** Connections that are open go on counting in it, however long they were silent. */
  get isExpendable(): boolean {
    return this.origin !== undefined && this.openedCount === this.closedCount;
  }
}

/** What a series says in one of Istio's metrics. */
export function tcpMetricValue(series: TcpSeries, metric: TcpMetricName): number {
  switch (metric) {
    case 'istio_tcp_connections_opened_total':
      return series.openedCount;
    case 'istio_tcp_connections_closed_total':
      return series.closedCount;
    case 'istio_tcp_sent_bytes_total':
      return series.sentBytes;
    case 'istio_tcp_received_bytes_total':
      return series.receivedBytes;
  }
}
