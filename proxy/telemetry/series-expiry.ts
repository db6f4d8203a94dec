/** Takes Istio's series out that nobody counts in any more, so that workloads that are gone leave no trace for ever (B15). */
import type { Clock } from '../common/clock.ts';
import type { IstioMetrics } from './istio-metrics.ts';
import type { IstioSeries } from './series-generations.ts';

const sweepIntervalMs = 60_000;
/** Scrapers and queries look back for less: Prometheus forgets a series after five minutes. */
export const seriesExpiryMs = 900_000;

export class SeriesExpiry {
  readonly #clock: Clock;
  readonly #metrics: IstioMetrics;
  readonly #isSaid: (series: IstioSeries) => boolean;
  #cancel: (() => void) | undefined = undefined;

  /** `isSaid`: everybody who is told counts knows those of the series. */
  constructor(metrics: IstioMetrics, clock: Clock, isSaid: (series: IstioSeries) => boolean) {
    this.#metrics = metrics;
    this.#clock = clock;
    this.#isSaid = isSaid;
  }

  start(): void {
    this.#cancel = this.#clock.setTimer(() => {
      const nowMs = this.#clock.nowMs();
      this.#metrics.sweep({ nowMs, expireAfterMs: seriesExpiryMs, isSaid: this.#isSaid });
      this.start();
    }, sweepIntervalMs);
  }

  close(): void {
    this.#cancel?.();
    this.#cancel = undefined;
  }
}
