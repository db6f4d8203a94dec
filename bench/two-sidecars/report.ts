/** The report of two sidecars: the same content as text for people and as data for `--json`. */
import { openLoopRow, type OpenLoopRow, type OpenLoopTurn } from '../open-loop/report.ts';
import type { TwoSidecarsOptions } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import { formatSetting, type Setting } from '../report.ts';
import { type Spread, spread } from '../summary.ts';
import { formatTable } from '../text-table.ts';

/** µs beyond what a request takes without proxies in the same round. */
export interface AddedLatency {
  readonly p50Us: Spread;
  readonly p99Us: Spread;
}

export interface TwoSidecarsRow {
  readonly row: OpenLoopRow;
  /** Undefined without a round in which both were measured. */
  readonly added: AddedLatency | undefined;
}

export interface TwoSidecarsReport extends Setting {
  readonly options: TwoSidecarsOptions;
  readonly bodyBytes: number;
  readonly rows: readonly TwoSidecarsRow[];
}

/** `direct` are the rounds without proxies. */
export function twoSidecarsRow(
  peer: Peer,
  turns: readonly OpenLoopTurn[],
  direct: readonly OpenLoopTurn[],
): TwoSidecarsRow {
  const pairs = turns.flatMap((turn, round) => {
    const base = direct[round];
    if (base === undefined || 'failure' in base || 'failure' in turn) return [];
    return [{ own: turn.result.latency, base: base.result.latency }];
  });
  const added = {
    p50Us: spread(pairs.map(({ own, base }) => own.p50Us - base.p50Us)),
    p99Us: spread(pairs.map(({ own, base }) => own.p99Us - base.p99Us)),
  };
  return { row: openLoopRow(peer, turns), added: pairs.length === 0 ? undefined : added };
}

export function formatTwoSidecarsReport(report: TwoSidecarsReport): string {
  const { options, bodyBytes, rows } = report;
  const columns = ['', 'p50 µs', 'p99 µs', 'added p50', 'min – max', 'added p99', 'min – max', 'generator p99.9 µs'];
  return [
    `Client's and server's sidecar, open loop at ${options.rate.toLocaleString('en-US')} requests/s: body of ${bodyBytes} bytes, ${options.connections} connections, median of ${options.rounds} rounds of ${options.seconds} s after ${options.warmupSeconds} s of load`,
    formatTable([columns, ...rows.map(formatRow)]),
    '',
    ...formatSetting(report),
    'Latencies count from the time at which a request was due; "added" is what a request takes more than without proxies in',
    'the same round. Both sidecars share a core and are addressed openly: interception would add its rule in the kernel once',
    'per connection.',
  ].join('\n');
}

function formatRow({ row, added }: TwoSidecarsRow): string[] {
  if (row.status !== 'measured') return [row.peer, `${row.status}: ${row.reason}`];
  const { p50Us, p99Us } = row.latency;
  return [
    row.peer,
    micros(p50Us.median),
    micros(p99Us.median),
    ...formatAdded(added?.p50Us),
    ...formatAdded(added?.p99Us),
    micros(row.latenessP999Us.median),
  ];
}

function formatAdded(added: Spread | undefined): string[] {
  if (added === undefined) return ['-', '-'];
  return [micros(added.median), `${micros(added.min)} – ${micros(added.max)}`];
}

function micros(value: number): string {
  return Math.round(value).toLocaleString('en-US');
}
