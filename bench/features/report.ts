/** The report of the features: the same content as text for people and as data for `--json`. */
import type { RunOptions } from '../options.ts';
import { formatSetting, type Setting } from '../report.ts';
import type { Row } from '../summary.ts';
import { formatTable } from '../text-table.ts';
import { type Cost, formatGoal, type Verdict } from './cost.ts';
import type { Goal } from './table.ts';

export interface FeatureRow {
  readonly row: Row;
  /** Undefined for those that are compared with. */
  readonly goal: Goal | undefined;
  readonly cost: Cost | undefined;
  readonly verdict: Verdict | undefined;
}

export interface FeatureReport extends Setting {
  readonly options: RunOptions;
  readonly reference: string;
  readonly bodyBytes: number;
  readonly rows: readonly FeatureRow[];
}

export function formatFeatureReport(report: FeatureReport): string {
  const { options, reference, bodyBytes, rows } = report;
  const columns = ['', 'CPU µs/request', 'cost µs', 'min – max', 'cost %', `ratio to ${reference}`, 'goal', ''];
  return [
    `Features, each alone: body of ${bodyBytes} bytes, ${options.connections} connections, median of ${options.rounds} rounds of ${options.seconds} s`,
    formatTable([columns, ...rows.map(formatRow)]),
    '',
    ...formatSetting(report),
    'Cost is what a request takes more than on the plain hop of the same program, window beside window: the median of each',
    'round, and of these the median, the smallest and the largest.',
  ].join('\n');
}

function formatRow({ row, goal, cost, verdict }: FeatureRow): string[] {
  if (row.status !== 'measured') return [row.peer, `${row.status}: ${row.reason}`];
  return [
    row.peer,
    row.cpuMicrosPerRequest.median.toFixed(2),
    cost === undefined ? '-' : signed(cost.micros.median),
    cost === undefined ? '-' : `${signed(cost.micros.min)} – ${signed(cost.micros.max)}`,
    cost === undefined ? '-' : signed(cost.percent.median, 1),
    row.cpuRatio === undefined ? '-' : `${row.cpuRatio.toFixed(2)} ×`,
    goal === undefined ? '' : formatGoal(goal),
    verdict ?? '',
  ];
}

function signed(value: number, digits = 2): string {
  const text = value.toFixed(digits);
  return value < 0 ? text : `+${text}`;
}
