import { describe, expect, test } from 'vitest';
import {
  redirectedRow,
  type RedirectedTurn,
  formatRedirectedReport,
} from '../../../bench/original-destination/report.ts';
import type { Peer } from '../../../bench/peers/peer.ts';

const peer: Peer = {
  name: 'heddle',
  setup: 'as it comes',
  probe: () => ({ version: '1' }),
  start: () => Promise.reject(new Error('not started here')),
};

const turn = (factor: number): RedirectedTurn => ({
  measurement: { connectionsPerSecond: 1_000 * factor, cpuMicrosPerConnection: 100 / factor },
});

const options = { only: undefined, rounds: 3, seconds: 1, warmupSeconds: 1, connections: 64, json: undefined };
const machine = { cpu: 'a', cores: 2, kernel: 'k', node: 'v' };

describe('redirected connections', () => {
  test('have medians of their rounds, and of the ratios of each round to the reference in it', () => {
    const rows = [redirectedRow(peer, [turn(1), turn(4), turn(2)], [turn(2), turn(4), turn(4)])];
    expect(rows[0]).toMatchObject({
      values: { connectionsPerSecond: 2_000, cpuMicrosPerConnection: 50 },
      ratios: { rate: 0.5, cpu: 2 },
    });
    const text = formatRedirectedReport({ machine, peers: [], options, reference: 'haproxy', rows });
    expect(text).toMatch(/^heddle\s+2,000\s+0\.50 ×\s+50\.0\s+2\.00 ×$/m);
  });

  test('have no row of numbers where a round failed', () => {
    const row = redirectedRow(peer, [turn(1), { failure: 'it broke' }], []);
    expect(row).toEqual({ peer: 'heddle', status: 'failed', reason: 'it broke' });
  });

  test('are missing, with the reason, where there is no program or no namespace', () => {
    const missing = { ...peer, probe: () => ({ missing: 'not there' }) };
    expect(redirectedRow(missing, [], [])).toEqual({ peer: 'heddle', status: 'missing', reason: 'not there' });
    const rows = [redirectedRow(peer, [], [], 'a network namespace of its own takes root')];
    const text = formatRedirectedReport({ machine, peers: [], options, reference: 'haproxy', rows });
    expect(text).toMatch(/^heddle\s+missing: a network namespace of its own takes root$/m);
  });

  test('have no ratio without the reference', () => {
    const rows = [redirectedRow(peer, [turn(1)], [])];
    const text = formatRedirectedReport({ machine, peers: [], options, reference: 'haproxy', rows });
    expect(text).toMatch(/^heddle\s+1,000\s+-\s+100\.0\s+-$/m);
  });
});
