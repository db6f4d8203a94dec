/** The report of the open loop: the same content as text for people and as data for `--json`. */
import type { OpenLoopOptions } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import { formatSetting, type Setting } from '../report.ts';
import { type Spread, spread } from '../summary.ts';
import { formatTable } from '../text-table.ts';
import type { OpenLoopResult } from './generator.ts';
import type { Percentiles } from './percentiles.ts';

export type OpenLoopTurn = { readonly result: OpenLoopResult } | { readonly failure: string };

export type OpenLoopRow =
  | { readonly peer: string; readonly status: 'missing' | 'failed'; readonly reason: string }
  | {
      readonly peer: string;
      readonly status: 'measured';
      readonly latency: Readonly<Record<keyof Percentiles, Spread>>;
      /** Of the generator. */
      readonly latenessP999Us: Spread;
      /** Share of the requests that waited for a free connection. */
      readonly waitedShare: Spread;
      readonly rounds: readonly OpenLoopResult[];
    };

export interface OpenLoopReport extends Setting {
  readonly options: OpenLoopOptions;
  readonly bodyBytes: number;
  readonly ratePerSecond: number;
  readonly rows: readonly OpenLoopRow[];
}

/** One failure fails the row. */
export function openLoopRow(peer: Peer, turns: readonly OpenLoopTurn[]): OpenLoopRow {
  const probe = peer.probe();
  if ('missing' in probe) return { peer: peer.name, status: 'missing', reason: probe.missing };
  const rounds: OpenLoopResult[] = [];
  for (const turn of turns) {
    if ('failure' in turn) return { peer: peer.name, status: 'failed', reason: turn.failure };
    rounds.push(turn.result);
  }
  if (rounds.length === 0) return { peer: peer.name, status: 'failed', reason: 'no round was finished' };
  const latency = (key: keyof Percentiles): Spread => spread(rounds.map((round) => round.latency[key]));
  return {
    peer: peer.name,
    status: 'measured',
    latency: { p50Us: latency('p50Us'), p99Us: latency('p99Us'), p999Us: latency('p999Us'), maxUs: latency('maxUs') },
    latenessP999Us: spread(rounds.map(({ lateness }) => lateness.p999Us)),
    waitedShare: spread(rounds.map(({ waited, requests }) => waited / requests)),
    rounds,
  };
}

export function formatOpenLoopReport(report: OpenLoopReport): string {
  const { options, ratePerSecond, bodyBytes, rows } = report;
  const columns = ['', 'p50 µs', 'p99 µs', 'p99.9 µs', 'min – max', 'max µs', 'waited', 'generator p99.9 µs'];
  const share = options.rate === undefined ? ` (${options.loadPercent} % of what the slowest can do)` : '';
  return [
    `Open loop at ${ratePerSecond.toLocaleString('en-US')} requests/s${share}: body of ${bodyBytes} bytes, ${options.connections} connections, median of ${options.rounds} rounds of ${options.seconds} s`,
    formatTable([columns, ...rows.map(formatRow)]),
    '',
    ...formatSetting(report),
    'Latencies count from the time at which a request was due. "waited" is the share of requests that found no free',
    'connection; the last column is how late the generator itself was with the others. What "no proxy" takes is not the',
    "proxies' own.",
  ].join('\n');
}

function formatRow(row: OpenLoopRow): string[] {
  if (row.status !== 'measured') return [row.peer, `${row.status}: ${row.reason}`];
  const { p50Us, p99Us, p999Us, maxUs } = row.latency;
  const number = (value: number): string => Math.round(value).toLocaleString('en-US');
  return [
    row.peer,
    number(p50Us.median),
    number(p99Us.median),
    number(p999Us.median),
    `${number(p999Us.min)} – ${number(p999Us.max)}`,
    number(maxUs.median),
    `${(row.waitedShare.median * 100).toFixed(2)} %`,
    number(row.latenessP999Us.median),
  ];
}
