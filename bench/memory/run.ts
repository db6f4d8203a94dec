/** Resident memory of each peer: idle, and while a soak runs. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { LoadPlan } from '../load.ts';
import type { MemoryOptions } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import { envoy } from '../peers/envoy.ts';
import { haproxy } from '../peers/haproxy.ts';
import { heddle } from '../peers/heddle.ts';
import { heddleMesh } from '../peers/heddle-mesh.ts';
import { nginx } from '../peers/nginx.ts';
import { describeSetting } from '../report.ts';
import { runRounds } from '../rounds.ts';
import { choosePeers, printTurn, type SeriesContext } from '../series-context.ts';
import { failureOf, type Running, type Stage, whileRunning } from '../series.ts';
import { growthOf, type MemorySample } from './growth.ts';
import { formatMemoryReport, memoryRow, type MemoryReport, type MemoryTurn } from './report.ts';
import { readRssBytes } from './rss-meter.ts';

export const memoryPeers: readonly Peer[] = [heddle, heddleMesh, haproxy, nginx, envoy];

const bodyBytes = 100;
/** Starting up is over by then. */
const idleMs = 2_000;

export async function runMemory(options: MemoryOptions, { abort, publish }: SeriesContext): Promise<void> {
  const { chosen, present } = choosePeers(memoryPeers, options.only);
  const outcomes = await runRounds(present, {
    rounds: options.rounds,
    bodies: [bodyBytes],
    abort,
    takeTurn: (stage, peer) => measure(stage, peer, options),
    onTurn: (round, peer, turn) => printTurn(round, peer, [describeTurn(turn)]),
  });
  const rows = chosen.map((peer) => memoryRow(peer, outcomes.get(peer) ?? []));
  const report: MemoryReport = { ...describeSetting(chosen), options, rows };
  publish(report, formatMemoryReport(report));
}

async function measure(stage: Stage, peer: Peer, options: MemoryOptions): Promise<MemoryTurn> {
  try {
    return await whileRunning(stage, peer, async (running) => {
      await sleep(idleMs);
      const idleBytes = readRssBytes(running.proxy.pid);
      return { measurement: { idleBytes, soak: await soak(stage, running, options) } };
    });
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

/** One sample per `options.seconds` of load, until there were enough requests, and at least two. */
async function soak(stage: Stage, { proxy, port }: Running, options: MemoryOptions): Promise<MemorySample[]> {
  const { connections, seconds, soakRequests } = options;
  const plan: LoadPlan = { port, bodyBytes, connections, seconds, headers: [] };
  await stage.load.check(plan);
  const samples: MemorySample[] = [];
  for (let requests = 0; requests < soakRequests || samples.length < 2;) {
    requests += (await stage.load.run(plan)).requests;
    samples.push({ requests, rssBytes: readRssBytes(proxy.pid) });
  }
  return samples;
}

function describeTurn(turn: MemoryTurn): string {
  if ('failure' in turn) return turn.failure;
  const { idleBytes, soak } = turn.measurement;
  return `idle ${(idleBytes / 1e6).toFixed(1)} MB, growth ${(growthOf(soak).growthBytes / 1e6).toFixed(1)} MB`;
}
