/** What is fixed of a metric's labels when a peer is known, and the way from a response to its series. */
import { type MetricRules, noMetricRules } from '../api/metric-rules.ts';
import { standardLabelNames, tcpLabelNames } from '../api/standard-metrics.ts';
import type { TcpSeries } from './tcp-series.ts';
import type { LabelValues } from '../api/workload-labels.ts';

/** Outcomes below this are found by array index; beyond it are gRPC, and codes that HTTP does not define. */
const tableSize = 600;

/** Slot of a response that has not been seen yet. No series lives there. */
export const unresolvedSlot = 0;

/** What all scopes of one reporter share: its number of series and where the rest goes. */
export class Reporter {
  readonly name: 'source' | 'destination';
  /** Takes what would exceed the cap. */
  readonly overflowSlot: number;
  readonly tcpOverflow: TcpSeries;
  /** Stands for the scopes beyond the cap: each of its requests counts in the overflow series. */
  overflowScope: MetricScope;
  scopeCount = 0;
  seriesCount = 0;
  tcpSeriesCount = 0;
  /** Of the listeners whose traffic it counts. */
  rules: MetricRules = noMetricRules;
  /** Series that one metric labels differently are others: empty where none does. */
  ownLabelsKey = '';
  labelNames: readonly string[] = standardLabelNames;
  tcpLabelNames: readonly string[] = tcpLabelNames;

  constructor(name: Reporter['name'], overflowSlot: number, tcpOverflow: TcpSeries) {
    this.name = name;
    this.overflowSlot = overflowSlot;
    this.tcpOverflow = tcpOverflow;
    this.overflowScope = new MetricScope(this, {});
  }

  setRules(rules: MetricRules): void {
    this.rules = rules;
    this.ownLabelsKey = Object.keys(rules.ownLabels).length === 0 ? '' : JSON.stringify(rules.ownLabels);
    const namesOf = (standard: readonly string[]): readonly string[] => {
      const more = Object.keys(rules.fixedLabels).filter((name) => !standard.includes(name));
      return [...standard, ...more].filter((name) => !rules.removedLabels.includes(name));
    };
    this.labelNames = namesOf(standardLabelNames);
    this.tcpLabelNames = namesOf(tcpLabelNames);
  }

  /** Without what is removed, so that what differs in nothing else is the same. */
  ruled(labels: LabelValues): LabelValues {
    const { rules } = this;
    if (rules === noMetricRules) return labels;
    const kept = Object.entries({ ...labels, ...rules.fixedLabels }).filter(
      ([name]) => !rules.removedLabels.includes(name),
    );
    return Object.fromEntries(kept);
  }

  /** Whether the label says something of each response. */
  tells(name: string): boolean {
    const { removedLabels, fixedLabels } = this.rules;
    return !removedLabels.includes(name) && fixedLabels[name] === undefined;
  }

  /** There is room again: whoever keeps the overflow scope asks for its own. */
  renewOverflow(): void {
    this.overflowScope.isRetired = true;
    this.overflowScope = new MetricScope(this, {});
  }
}

/**
 * One pair of source and destination. Obtained from `IstioMetrics`; holds, per outcome and flags, the integer
 * slot of the series, so that recording a request is an array access.
 */
export class MetricScope {
  readonly reporter: Reporter;
  readonly labels: LabelValues;
  /** Equal for equal labels of one reporter under the same rules. */
  readonly key: string;
  /** Of its own; the scope is known by its labels as long as there are some. */
  seriesCount = 0;
  /** It can still be counted in, but whoever keeps it should ask for it again. */
  isRetired = false;
  readonly #slotByCode = new Uint32Array(tableSize);
  readonly #slotByFlags = new Map<string, Map<number, number>>();
  readonly #tcpByFlags = new Map<string, TcpSeries>();

  constructor(reporter: Reporter, labels: LabelValues) {
    this.reporter = reporter;
    this.labels = labels;
    this.key = scopeKeyOf(reporter, labels);
  }

  find(outcome: number, responseFlags: string): number {
    if (responseFlags === '-' && outcome < tableSize) return this.#slotByCode[outcome] ?? unresolvedSlot;
    return this.#slotByFlags.get(responseFlags)?.get(outcome) ?? unresolvedSlot;
  }

  /** Responses that were counted in `slot` are looked up again. */
  forget(slot: number): void {
    for (let code = this.#slotByCode.indexOf(slot); code >= 0; code = this.#slotByCode.indexOf(slot, code)) {
      this.#slotByCode[code] = unresolvedSlot;
    }
    for (const slots of this.#slotByFlags.values()) {
      for (const [code, known] of slots) if (known === slot) slots.delete(code);
    }
  }

  /** `unresolvedSlot` forgets. */
  remember(outcome: number, responseFlags: string, slot: number): void {
    if (responseFlags === '-' && outcome < tableSize) {
      this.#slotByCode[outcome] = slot;
      return;
    }
    if (slot === unresolvedSlot) {
      this.#slotByFlags.get(responseFlags)?.delete(outcome);
      return;
    }
    const slots = this.#slotByFlags.get(responseFlags) ?? new Map<number, number>();
    this.#slotByFlags.set(responseFlags, slots.set(outcome, slot));
  }
  // ---- connections without requests ----

  findTcp(responseFlags: string): TcpSeries | undefined {
    return this.#tcpByFlags.get(responseFlags);
  }

  rememberTcp(responseFlags: string, series: TcpSeries): void {
    this.#tcpByFlags.set(responseFlags, series);
  }

  forgetTcp(responseFlags: string): void {
    this.#tcpByFlags.delete(responseFlags);
  }
}

export function scopeKeyOf(reporter: Reporter, labels: LabelValues): string {
  return JSON.stringify([reporter.name, labels]) + reporter.ownLabelsKey;
}
