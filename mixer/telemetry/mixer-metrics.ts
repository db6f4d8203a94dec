/** Mixer's own metrics, `heddle_mixer_…`: what it took in, what it refused and how much it holds. */
import { Counter, Gauge, Registry } from 'prom-client';
import { type ExposedFamily, formatLabels } from '../../proxy/common/exposition.ts';
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
  /** Of access logs: entries that count in Istio's metrics, and those of instances that count by themselves. */
  readonly countedEntries: Counter.Internal;
  readonly uncountedEntries: Counter.Internal;
  readonly quotaReports: Counter;

  constructor(holdings: () => Holdings) {
    this.batches = this.#counter('batches_total', 'Messages received from instances.');
    this.samples = this.#counter('samples_total', 'Metrics counted from those messages.');
    const entries = new Counter({
      name: 'heddle_mixer_log_entries_total',
      help: 'Access-log entries taken; not counted are those of instances that report their own metrics.',
      labelNames: ['counted'],
      registers: [this.#registry],
    });
    this.countedEntries = entries.labels('true');
    this.uncountedEntries = entries.labels('false');
    this.quotaReports = this.#counter('quota_reports_total', 'Reports of use of quota buckets that were answered.');
    this.#rejected = new Counter({
      name: 'heddle_mixer_rejected_total',
      help: 'Metrics and log entries, or whole messages and streams, that were not counted, by reason.',
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

  families(): Promise<ExposedFamily[]> {
    return familiesOf(this.#registry);
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

/** Counters and gauges of a registry, to be exposed with the totals. */
export async function familiesOf(registry: Registry): Promise<ExposedFamily[]> {
  const metrics = await registry.getMetricsAsJSON();
  return metrics.map(({ name, help, type, values }): ExposedFamily => {
    const series = values.map(({ labels, value }) => ({
      labels: formatLabels(Object.entries(labels).map(([label, text]) => ({ name: label, value: String(text) }))),
      value,
    }));
    return { name, help, type: String(type) === 'gauge' ? 'gauge' : 'counter', series };
  });
}
