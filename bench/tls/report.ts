/** The report of TLS: the same content as text for people and as data for `--json`. Each program beside itself. */
import { type Cost, costOf } from '../features/cost.ts';
import type { BenchOptions } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import { formatSetting, type Setting } from '../report.ts';
import type { Outcome } from '../series.ts';
import { type Row, summarizePeer } from '../summary.ts';
import { formatTable } from '../text-table.ts';

/** One program, in one round or in all of them. */
export interface Pair<T> {
  /** Without what is measured. */
  readonly base: T;
  readonly own: T;
}

export interface PairRow extends Pair<Row> {
  /** Of `own`, beyond `base` in the same round. */
  readonly cost: Cost | undefined;
}

export interface TlsReport extends Setting {
  readonly options: BenchOptions;
  readonly reference: string;
  /** The plain hop, and the hop that ends TLS. */
  readonly terminating: readonly { readonly bodyBytes: number; readonly rows: readonly PairRow[] }[];
  /** TLS passed on as bytes, and by its server name. A request is a body of `passedBytes`. */
  readonly passing: readonly PairRow[];
  readonly passedBytes: number;
}

/** `rounds` are the program's, `reference` the reference peer's; undefined when that was not measured. */
export function pairRow(
  peer: Peer,
  rounds: readonly Pair<Outcome>[],
  reference: readonly Pair<Outcome>[] | undefined,
): PairRow {
  const rowOf = (side: keyof Pair<Outcome>): Row =>
    summarizePeer(
      peer,
      rounds.map((each) => each[side]),
      reference?.map((each) => each[side]),
    );
  const cost = costOf(
    rounds.map(({ own }) => own),
    rounds.map(({ base }) => base),
  );
  return { base: rowOf('base'), own: rowOf('own'), cost };
}

export function formatTlsReport(report: TlsReport): string {
  const { options, reference, terminating, passing, passedBytes } = report;
  const rounds = `${options.connections} connections, median of ${options.rounds} rounds of ${options.seconds} s`;
  const columns = (base: string, own: string) => [
    '',
    base,
    `to ${reference}`,
    own,
    `to ${reference}`,
    'costs µs',
    'min – max',
    'costs %',
    'CPU use',
  ];
  return [
    ...terminating.flatMap(({ bodyBytes, rows }) => [
      `HTTP hop that ends TLS: body of ${bodyBytes} bytes, ${rounds}`,
      formatTable([columns('plain µs/request', 'TLS µs/request'), ...rows.map(formatRow)]),
      '',
    ]),
    `TLS passed on: responses of ${passedBytes} bytes, ${rounds}`,
    formatTable([columns('as TCP, µs each', 'by name, µs each'), ...passing.map(formatRow)]),
    '',
    ...formatSetting(report),
    'CPU µs are user + system time of the whole process. The certificate is ECDSA P-256; every program and the load choose',
    'version and cipher among themselves, with what their libraries prefer. Connections are kept alive: one handshake of each',
    'is in the numbers, and where few requests follow it weighs. The load generator encrypts and decrypts on the core of the',
    'backend: it, and not the proxy, sets the rate; CPU time tells.',
  ].join('\n');
}

function formatRow({ base, own, cost }: PairRow): string[] {
  if (base.status !== 'measured') return [base.peer, `${base.status}: ${base.reason}`];
  if (own.status !== 'measured') return [own.peer, `${own.status}: ${own.reason}`];
  return [
    own.peer,
    base.cpuMicrosPerRequest.median.toFixed(1),
    formatRatio(base.cpuRatio),
    own.cpuMicrosPerRequest.median.toFixed(1),
    formatRatio(own.cpuRatio),
    ...(cost === undefined
      ? ['-', '-', '-']
      : [
          cost.micros.median.toFixed(1),
          `${cost.micros.min.toFixed(1)} – ${cost.micros.max.toFixed(1)}`,
          cost.percent.median.toFixed(0),
        ]),
    `${Math.round(own.utilization.median * 100)} %`,
  ];
}

function formatRatio(ratio: number | undefined): string {
  return ratio === undefined ? '-' : `${ratio.toFixed(2)} ×`;
}
