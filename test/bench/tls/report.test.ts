import { describe, expect, test } from 'vitest';
import type { Peer } from '../../../bench/peers/peer.ts';
import type { Outcome } from '../../../bench/series.ts';
import { formatTlsReport, type Pair, pairRow } from '../../../bench/tls/report.ts';

const peer: Peer = {
  name: 'heddle',
  setup: 'as it comes',
  probe: () => ({ version: '1' }),
  start: () => Promise.reject(new Error('not started here')),
};

function outcome(cpuMicrosPerRequest: number): Outcome {
  return {
    measurement: {
      cpuMicrosPerRequest,
      windows: [cpuMicrosPerRequest],
      requestsPerSecond: 1_000,
      p50Ms: 1,
      p99Ms: 2,
      utilization: 0.9,
    },
  };
}

const pair = (base: number, own: number): Pair<Outcome> => ({ base: outcome(base), own: outcome(own) });

describe('the report of TLS', () => {
  test('has the cost of each round, and ratios to the reference doing the same in that round', () => {
    const rounds = [pair(10, 15), pair(20, 24), pair(30, 36)];
    const row = pairRow(peer, rounds, [pair(5, 10), pair(10, 12), pair(10, 12)]);
    expect(row.base).toMatchObject({ cpuMicrosPerRequest: { median: 20 }, cpuRatio: 2 });
    expect(row.own).toMatchObject({ cpuMicrosPerRequest: { median: 24 }, cpuRatio: 2 });
    expect(row.cost?.micros).toEqual({ median: 5, min: 4, max: 6 });
  });

  test('has no numbers of a side that failed, and none of the cost where no round has both', () => {
    const row = pairRow(peer, [{ base: outcome(10), own: { failure: 'no TLS' } }], undefined);
    expect(row.base.status).toBe('measured');
    expect(row.own).toEqual({ peer: 'heddle', status: 'failed', reason: 'no TLS' });
    expect(row.cost).toBeUndefined();
  });

  test('is one line per program, which says why where there is nothing to tell', () => {
    const options = {
      only: undefined,
      rounds: 1,
      seconds: 1,
      warmupSeconds: 1,
      connections: 64,
      json: undefined,
      bodies: [100],
    };
    const machine = { cpu: 'a', cores: 2, kernel: 'k', node: 'v' };
    const rows = [pairRow(peer, [pair(10, 15)], [pair(5, 10)])];
    const missing = { ...peer, name: 'envoy', probe: () => ({ missing: 'not there' }) };
    const text = formatTlsReport({
      machine,
      peers: [],
      options,
      reference: 'haproxy',
      terminating: [{ bodyBytes: 100, rows }],
      passing: [pairRow(missing, [], undefined)],
      passedBytes: 1_048_576,
    });
    expect(text).toMatch(/^heddle\s+10\.0\s+2\.00 ×\s+15\.0\s+1\.50 ×\s+5\.0\s+5\.0 – 5\.0\s+50\s+90 %$/m);
    expect(text).toMatch(/^envoy\s+missing: not there$/m);
  });
});
