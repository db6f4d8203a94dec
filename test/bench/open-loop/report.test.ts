import { describe, expect, it } from 'vitest';
import { formatOpenLoopReport, openLoopRow, type OpenLoopReport } from '../../../bench/open-loop/report.ts';
import type { Peer } from '../../../bench/peers/peer.ts';

const peer = (name: string, probe: ReturnType<Peer['probe']> = { version: '1' }): Peer => ({
  name,
  setup: '',
  probe: () => probe,
  start: () => Promise.reject(new Error('not here')),
});
const result = (p999Us: number, waited = 0) => ({
  result: {
    requests: 1_000,
    latency: { p50Us: 100, p99Us: 300, p999Us, maxUs: 5_000 },
    lateness: { p50Us: 1, p99Us: 5, p999Us: 20, maxUs: 90 },
    waited,
  },
});

function report(rows: OpenLoopReport['rows']): OpenLoopReport {
  return {
    machine: { cpu: 'Abacus 9', cores: 2, kernel: '6.1', node: 'v20' },
    peers: [],
    options: {
      only: undefined, rounds: 3, seconds: 10, warmupSeconds: 1, connections: 64, json: undefined, rate: undefined, loadPercent: 50,
    }, // prettier-ignore
    bodyBytes: 100,
    ratePerSecond: 12_000,
    rows,
  };
}

describe('the report of the open loop', () => {
  it('has the median of each percentile, and says what of it is the generator', () => {
    const row = openLoopRow(peer('heddle'), [result(900), result(700, 10), result(1_500)]);
    expect(
      formatOpenLoopReport(report([row]))
        .split('\n')
        .slice(0, 3),
    ).toEqual([
      'Open loop at 12,000 requests/s (50 % of what the slowest can do): body of 100 bytes, 64 connections, median of 3 rounds of 10 s',
      '        p50 µs  p99 µs  p99.9 µs    min – max  max µs  waited  generator p99.9 µs',
      'heddle     100     300       900  700 – 1,500   5,000  0.00 %                  20',
    ]);
  });

  it('gives no numbers to a peer that is missing, or failed once', () => {
    expect(openLoopRow(peer('envoy', { missing: 'not installed' }), [])).toMatchObject({ status: 'missing' });
    expect(openLoopRow(peer('nginx'), [result(1), { failure: 'ended' }])).toEqual({
      peer: 'nginx',
      status: 'failed',
      reason: 'ended',
    });
    expect(openLoopRow(peer('nginx'), [])).toMatchObject({ status: 'failed', reason: 'no round was finished' });
  });
});
