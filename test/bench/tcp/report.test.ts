import { describe, expect, test } from 'vitest';
import { parseBulkBytes } from '../../../bench/tcp/bulk.ts';
import { formatTcpReport, type TcpMeasurement, tcpRow, type TcpTurn } from '../../../bench/tcp/report.ts';
import type { Peer } from '../../../bench/peers/peer.ts';

const peer: Peer = {
  name: 'heddle',
  setup: 'as it comes',
  probe: () => ({ version: '1' }),
  start: () => Promise.reject(new Error('not started here')),
};

const turn = (factor: number, rest: Partial<TcpMeasurement> = {}): TcpTurn => ({
  measurement: {
    one: { gigabytesPerSecond: factor, cpuSecondsPerGigabyte: 1 / factor },
    many: { gigabytesPerSecond: 2 * factor, cpuSecondsPerGigabyte: 1 / factor },
    connectionsPerSecond: 1_000 * factor,
    cpuMicrosPerConnection: 100 / factor,
    idleBytesPerConnection: 8_192,
    ...rest,
  },
});

describe('raw TCP', () => {
  test('has medians of its rounds, and of the ratios of each round to the reference in it', () => {
    const row = tcpRow(peer, [turn(1), turn(4), turn(2)], [turn(2), turn(4), turn(2)]);
    expect(row).toMatchObject({
      values: { one: { gigabytesPerSecond: 2 }, connectionsPerSecond: 2_000, idleBytesPerConnection: 8_192 },
      ratios: { one: 1, many: 1, connections: 1 },
    });
  });

  test('has no row of numbers where a round failed or the program is missing', () => {
    expect(tcpRow(peer, [turn(1), { failure: 'it broke' }], [])).toEqual({
      peer: 'heddle',
      status: 'failed',
      reason: 'it broke',
    });
    const missing = { ...peer, probe: () => ({ missing: 'not there' }) };
    expect(tcpRow(missing, [], [])).toEqual({ peer: 'heddle', status: 'missing', reason: 'not there' });
  });

  test('is reported in one line per program', () => {
    const options = {
      only: undefined,
      rounds: 1,
      seconds: 1,
      warmupSeconds: 1,
      connections: 64,
      json: undefined,
      idleConnections: 9_000,
    };
    const machine = { cpu: 'a', cores: 2, kernel: 'k', node: 'v' };
    const rows = [tcpRow(peer, [turn(1)], [turn(2)])];
    const text = formatTcpReport({ machine, peers: [], options, reference: 'haproxy', rows });
    expect(text).toMatch(
      /^heddle\s+1\.00\s+1\.000\s+0\.50 ×\s+2\.00\s+1\.000\s+0\.50 ×\s+1,000\s+100\.0\s+0\.50 ×\s+8\.0$/m,
    );
  });

  test('counts what the server of iperf3 received, and says what iperf3 says when that is nothing', () => {
    expect(parseBulkBytes('{"end":{"sum_received":{"bytes":7}}}')).toBe(7);
    expect(() => parseBulkBytes('{"error":"the server is busy"}')).toThrow('the server is busy');
    expect(() => parseBulkBytes('{"end":{}}')).toThrow('iperf3 received nothing');
  });
});
