/** Interleaved rounds: in each round every peer has one turn, each round with another peer first. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBackend } from './backend.ts';
import { Load } from './load.ts';
import type { Peer } from './peers/peer.ts';
import { Processes } from './processes.ts';
import type { Stage } from './series.ts';

export interface RoundsPlan<T> {
  readonly rounds: number;
  /** Response body sizes that the backend must be able to send. */
  readonly bodies: readonly number[];
  readonly abort: AbortSignal;
  /** Starts the peer, measures it, and stops it. */
  readonly takeTurn: (stage: Stage, peer: Peer) => Promise<T>;
  /** Called after every turn. */
  readonly onTurn: (round: number, peer: Peer, outcome: T) => void;
}

/**
 * Runs `plan.rounds` rounds over `peers` and leaves neither a process nor a file behind, whatever happens. The result
 * has one outcome per round for each peer.
 */
export async function runRounds<T>(peers: readonly Peer[], plan: RoundsPlan<T>): Promise<Map<Peer, T[]>> {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-bench-'));
  const backendProcesses = new Processes();
  const processes = new Processes();
  const cleanUp = (): void => {
    processes.killAll();
    backendProcesses.killAll();
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', cleanUp);
  const outcomesOf = new Map(peers.map((peer): [Peer, T[]] => [peer, []]));
  try {
    const backend = await startBackend(backendProcesses, directory, plan.bodies);
    const stage = { processes, backend, load: new Load(directory, plan.abort), directory };
    for (let round = 0; round < plan.rounds; round += 1) {
      for (const peer of rotate(peers, round)) {
        plan.abort.throwIfAborted();
        const outcome = await plan.takeTurn(stage, peer);
        outcomesOf.get(peer)?.push(outcome);
        plan.onTurn(round, peer, outcome);
      }
    }
    return outcomesOf;
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
