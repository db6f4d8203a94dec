/** The report of the memory: the same content as text for people and as data for `--json`. */
import type { MemoryOptions } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import { formatSetting, type Setting } from '../report.ts';
import { median } from '../summary.ts';
import { formatTable } from '../text-table.ts';
import { growthOf, type MemorySample } from './growth.ts';

/** Of Heddle, idle. */
const idleGoalBytes = 90_000_000;

export interface MemoryMeasurement {
  /** Before the first request. */
  readonly idleBytes: number;
  readonly soak: readonly MemorySample[];
}

export type MemoryTurn = { readonly measurement: MemoryMeasurement } | { readonly failure: string };

export type MemoryRow =
  | { readonly peer: string; readonly status: 'missing' | 'failed'; readonly reason: string }
  | { readonly peer: string; readonly status: 'measured'; readonly rounds: readonly MemoryMeasurement[] };

export interface MemoryReport extends Setting {
  readonly options: MemoryOptions;
  readonly rows: readonly MemoryRow[];
}

/** One failure fails the row. */
export function memoryRow(peer: Peer, turns: readonly MemoryTurn[]): MemoryRow {
  const probe = peer.probe();
  if ('missing' in probe) return { peer: peer.name, status: 'missing', reason: probe.missing };
  const rounds: MemoryMeasurement[] = [];
  for (const turn of turns) {
    if ('failure' in turn) return { peer: peer.name, status: 'failed', reason: turn.failure };
    rounds.push(turn.measurement);
  }
  if (rounds.length === 0) return { peer: peer.name, status: 'failed', reason: 'no round was finished' };
  return { peer: peer.name, status: 'measured', rounds };
}

export function formatMemoryReport(report: MemoryReport): string {
  const { options, rows } = report;
  const requests = options.soakRequests.toLocaleString('en-US');
  const columns = ['', 'idle MB', 'goal', '1st half MB', '2nd half MB', 'growth MB', 'flat'];
  return [
    `Resident memory, idle and over ${requests} requests, ${options.connections} connections, median of ${options.rounds} rounds`,
    formatTable([columns, ...rows.map(formatRow)]),
    '',
    ...formatSetting(report),
    'The halves of the soak are shown by their peaks.',
  ].join('\n');
}

function formatRow(row: MemoryRow): string[] {
  if (row.status !== 'measured') return [row.peer, `${row.status}: ${row.reason}`];
  const growths = row.rounds.map(({ soak }) => growthOf(soak));
  const idleBytes = median(row.rounds.map((round) => round.idleBytes));
  const goal = idleBytes <= idleGoalBytes ? 'met' : 'missed';
  return [
    row.peer,
    megabytes(idleBytes),
    row.peer.startsWith('heddle') ? `≤ ${megabytes(idleGoalBytes)} ${goal}` : '',
    megabytes(median(growths.map(({ firstHalfBytes }) => firstHalfBytes))),
    megabytes(median(growths.map(({ secondHalfBytes }) => secondHalfBytes))),
    megabytes(median(growths.map(({ growthBytes }) => growthBytes))),
    growths.every(({ isFlat }) => isFlat) ? 'yes' : 'no',
  ];
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
