/** The report: the same content as text for people and as data for `--json`. */
import { cpus, release } from 'node:os';
import type { BenchOptions } from './options.ts';
import type { Peer } from './peers/peer.ts';
import type { Row, Spread } from './summary.ts';

export interface Report {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly kernel: string; readonly node: string };
  readonly options: BenchOptions;
  /** The peer that all ratios are against. */
  readonly reference: string;
  readonly peers: readonly { readonly name: string; readonly setup: string; readonly version: string }[];
  readonly tables: readonly { readonly bodyBytes: number; readonly rows: readonly Row[] }[];
}

export function describeMachine(): Report['machine'] {
  return { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, kernel: release(), node: process.version };
}

/** A peer as the report lists it. */
export function describePeer(peer: Peer): Report['peers'][number] {
  const probe = peer.probe();
  return { name: peer.name, setup: peer.setup, version: 'version' in probe ? probe.version : 'missing' };
}

export function formatReport(report: Report): string {
  const { machine, options, reference, peers, tables } = report;
  const columns = [
    '',
    'CPU µs/request',
    'min – max',
    `ratio to ${reference}`,
    'requests/s',
    'p50 ms',
    'p99 ms',
    'CPU use',
  ];
  return [
    ...tables.flatMap(({ bodyBytes, rows }) => [
      `Body of ${bodyBytes} bytes, ${options.connections} connections, median of ${options.rounds} rounds of ${options.seconds} s`,
      formatTable([columns, ...rows.map(formatRow)]),
      '',
    ]),
    `${machine.cpu}, ${machine.cores} cores (proxy on one, nginx and wrk on another), Linux ${machine.kernel}, Node ${machine.node}`,
    ...peers.map(({ name, version, setup }) => `  ${name} ${version}: ${setup}`),
    'CPU µs/request is user + system time of the whole process. Where CPU use is below 100 %, not the proxy set the rate',
    'but nginx and wrk on the other core, or other work on this machine; such rows cost more per request than they need.',
    'p50 and p99 are those of a closed loop at saturation; latency at a fixed rate (open loop) is not measured.',
  ].join('\n');
}

function formatRow(row: Row): string[] {
  if (row.status !== 'measured') return [row.peer, `${row.status}: ${row.reason}`];
  const { min, max, median } = row.cpuMicrosPerRequest;
  return [
    row.peer,
    median.toFixed(1),
    `${min.toFixed(1)} – ${max.toFixed(1)}`,
    row.cpuRatio === undefined ? '-' : `${row.cpuRatio.toFixed(2)} ×`,
    Math.round(row.requestsPerSecond.median).toLocaleString('en-US'),
    formatMs(row.p50Ms),
    formatMs(row.p99Ms),
    `${Math.round(row.utilization.median * 100)} %`,
  ];
}

function formatMs({ median }: Spread): string {
  return median.toFixed(median < 10 ? 2 : 1);
}

/** Names to the left, numbers to the right. A row with fewer cells than columns ends in free text. */
function formatTable(rows: readonly (readonly string[])[]): string {
  const [header = []] = rows;
  const full = rows.filter((row) => row.length === header.length);
  const widths = header.map((_, column) => Math.max(...full.map((row) => (row[column] ?? '').length)));
  const nameWidth = Math.max(...rows.map(([name = '']) => name.length));
  return rows
    .map(([name = '', ...cells]) => {
      const isFull = cells.length === header.length - 1;
      const padded = isFull ? cells.map((cell, index) => cell.padStart(widths[index + 1] ?? 0)) : cells;
      return [name.padEnd(nameWidth), ...padded].join('  ').trimEnd();
    })
    .join('\n');
}
