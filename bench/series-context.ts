/** What the commands of all series share. */
import { writeFileSync } from 'node:fs';
import type { RunOptions } from './options.ts';
import type { Peer } from './peers/peer.ts';

export interface SeriesContext {
  readonly abort: AbortSignal;
  /** Prints the report, and writes it as JSON where the options say so. */
  readonly publish: (report: object, text: string) => void;
}

export function createSeriesContext({ json }: RunOptions): SeriesContext {
  return {
    abort: abortOnSignals(),
    publish(report, text) {
      console.log(text);
      if (json !== undefined) writeFileSync(json, `${JSON.stringify(report, undefined, 2)}\n`);
    },
  };
}

export interface ChosenPeers {
  readonly chosen: readonly Peer[];
  /** Those of them that can be measured on this machine. */
  readonly present: readonly Peer[];
}

export function choosePeers(all: readonly Peer[], only: readonly string[] | undefined): ChosenPeers {
  const chosen = all.filter(({ name }) => only?.includes(name) ?? true);
  return { chosen, present: chosen.filter((peer) => 'version' in peer.probe()) };
}

/** Progress, on stderr. */
export function printTurn(round: number, peer: Peer, outcomes: readonly string[]): void {
  console.error(`round ${round + 1} ${peer.name}: ${outcomes.join(', ')}`);
}

/** Ctrl-C and SIGTERM end the load at once; the rounds then stop what they started. */
function abortOnSignals(): AbortSignal {
  const controller = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => controller.abort(new Error(`stopped by ${signal}`)));
  }
  return controller.signal;
}
