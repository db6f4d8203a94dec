/**
 * A round in which all peers run at once and get their load in turn, two seconds each, again and again: what else happens on
 * the machine happens to all of them, and two of them are compared within the same few seconds.
 */
import type { LoadPlan } from './load.ts';
import type { Peer } from './peers/peer.ts';
import { rotate } from './rounds.ts';
import {
  failureOf,
  type Measurement,
  measureWindow,
  type Outcome,
  prepareSeries,
  type Running,
  type Stage,
  startPeer,
  type TurnPlan,
} from './series.ts';
import { median } from './summary.ts';

/** Whoever was idle before has to make up for it: connections are opened, and memory that was given back comes anew. */
const windowSeconds = 2;

/** A peer as far as it has come in this round. */
interface Contestant {
  readonly peer: Peer;
  running: Running | undefined;
  /** Ends its round. */
  failure: string | undefined;
  windows: Measurement[];
}

/** For each peer one outcome per body size, in the order of `plan.bodies`; `plan.seconds` is the length of all its windows. */
export async function* takeRound(
  stage: Stage,
  peers: readonly Peer[],
  { bodies, warmupSeconds, seconds, ...load }: TurnPlan,
): AsyncGenerator<readonly [Peer, readonly Outcome[]]> {
  const contestants = peers.map((peer): Contestant => ({ peer, running: undefined, failure: undefined, windows: [] }));
  const outcomes = new Map(peers.map((peer): [Peer, Outcome[]] => [peer, []]));
  const ask = (contestant: Contestant, bodyBytes: number, act: (running: Running, plan: LoadPlan) => Promise<void>) =>
    unlessFailed(contestant, async () => {
      const { running } = contestant;
      if (running !== undefined)
        await act(running, { ...load, seconds: Math.min(seconds, windowSeconds), port: running.port, bodyBytes });
    });
  try {
    for (const contestant of contestants) {
      await unlessFailed(contestant, async () => {
        contestant.running = await startPeer(stage, contestant.peer);
      });
    }
    for (const bodyBytes of bodies) {
      for (const contestant of contestants) {
        contestant.windows = [];
        await ask(contestant, bodyBytes, (_, plan) => prepareSeries(stage.load, plan, warmupSeconds));
      }
      for (let window = 0; window * windowSeconds < seconds; window += 1) {
        for (const contestant of rotate(contestants, window)) {
          await ask(contestant, bodyBytes, async ({ proxy }, plan) => {
            contestant.windows.push(await measureWindow(stage.load, proxy, plan));
          });
        }
      }
      for (const contestant of contestants) outcomes.get(contestant.peer)?.push(outcomeOf(contestant));
    }
    yield* outcomes;
  } finally {
    await stage.processes.stopAll();
  }
}

async function unlessFailed(contestant: Contestant, act: () => Promise<void>): Promise<void> {
  if (contestant.failure !== undefined) return;
  try {
    await act();
  } catch (error) {
    contestant.failure = failureOf(error);
  }
}

function outcomeOf({ failure, windows }: Contestant): Outcome {
  return failure === undefined ? { measurement: mergeWindows(windows) } : { failure };
}

/** The medians of all windows. */
export function mergeWindows(all: readonly Measurement[]): Measurement {
  const medianOf = (key: Exclude<keyof Measurement, 'windows'>): number => median(all.map((each) => each[key]));
  return {
    cpuMicrosPerRequest: medianOf('cpuMicrosPerRequest'),
    windows: all.flatMap(({ windows }) => windows),
    requestsPerSecond: medianOf('requestsPerSecond'),
    p50Ms: medianOf('p50Ms'),
    p99Ms: medianOf('p99Ms'),
    utilization: medianOf('utilization'),
  };
}
