import { describe, expect, it } from 'vitest';
import { createTraffic, type Scenario, steady } from '../../../../bench/canary/traffic.ts';
import type { Look } from '../../../../mixer/canary/judge/counts.ts';
import { createJudge, type JudgeState, look } from '../../../../mixer/canary/judge/judge.ts';
import { addLatencyEvidence, freezeEdges, logLatencyEValue } from '../../../../mixer/canary/judge/latency.ts';
import { judge } from '../../../../mixer/canary/judge/verdict.ts';
import { config, counts, expectation, latencies } from './looks.ts';

/** 40 % up to 25 ms, 50 % up to 50 ms, 9 % up to 250 ms, 1 % up to 500 ms. */
const baseline = latencies([4, 4000], [5, 5000], [7, 900], [8, 100]);

describe('edges of latency', () => {
  it('are the bounds nearest to the quantiles before the canary started, each once', () => {
    const edges = freezeEdges(baseline).map(({ quantile, edgeMs, baselineShare }) => [quantile, edgeMs, baselineShare]);
    expect(edges).toEqual([
      [0.5, 25, 0.6],
      [0.9, 50, 0.1],
      [0.99, 250, 0.01],
    ]);
  });

  it('are no bound that nothing is above: a single slow request would be infinitely more', () => {
    expect(freezeEdges(latencies([4, 100])).map(({ edgeMs }) => edgeMs)).toEqual([]);
    expect(freezeEdges(latencies([4, 900], [5, 100])).map(({ edgeMs }) => edgeMs)).toEqual([25]);
  });

  it.each([[[]], [latencies()], [[1, 2, 3]]])('are none without a baseline: %j', (buckets) => {
    expect(freezeEdges(buckets)).toEqual([]);
  });
});

const slowLook = (primary: [number, number], canary: [number, number]): Look => {
  const version = ([fast, slow]: [number, number]) => counts(fast + slow, 0, latencies([4, fast], [9, slow]));
  return { primary: version(primary), canary: version(canary) };
};

describe('evidence of latency', () => {
  it.each([
    { n1: 1, n0: 1, edge: 0 },
    { n1: 5, n0: 20, edge: 0 },
    { n1: 20, n0: 20, edge: 1 },
    { n1: 10, n0: 60, edge: 2 },
  ])('is no more than 1 on average where the ratio is the allowed one: $n1 and $n0 requests, edge $edge', (law) => {
    const edge = freezeEdges(baseline)[law.edge];
    if (edge === undefined) throw new Error('no edge');
    const p0 = edge.baselineShare;
    const mean = expectation({ n1: law.n1, p1: 1.25 * p0, n0: law.n0, p0 }, (c, b) =>
      Math.exp(logLatencyEValue(addLatencyEvidence(edge, 1.25, slowLook([law.n0 - b, b], [law.n1 - c, c])))),
    );
    expect(mean).toBeLessThanOrEqual(1 + 1e-9);
  });

  it('is no more than 1 on average where both versions have become slower and the ratio is the allowed one', () => {
    const [, edge] = freezeEdges(baseline);
    if (edge === undefined) throw new Error('no edge');
    const slower = { ...edge, recent: { requests: 10_000, above: 4000 } };
    const mean = expectation({ n1: 1, p1: 0.5, n0: 1, p0: 0.4 }, (c, b) =>
      Math.exp(logLatencyEValue(addLatencyEvidence(slower, 1.25, slowLook([1 - b, b], [1 - c, c])))),
    );
    expect(mean).toBeLessThanOrEqual(1 + 1e-9);
    expect(addLatencyEvidence(slower, 1.25, slowLook([100, 100], [0, 0])).recent.above).toBeGreaterThan(4000);
  });

  it('is none where both versions get slower', () => {
    let state = createJudge(config, baseline);
    for (let i = 0; i < 600; i++) state = look(state, slowLook([600, 300], [67, 33]));
    expect(judge(state).outcome).not.toBe('rollback');
    expect(judge(state).eValue).toBeLessThan(1);
  });

  it('is none where no latencies are known', () => {
    const state = look(createJudge(config, baseline), { primary: counts(900, 0), canary: counts(100, 0) });
    expect(judge(state).latency.map(({ eValue }) => eValue)).toEqual([1, 1, 1].map((e) => expect.closeTo(e, 9)));
  });
});

describe('a canary', () => {
  const run = (scenario: Partial<Scenario>, seconds: number): { state: JudgeState; second: number } => {
    const traffic = createTraffic({ ...steady, ...scenario }, 1);
    let state = createJudge(config, traffic.baseline);
    for (let second = 0; second < seconds; second++) {
      state = look(state, traffic.look(second, 0.1));
      if (judge(state).outcome === 'rollback') return { state, second };
    }
    return { state, second: Infinity };
  };

  it('that is twice as slow is rolled back within two minutes, and the message says at which edge', () => {
    const { state, second } = run({ slowdown: 2 }, 600);
    expect(second).toBeLessThan(120);
    const { metric, message } = judge(state);
    expect(metric).toMatch(/^latency p\d\d$/);
    expect(message).toMatch(/^roll back for latency p\d\d: E reached .* took longer than \d+ ms/);
  });

  it('that is one percent slower is not, at a million requests', () => {
    const look1 = {
      primary: counts(5000, 0, latencies([4, 4500], [9, 500])),
      canary: counts(5000, 0, latencies([4, 4495], [9, 505])),
    };
    let state = createJudge(config, latencies([4, 9000], [9, 1000]));
    for (let i = 0; i < 200; i++) state = look(state, look1);
    expect(judge(state).outcome).toBe('advance');
    expect(judge(state).latency[0]?.ratio).toBeCloseTo(1.01, 9);
  });

  it('that is as fast is not rolled back in an hour', () => {
    expect(run({ errorRate: 0, rate: 30 }, 3600).second).toBe(Infinity);
  });
});
