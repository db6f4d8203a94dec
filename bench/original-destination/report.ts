/** The report of redirected connections: the same content as text for people and as data for `--json`. */
import type { RunOptions } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import { formatSetting, type Setting } from '../report.ts';
import { median } from '../summary.ts';
import { formatTable } from '../text-table.ts';
import type { ConnectionRate } from '../tcp/connections.ts';

export type RedirectedTurn = { readonly measurement: ConnectionRate } | { readonly failure: string };

export type RedirectedRow =
  | { readonly peer: string; readonly status: 'missing' | 'failed'; readonly reason: string }
  | {
      readonly peer: string;
      readonly status: 'measured';
      /** Medians over the rounds. */
      readonly values: ConnectionRate;
      /** Medians of the ratios to the reference peer in the same round; undefined without one. */
      readonly ratios: { readonly rate: number; readonly cpu: number } | undefined;
    };

export interface RedirectedReport extends Setting {
  readonly options: RunOptions;
  readonly reference: string;
  readonly rows: readonly RedirectedRow[];
}

/** One failure fails the row. `fault`: why nothing can be measured on this machine. */
export function redirectedRow(
  peer: Peer,
  turns: readonly RedirectedTurn[],
  reference: readonly RedirectedTurn[],
  fault?: string,
): RedirectedRow {
  const probe = peer.probe();
  if ('missing' in probe) return { peer: peer.name, status: 'missing', reason: probe.missing };
  if (fault !== undefined) return { peer: peer.name, status: 'missing', reason: fault };
  for (const turn of turns) {
    if ('failure' in turn) return { peer: peer.name, status: 'failed', reason: turn.failure };
  }
  const measured = measurementsOf(turns);
  const base = measurementsOf(reference);
  const of = (pick: (each: ConnectionRate) => number): number => median(measured.map(pick));
  const ratio = (pick: (each: ConnectionRate) => number): number =>
    median(measured.flatMap((each, i) => (base[i] === undefined ? [] : [pick(each) / pick(base[i])])));
  return {
    peer: peer.name,
    status: 'measured',
    values: {
      connectionsPerSecond: of(({ connectionsPerSecond }) => connectionsPerSecond),
      cpuMicrosPerConnection: of(({ cpuMicrosPerConnection }) => cpuMicrosPerConnection),
    },
    ratios:
      base.length === 0
        ? undefined
        : {
            rate: ratio(({ connectionsPerSecond }) => connectionsPerSecond),
            cpu: ratio(({ cpuMicrosPerConnection }) => cpuMicrosPerConnection),
          },
  };
}

function measurementsOf(turns: readonly RedirectedTurn[]): ConnectionRate[] {
  return turns.flatMap((turn) => ('measurement' in turn ? [turn.measurement] : []));
}

export function formatRedirectedReport(report: RedirectedReport): string {
  const { options, reference, rows } = report;
  return [
    `Redirected connections, one small exchange each: median of ${options.rounds} rounds of ${options.seconds} s`,
    formatTable([
      ['', 'connections/s', `to ${reference}`, 'CPU µs each', `to ${reference}`],
      ...rows.map((row) => formatRow(row)),
    ]),
    '',
    ...formatSetting(report),
    'In a network namespace of their own, by REDIRECT of nftables; the proxies find out where each was meant to go.',
    'The load generator and the backend share the other core: they, and not the proxy, may set the rate; CPU time tells.',
  ].join('\n');
}

function formatRow(row: RedirectedRow): string[] {
  if (row.status !== 'measured') return [row.peer, `${row.status}: ${row.reason}`];
  const { values, ratios } = row;
  return [
    row.peer,
    Math.round(values.connectionsPerSecond).toLocaleString('en-US'),
    formatRatio(ratios?.rate),
    values.cpuMicrosPerConnection.toFixed(1),
    formatRatio(ratios?.cpu),
  ];
}

function formatRatio(ratio: number | undefined): string {
  return ratio === undefined ? '-' : `${ratio.toFixed(2)} ×`;
}
