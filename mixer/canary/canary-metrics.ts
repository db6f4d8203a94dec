/** Releases as Prometheus sees them, under names like Flagger's. */
import { Counter, Gauge, Registry } from 'prom-client';
import type { ExposedFamily } from '../../proxy/common/exposition.ts';
import { familiesOf } from '../telemetry/mixer-metrics.ts';
import type { Phase } from './release-status.ts';
import type { Verdict } from './judge/verdict.ts';

type Labels = 'name' | 'namespace';

export interface CanaryNumbers {
  readonly name: string;
  readonly namespace: string;
  readonly phase: Phase;
  readonly weight: number;
  readonly verdict: Verdict | undefined;
}

/** Flagger's numbers: 0 under way, 1 succeeded, 2 failed. */
function statusNumber(phase: Phase): number {
  return phase === 'Succeeded' ? 1 : phase === 'Failed' ? 2 : 0;
}

export class CanaryMetrics {
  readonly #registry = new Registry();
  readonly #weight = this.#gauge('weight', 'Percent of the requests that go to the canary.');
  readonly #status = this.#gauge('status', 'Last known status of a release: 0 under way, 1 succeeded, 2 failed.');
  readonly #eValue = this.#gauge('evalue', 'Evidence that the canary fails more often than the primary; 1 is none.');
  readonly #errorRatio = this.#gauge(
    'error_ratio',
    'Error rate of the canary divided by the one of the primary, as estimated.',
  );
  readonly #driven = this.#gauge('driven', '1 where this mixer drives the release.');
  readonly #decisions = new Counter({
    name: 'heddle_canary_decisions_total',
    help: 'Decisions that this mixer made.',
    labelNames: ['name', 'namespace', 'decision'],
    registers: [this.#registry],
  });
  readonly #writes = new Counter({
    name: 'heddle_canary_status_writes_total',
    help: 'Writes of a status, by what came of them.',
    labelNames: ['result'],
    registers: [this.#registry],
  });

  constructor() {
    for (const result of ['written', 'conflict', 'failed'] as const) this.#writes.inc({ result }, 0);
  }

  observe({ name, namespace, phase, weight, verdict }: CanaryNumbers): void {
    this.#weight.set({ name, namespace }, weight);
    this.#status.set({ name, namespace }, statusNumber(phase));
    if (verdict === undefined) return;
    if (Number.isFinite(verdict.eValue)) this.#eValue.set({ name, namespace }, verdict.eValue);
    const { estimate } = verdict.errorRatio;
    if (estimate !== undefined && Number.isFinite(estimate)) this.#errorRatio.set({ name, namespace }, estimate);
  }

  setDriven({ name, namespace }: Record<Labels, string>, isDriven: boolean): void {
    this.#driven.set({ name, namespace }, isDriven ? 1 : 0);
  }

  decided({ name, namespace }: Record<Labels, string>, decision: string): void {
    this.#decisions.inc({ name, namespace, decision });
  }

  wrote(result: 'written' | 'conflict' | 'failed'): void {
    this.#writes.inc({ result });
  }

  forget({ name, namespace }: Record<Labels, string>): void {
    for (const gauge of [this.#weight, this.#status, this.#eValue, this.#errorRatio, this.#driven])
      gauge.remove({ name, namespace });
  }

  families(): Promise<ExposedFamily[]> {
    return familiesOf(this.#registry);
  }

  #gauge(name: string, help: string): Gauge<Labels> {
    return new Gauge({
      name: `heddle_canary_${name}`,
      help,
      labelNames: ['name', 'namespace'],
      registers: [this.#registry],
    });
  }
}
