/** Whole releases, simulated: who rolls back what, how soon, and how many users notice. */
import { formatTable } from '../text-table.ts';
import { allSimulations, contenders, type Simulation, simulate, type Tally, upperShare } from './simulations.ts';

export interface CanaryBenchOptions {
  /** Of each simulation. */
  readonly rollouts: number;
  readonly seed: number;
}

export function runCanary({ rollouts, seed }: CanaryBenchOptions): void {
  for (const simulation of allSimulations) {
    const rows = contenders.map((contender) => row(simulate(simulation, contender, { rollouts, firstSeed: seed })));
    process.stdout.write(`${title(simulation, rollouts)}\n${formatTable([head, ...rows])}\n\n`);
  }
}

const head = ['', 'rolled back', 'at most (95 %)', 'promoted', 'seconds to a rollback', 'bad responses'];

function title({ name, seconds }: Simulation, rollouts: number): string {
  return `${name}: ${rollouts} releases of ${seconds} s at most, the same traces for all`;
}

function row({ who, rollouts, rollbacks, promotions, secondsToRollback, badResponses }: Tally): string[] {
  return [
    who,
    percent(rollbacks / rollouts),
    percent(upperShare(rollbacks, rollouts)),
    percent(promotions / rollouts),
    secondsToRollback === undefined ? '-' : String(secondsToRollback),
    badResponses.toFixed(1),
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(2)} %`;
}
