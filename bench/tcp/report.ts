/** The report of raw TCP: the same content as text for people and as data for `--json`. */
import type { TcpOptions } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import { formatSetting, type Setting } from '../report.ts';
import { median } from '../summary.ts';
import { formatTable } from '../text-table.ts';

export interface BulkMeasurement {
  readonly gigabytesPerSecond: number;
  /** Of the proxy's process. */
  readonly cpuSecondsPerGigabyte: number;
}

export interface TcpMeasurement {
  readonly one: BulkMeasurement;
  readonly many: BulkMeasurement;
  readonly connectionsPerSecond: number;
  readonly cpuMicrosPerConnection: number;
  readonly idleBytesPerConnection: number;
}

export type TcpTurn = { readonly measurement: TcpMeasurement } | { readonly failure: string };

export type TcpRow =
  | { readonly peer: string; readonly status: 'missing' | 'failed'; readonly reason: string }
  | {
      readonly peer: string;
      readonly status: 'measured';
      /** Medians over the rounds. */
      readonly values: TcpMeasurement;
      /** Medians of the ratios of speeds to the reference peer's in the same round; undefined without one. */
      readonly ratios: Readonly<Record<'one' | 'many' | 'connections', number>> | undefined;
    };

export interface TcpReport extends Setting {
  readonly options: TcpOptions;
  readonly reference: string;
  readonly rows: readonly TcpRow[];
}

/** One failure fails the row. */
export function tcpRow(peer: Peer, turns: readonly TcpTurn[], reference: readonly TcpTurn[]): TcpRow {
  const probe = peer.probe();
  if ('missing' in probe) return { peer: peer.name, status: 'missing', reason: probe.missing };
  const failure = turns.find((turn) => 'failure' in turn);
  if (failure !== undefined && 'failure' in failure) {
    return { peer: peer.name, status: 'failed', reason: failure.failure };
  }
  const measured = measurementsOf(turns);
  const base = measurementsOf(reference);
  const of = (pick: (each: TcpMeasurement) => number): number => median(measured.map(pick));
  const ratio = (pick: (each: TcpMeasurement) => number): number =>
    median(measured.flatMap((each, i) => (base[i] === undefined ? [] : [pick(each) / pick(base[i])])));
  const bulk = (pick: (each: TcpMeasurement) => BulkMeasurement): BulkMeasurement => ({
    gigabytesPerSecond: of((each) => pick(each).gigabytesPerSecond),
    cpuSecondsPerGigabyte: of((each) => pick(each).cpuSecondsPerGigabyte),
  });
  return {
    peer: peer.name,
    status: 'measured',
    values: {
      one: bulk(({ one }) => one),
      many: bulk(({ many }) => many),
      connectionsPerSecond: of(({ connectionsPerSecond }) => connectionsPerSecond),
      cpuMicrosPerConnection: of(({ cpuMicrosPerConnection }) => cpuMicrosPerConnection),
      idleBytesPerConnection: of(({ idleBytesPerConnection }) => idleBytesPerConnection),
    },
    ratios:
      base.length === 0
        ? undefined
        : {
            one: ratio(({ one }) => one.gigabytesPerSecond),
            many: ratio(({ many }) => many.gigabytesPerSecond),
            connections: ratio(({ connectionsPerSecond }) => connectionsPerSecond),
          },
  };
}

function measurementsOf(turns: readonly TcpTurn[]): TcpMeasurement[] {
  return turns.flatMap((turn) => ('measurement' in turn ? [turn.measurement] : []));
}

export function formatTcpReport(report: TcpReport): string {
  const { options, reference, rows } = report;
  const columns = [
    '',
    'GB/s, 1 connection',
    'CPU s/GB',
    `to ${reference}`,
    `GB/s, ${options.connections}`,
    'CPU s/GB',
    `to ${reference}`,
    'connections/s',
    'CPU µs each',
    `to ${reference}`,
    'KiB per idle one',
  ];
  return [
    `Raw TCP: median of ${options.rounds} rounds of ${options.seconds} s; ${options.idleConnections} idle connections`,
    formatTable([columns, ...rows.map(formatRow)]),
    '',
    ...formatSetting(report),
    'The load generators and the backend share the other core: they, and not the proxy, may set the rate; CPU time tells.',
    'Connections are addressed to the proxy: what finding their original destination costs is the series original-destination.',
  ].join('\n');
}

function formatRow(row: TcpRow): string[] {
  if (row.status !== 'measured') return [row.peer, `${row.status}: ${row.reason}`];
  const { values, ratios } = row;
  const bulk = ({ gigabytesPerSecond, cpuSecondsPerGigabyte }: BulkMeasurement, ratio: number | undefined) => [
    gigabytesPerSecond.toFixed(2),
    cpuSecondsPerGigabyte.toFixed(3),
    formatRatio(ratio),
  ];
  return [
    row.peer,
    ...bulk(values.one, ratios?.one),
    ...bulk(values.many, ratios?.many),
    Math.round(values.connectionsPerSecond).toLocaleString('en-US'),
    values.cpuMicrosPerConnection.toFixed(1),
    formatRatio(ratios?.connections),
    (values.idleBytesPerConnection / 1_024).toFixed(1),
  ];
}

function formatRatio(ratio: number | undefined): string {
  return ratio === undefined ? '-' : `${ratio.toFixed(2)} ×`;
}

/** Progress. */
export function describeTcpTurn(turn: TcpTurn): string {
  if ('failure' in turn) return turn.failure;
  const { one, many, connectionsPerSecond, cpuMicrosPerConnection, idleBytesPerConnection } = turn.measurement;
  return [
    `${one.gigabytesPerSecond.toFixed(2)} and ${many.gigabytesPerSecond.toFixed(2)} GB/s`,
    `${one.cpuSecondsPerGigabyte.toFixed(3)} and ${many.cpuSecondsPerGigabyte.toFixed(3)} s/GB`,
    `${Math.round(connectionsPerSecond)} connections/s of ${cpuMicrosPerConnection.toFixed(1)} µs`,
    `${(idleBytesPerConnection / 1_024).toFixed(1)} KiB per idle one`,
  ].join(', ');
}
