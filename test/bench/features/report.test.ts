import { describe, expect, it } from 'vitest';
import { type FeatureReport, formatFeatureReport } from '../../../bench/features/report.ts';
import { summarize } from '../../../bench/summary.ts';

const row = (peer: string, cpu: number, reference?: number) => {
  const outcome = (value: number) => ({
    measurement: {
      cpuMicrosPerRequest: value,
      windows: [value],
      requestsPerSecond: 1,
      p50Ms: 1,
      p99Ms: 1,
      utilization: 1,
    },
  });
  return summarize(peer, [outcome(cpu)], reference === undefined ? undefined : [outcome(reference)]);
};
const even = (value: number) => ({ median: value, min: value, max: value });
const none = { goal: undefined, cost: undefined, verdict: undefined };

const report: FeatureReport = {
  machine: { cpu: 'Abacus 9', cores: 2, kernel: '6.1', node: 'v20.20.2' },
  peers: [],
  options: { only: undefined, rounds: 5, seconds: 3, warmupSeconds: 2, connections: 64, json: undefined },
  reference: 'haproxy',
  bodyBytes: 100,
  rows: [
    { row: row('haproxy', 10, 10), ...none },
    { row: row('heddle', 12, 10), ...none },
    {
      row: row('heddle + retries', 12.4, 10),
      goal: { kind: 'micros', max: 0.5 },
      cost: { micros: even(0.4), percent: even(3.33) },
      verdict: 'met',
    },
    {
      row: { peer: 'heddle + tracing', status: 'missing', reason: 'not supported by this build: x' },
      goal: { kind: 'micros', max: 2 },
      cost: undefined,
      verdict: 'unknown',
    },
  ],
};

describe('the report of the features', () => {
  it('shows cost and goal side by side, and why a feature was not measured', () => {
    expect(formatFeatureReport(report).split('\n').slice(0, 6)).toEqual([
      'Features, each alone: body of 100 bytes, 64 connections, median of 5 rounds of 3 s',
      '                  CPU µs/request  cost µs      min – max  cost %  ratio to haproxy      goal',
      'haproxy                    10.00        -              -       -            1.00 ×',
      'heddle                     12.00        -              -       -            1.20 ×',
      'heddle + retries           12.40    +0.40  +0.40 – +0.40    +3.3            1.24 ×  ≤ 0.5 µs  met',
      'heddle + tracing  missing: not supported by this build: x',
    ]);
  });
});
