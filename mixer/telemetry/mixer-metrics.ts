/** Mixer's own metrics, `heddle_mixer_…`: what it took in, what it refused and how much it holds. */
import { Counter, Gauge, Registry } from 'prom-client';
import { rejectionReasons, type RejectionReason } from './rejection.ts';

export interface Holdings {
  readonly instanceCount: number;
  readonly seriesCount: number;
  /** Global rate limits that somebody spends from. */
  readonly limitCount: number;
}

export class MixerMetrics {
  readonly #registry = new Registry();
  readonly #rejected: Counter<'reason'>;
  readonly batches: Counter;
  readonly samples: Counter;
  readonly streams: Gauge;
  readonly quotaReports: Counter;

  constructor(holdings: () => Holdings) {
    this.batches = this.#counter('batches_total', 'Messages received from instances.');
    this.samples = this.#counter('samples_total', 'Metrics counted from those messages.');
    this.quotaReports = this.#counter('quota_reports_total', 'Reports of use of quota buckets that were answered.');
    this.#rejected = new Counter({
      name: 'heddle_mixer_rejected_total',
      help: 'Metrics, or whole messages and streams, that were not counted, by reason.',
      labelNames: ['reason'],
      registers: [this.#registry],
    });
    for (const reason of rejectionReasons) this.#rejected.inc({ reason }, 0);
    this.streams = this.#gauge('streams', 'Open streams of instances.');
    this.#gauge('instances', 'Instances whose reports are remembered.', () => holdings().instanceCount);
    this.#gauge('limits', 'Global rate limits that are spent from.', () => holdings().limitCount);
    this.#gauge('series', 'Series held, in all families.', () => holdings().seriesCount);
  }

  reject(reason: RejectionReason, count = 1): void {
    this.#rejected.inc({ reason }, count);
  }

  /** In Prometheus' text format. */
  async text(): Promise<string> {
    return this.#registry.metrics();
  }

  #counter(name: string, help: string): Counter {
    return new Counter({ name: `heddle_mixer_${name}`, help, registers: [this.#registry] });
  }

  #gauge(name: string, help: string, read?: () => number): Gauge {
    const gauge: Gauge = new Gauge({
      name: `heddle_mixer_${name}`,
      help,
      registers: [this.#registry],
      ...(read === undefined ? {} : { collect: () => gauge.set(read()) }),
    });
    return gauge;
  }
}
