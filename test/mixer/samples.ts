import { standardUpperBounds } from '../../proxy/api/standard-metrics.ts';
import type { Label } from '../../proxy/common/exposition.ts';
import { defaultLimits, type MixerLimits } from '../../mixer/options.ts';
import { Ledger, type LedgerListeners } from '../../mixer/telemetry/ledger.ts';
import type { Sample } from '../../mixer/telemetry/sample.ts';
import { Totals } from '../../mixer/telemetry/totals.ts';

export const startMs = Date.UTC(2026, 0, 31, 12);

/** A ledger with its totals and a way to read them: series labels → value, of what is exposed at `nowMs`. */
export function createLedger(
  limits: Partial<MixerLimits> = {},
  listen: (totals: Totals) => LedgerListeners = () => ({}),
): {
  readonly ledger: Ledger;
  readonly totals: Totals;
  readonly read: (family?: string, nowMs?: number) => Record<string, unknown>;
} {
  const all = { ...defaultLimits, ...limits };
  const totals = new Totals(all);
  const ledger = new Ledger(totals, all, listen(totals));
  const read = (name = 'istio_requests_total', nowMs = startMs): Record<string, unknown> => {
    const values: Record<string, unknown> = {};
    for (const family of totals.exposed(nowMs)) {
      if (family.name === name) for (const { labels, value } of family.series) values[labels] = value;
    }
    return values;
  };
  return { ledger, totals, read };
}

export function labels(version: string): readonly Label[] {
  return [
    { name: 'reporter', value: 'source' },
    { name: 'destination_version', value: version },
  ];
}

/** As `read` shows them. */
export function shown(version: string): string {
  return `reporter="source",destination_version="${version}"`;
}

export function counter(version: string, value: number, createdMs = startMs): Sample {
  return { name: 'istio_requests_total', help: '', labels: labels(version), createdMs, values: [value] };
}

/** All observations in the first bucket. */
export function histogram(version: string, count: number, sum: number): Sample {
  const values = [...standardUpperBounds.map(() => count), count, sum];
  return { name: 'istio_request_bytes', help: '', labels: labels(version), createdMs: startMs, values };
}
