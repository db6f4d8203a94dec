/** Interleaved rounds: in each round every peer has one turn, each round with another peer first. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBackend } from './backend.ts';
import { Load } from './load.ts';
import type { BenchOptions } from './options.ts';
import type { Peer } from './peers/peer.ts';
import { Processes } from './processes.ts';
import { type Outcome, takeTurn } from './series.ts';

/** Outcomes of one peer: `outcomes[round][body]`. */
export type PeerOutcomes = Map<Peer, Outcome[][]>;

export interface RoundsContext {
  readonly abort: AbortSignal;
  /** Called after every turn. */
  onTurn(round: number, peer: Peer, outcomes: readonly Outcome[]): void;
}

/** Runs `options.rounds` rounds over `peers` and leaves neither a process nor a file behind, whatever happens. */
export async function runRounds(
  peers: readonly Peer[],
  options: BenchOptions,
  context: RoundsContext,
): Promise<PeerOutcomes> {
  const directory = mkdtempSync(join(tmpdir(), 'heddle-bench-'));
  const backendProcesses = new Processes();
  const processes = new Processes();
  const cleanUp = (): void => {
    processes.killAll();
    backendProcesses.killAll();
    rmSync(directory, { recursive: true, force: true });
  };
  process.once('exit', cleanUp);
  const outcomesOf: PeerOutcomes = new Map(peers.map((peer) => [peer, []]));
  try {
    const backend = await startBackend(backendProcesses, directory, options.bodies);
    const load = new Load(directory, context.abort);
    for (let round = 0; round < options.rounds; round += 1) {
      for (const peer of rotate(peers, round)) {
        context.abort.throwIfAborted();
        const outcomes = await takeTurn({ peer, options, processes, backend, load, directory });
        outcomesOf.get(peer)?.push(outcomes);
        context.onTurn(round, peer, outcomes);
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
