/**
 * What each feature costs in user space: the same hops as in the series `features`, without sockets. A hop's system calls
 * vary by more than a feature costs, on a shared machine by much more; without them a tenth of a microsecond can be seen.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { formatGoal, verdictOf } from '../features/cost.ts';
import { type Feature, features } from '../features/table.ts';
import { describeSetting } from '../report.ts';
import { lowerOctile } from '../summary.ts';
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
const warmupRounds = 8;
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
  const plain = lowerOctile(measured[0]?.micros ?? []);
  const rows = measured.map(({ name, feature, micros }) => {
    const own = lowerOctile(micros);
    if (feature === undefined) return [name, own.toFixed(2), '-', '', ''];
    const cost = { micros: own - plain, percent: (own / plain - 1) * 100 };
    const { goal } = feature;
    // Nothing else runs in here that its cost could be a multiple of.
    const judged = goal.kind === 'ratio' ? ['', ''] : [formatGoal(goal), verdictOf(goal, cost[goal.kind])];
    return [name, own.toFixed(2), cost.micros.toFixed(2), ...judged];
  });
  const { cpu, kernel, node } = describeSetting([]).machine;
  return [
    `Features in user space: codec, filters, router and upstream without sockets, ${rounds} rounds of ${requests} requests`,
    formatTable([['', 'CPU µs/request', 'cost µs', 'goal', ''], ...rows]),
    '',
    'Of the rounds of each the fastest eighth: what is slower, others on the machine made slower.',
    `${cpu}, Linux ${kernel}, Node ${node}`,
  ].join('\n');
}
