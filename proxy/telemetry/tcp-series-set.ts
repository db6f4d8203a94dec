/** The series of Istio's TCP metrics, at most so many per reporter. */
import { overflowLabels, tcpLabelNames } from '../api/standard-metrics.ts';
import type { MetricScope, Reporter } from './metric-scope.ts';
import type { SeriesGenerations } from './series-generations.ts';
import { TcpSeries } from './tcp-series.ts';
import { standardLabels } from '../api/workload-labels.ts';

export class TcpSeriesSet {
  readonly #maxSeries: number;
  readonly #generations: SeriesGenerations;
  readonly #overflow: TcpSeries[] = [];
  readonly #byKey = new Map<string, TcpSeries>();

  /** `maxSeries` is per reporter. */
  constructor(maxSeries: number, generations: SeriesGenerations) {
    this.#maxSeries = maxSeries;
    this.#generations = generations;
  }

  *[Symbol.iterator](): Iterator<TcpSeries> {
    yield* this.#overflow;
    yield* this.#byKey.values();
  }

  /** For what exceeds the cap of a reporter. */
  addOverflow(reporter: Reporter['name']): TcpSeries {
    const series = new TcpSeries(overflowLabels(reporter, tcpLabelNames), undefined, this.#generations);
    this.#overflow.push(series);
    return series;
  }

  resolve(scope: MetricScope, responseFlags: string): TcpSeries {
    const { reporter, labels } = scope;
    // Only the scopes beyond the cap have no labels.
    if (Object.keys(labels).length === 0) return reporter.tcpOverflow;
    const key = `${reporter.tells('response_flags') ? responseFlags : ''} ${scope.key}`;
    const known = this.#byKey.get(key);
    if (known !== undefined) return known;
    if (reporter.tcpSeriesCount >= this.#maxSeries) return reporter.tcpOverflow;
    reporter.tcpSeriesCount += 1;
    scope.seriesCount += 1;
    const values = { request_protocol: 'tcp', response_flags: responseFlags, ...labels, reporter: reporter.name };
    const origin = { scope, responseFlags, key };
    const series = new TcpSeries(standardLabels(values, reporter.tcpLabelNames), origin, this.#generations);
    this.#byKey.set(key, series);
    scope.rememberTcp(responseFlags, series);
    return series;
  }

  remove(series: TcpSeries): void {
    if (series.origin === undefined) return;
    const { scope, responseFlags, key } = series.origin;
    scope.forgetTcp(responseFlags);
    scope.reporter.tcpSeriesCount -= 1;
    scope.seriesCount -= 1;
    this.#byKey.delete(key);
  }
}
