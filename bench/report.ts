/** The report: the same content as text for people and as data for `--json`. */
import { cpus, release } from 'node:os';
import type { BenchOptions } from './options.ts';
import type { Peer } from './peers/peer.ts';
import type { Row, Spread } from './summary.ts';
import { formatTable } from './text-table.ts';

/** Where and with what a report's numbers were taken. */
export interface Setting {
  readonly machine: { readonly cpu: string; readonly cores: number; readonly kernel: string; readonly node: string };
  readonly peers: readonly { readonly name: string; readonly setup: string; readonly version: string }[];
}

export interface Report extends Setting {
  readonly options: BenchOptions;
  /** The peer that all ratios are against. */
  readonly reference: string;
  readonly tables: readonly ReportTable[];
}

export interface ReportTable {
  readonly bodyBytes: number;
  /** What it is of, where a report has more than one kind. */
  readonly title?: string;
  readonly rows: readonly Row[];
}

export function describeSetting(peers: readonly Peer[]): Setting {
  return {
    machine: { cpu: cpus()[0]?.model ?? 'unknown', cores: cpus().length, kernel: release(), node: process.version },
    peers: peers.map((peer) => {
      const probe = peer.probe();
      return { name: peer.name, setup: peer.setup, version: 'version' in probe ? probe.version : 'missing' };
    }),
  };
}

/** The lines under every report's tables. */
export function formatSetting({ machine, peers }: Setting): string[] {
  return [
    `${machine.cpu}, ${machine.cores} cores (proxy on one, nginx and load on another), Linux ${machine.kernel}, Node ${machine.node}`,
    ...peers.map(({ name, version, setup }) => `  ${name} ${version}: ${setup}`),
  ];
}

export function formatReport(report: Report): string {
  const { options, reference, tables } = report;
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
    ...tables.flatMap(({ bodyBytes, title = '', rows }) => [
      `${title}Body of ${bodyBytes} bytes, ${options.connections} connections, median of ${options.rounds} rounds of ${options.seconds} s`,
      formatTable([columns, ...rows.map(formatRow)]),
      '',
    ]),
    ...formatSetting(report),
    'CPU µs/request is user + system time of the whole process. Where CPU use is below 100 %, not the proxy set the rate',
    'but nginx and wrk on the other core, or other work on this machine; such rows cost more per request than they need.',
    'p50 and p99 are those of a closed loop at saturation; the open-loop series takes them at a fixed rate.',
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
