/** Interleaved rounds: in each every peer has its turn, or all of them run at once, each round with another peer first. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBackend } from './backend.ts';
import { Load } from './load.ts';
import type { Peer } from './peers/peer.ts';
import { Processes } from './processes.ts';
import type { Stage } from './series.ts';

interface Plan<T> {
  readonly rounds: number;
  /** Response body sizes that the backend must be able to send. */
  readonly bodies: readonly number[];
  readonly abort: AbortSignal;
  /** Called after every turn. */
  readonly onTurn: (round: number, peer: Peer, outcome: T) => void;
}

export interface RoundsPlan<T> extends Plan<T> {
  /** Starts the peer, measures it, and stops it. */
  readonly takeTurn: (stage: Stage, peer: Peer) => Promise<T>;
}

export interface SideBySidePlan<T> extends Plan<T> {
  /** Starts all peers, measures them, and stops them; one outcome for each. */
  readonly takeRound: (stage: Stage, peers: readonly Peer[]) => AsyncIterable<readonly [Peer, T]>;
}

/** One peer after the other. The result has one outcome per round for each. */
export function runRounds<T>(peers: readonly Peer[], { takeTurn, ...plan }: RoundsPlan<T>): Promise<Map<Peer, T[]>> {
  return runSideBySide(peers, {
    ...plan,
    async *takeRound(stage, inOrder) {
      for (const peer of inOrder) {
        plan.abort.throwIfAborted();
        yield [peer, await takeTurn(stage, peer)];
      }
    },
  });
}

/** All peers at once. The result has one outcome per round for each. */
export function runSideBySide<T>(peers: readonly Peer[], plan: SideBySidePlan<T>): Promise<Map<Peer, T[]>> {
  return onStage(plan, async (stage) => {
    const outcomesOf = new Map(peers.map((peer): [Peer, T[]] => [peer, []]));
    for (let round = 0; round < plan.rounds; round += 1) {
      plan.abort.throwIfAborted();
      for await (const [peer, outcome] of plan.takeRound(stage, rotate(peers, round))) {
        outcomesOf.get(peer)?.push(outcome);
        plan.onTurn(round, peer, outcome);
      }
    }
    return outcomesOf;
  });
}

/** Leaves neither a process nor a file behind, whatever happens. */
async function onStage<T>(
  { bodies, abort }: Pick<Plan<unknown>, 'bodies' | 'abort'>,
  act: (stage: Stage) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-bench-'));
  const backendProcesses = new Processes();
  const processes = new Processes();
  const cleanUp = (): void => {
    processes.killAll();
    backendProcesses.killAll();
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', cleanUp);
  try {
    const backend = await startBackend(backendProcesses, directory, bodies);
    return await act({ processes, backend, load: new Load(directory, abort), directory });
  } finally {
    await Promise.all([processes.stopAll(), backendProcesses.stopAll()]);
    process.off('exit', cleanUp);
    cleanUp();
  }
}

/** So that no peer always runs after the same neighbour. */
export function rotate<T>(items: readonly T[], by: number): T[] {
  const start = items.length === 0 ? 0 : by % items.length;
  return [...items.slice(start), ...items.slice(0, start)];
}
