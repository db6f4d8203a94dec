/**
 * What each feature costs in user space: the same hops as in the series `features`, without sockets. A hop's system calls
 * vary by more than a feature costs, on a shared machine by much more; without them a tenth of a microsecond can be seen.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { formatGoal, judge } from '../features/cost.ts';
import { type Feature, features } from '../features/table.ts';
import { describeSetting } from '../report.ts';
import { median, spread } from '../summary.ts';
import { formatTable } from '../text-table.ts';
import { nowhere, type Pipeline, startPipeline } from './pipeline.ts';

export interface InProcessOptions {
  readonly rounds: number;
  /** Requests per round and feature. */
  readonly requests: number;
}

interface Measured {
  readonly name: string;
  readonly feature: Feature | undefined;
  readonly micros: readonly number[];
}

/** Rounds in which everything is still being compiled. */
const warmupRounds = 3;
/** Timers and logs get their turn as often as under load. */
const requestsPerTurn = 500;

export async function measureInProcess({ rounds, requests }: InProcessOptions): Promise<readonly Measured[]> {
  const setups = [undefined, ...features];
  const pipelines: Pipeline[] = [];
  for (const feature of setups) pipelines.push(await startPipeline(feature?.parts(nowhere) ?? {}));
  const micros = setups.map((): number[] => []);
  for (let round = 0; round < warmupRounds + rounds; round++) {
    for (const [i, pipeline] of pipelines.entries()) {
      const cost = await measure(pipeline, requests);
      if (round >= warmupRounds) micros[i]?.push(cost);
    }
  }
  for (const pipeline of pipelines) await pipeline.close();
  return setups.map((feature, i) => ({ name: feature?.name ?? 'plain hop', feature, micros: micros[i] ?? [] }));
}

async function measure({ exchange }: Pipeline, requests: number): Promise<number> {
  const before = process.cpuUsage();
  for (let i = 0; i < requests; i++) {
    exchange();
    if (i % requestsPerTurn === 0) await turn();
  }
  const { user, system } = process.cpuUsage(before);
  return (user + system) / requests;
}

export function formatInProcess(measured: readonly Measured[], { rounds, requests }: InProcessOptions): string {
  const plain = measured[0]?.micros ?? [];
  const rows = measured.map(({ name, feature, micros }) => {
    const differences = spread(micros.map((own, round) => own - (plain[round] ?? 0)));
    const percent = spread(micros.map((own, round) => (own / (plain[round] ?? own) - 1) * 100));
    const goal = feature?.goal;
    const isJudged = goal !== undefined && goal.kind !== 'ratio';
    return [
      name,
      median(micros).toFixed(2),
      feature === undefined ? '-' : differences.median.toFixed(2),
      isJudged ? formatGoal(goal) : '',
      isJudged ? judge(goal, { micros: differences, percent }, undefined) : '',
    ];
  });
  const { cpu, kernel, node } = describeSetting([]).machine;
  return [
    `Features in user space: codec, filters, router and upstream without sockets, median of ${rounds} rounds of ${requests} requests`,
    formatTable([['', 'CPU µs/request', 'cost µs', 'goal', ''], ...rows]),
    '',
    `${cpu}, Linux ${kernel}, Node ${node}`,
  ].join('\n');
}
