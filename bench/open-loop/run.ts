/**
 * Latency at a fixed rate, below saturation, where users live: the rate is a share of what the slowest of the compared
 * can do, the same for all.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { bodyPath } from '../backend.ts';
import { serviceHost } from '../load.ts';
import type { OpenLoopOptions, RunOptions } from '../options.ts';
import type { Peer } from '../peers/peer.ts';
import { direct } from '../peers/direct.ts';
import { envoy } from '../peers/envoy.ts';
import { haproxy } from '../peers/haproxy.ts';
import { heddle } from '../peers/heddle.ts';
import { heddleMesh } from '../peers/heddle-mesh.ts';
import { nginx } from '../peers/nginx.ts';
import { loadCore, mainLine, pinned } from '../processes.ts';
import { describeSetting } from '../report.ts';
import { runRounds } from '../rounds.ts';
import { choosePeers, printTurn, type SeriesContext } from '../series-context.ts';
import { failureOf, type Stage, takeTurn, whileRunning } from '../series.ts';
import type { OpenLoopPlan, OpenLoopResult } from './generator.ts';
import { formatOpenLoopReport, openLoopRow, type OpenLoopReport, type OpenLoopTurn } from './report.ts';

/** `direct` shows what of the latencies is the generator's and the backend's. */
export const openLoopPeers: readonly Peer[] = [heddle, heddleMesh, haproxy, nginx, envoy, direct];

export const openLoopBodyBytes = 100;
const program = fileURLToPath(new URL('../programs/open-loop-load.js', import.meta.url));

export async function runOpenLoop(options: OpenLoopOptions, { abort, publish }: SeriesContext): Promise<void> {
  const { chosen, present } = choosePeers(openLoopPeers, options.only);
  const ratePerSecond = options.rate ?? (await findRate(present, options, abort));
  const outcomes = await runRounds(present, {
    rounds: options.rounds,
    bodies: [openLoopBodyBytes],
    abort,
    takeTurn: (stage, peer) => measureOpenLoop(stage, peer, { ...options, ratePerSecond, abort }),
    onTurn: (round, peer, turn) => printTurn(round, peer, [describeOpenLoopTurn(turn)]),
  });
  const report: OpenLoopReport = {
    ...describeSetting(chosen),
    options,
    bodyBytes: openLoopBodyBytes,
    ratePerSecond,
    rows: chosen.map((peer) => openLoopRow(peer, outcomes.get(peer) ?? [])),
  };
  publish(report, formatOpenLoopReport(report));
}

/** A share of what the slowest peer can do, measured with a closed loop. */
async function findRate(
  peers: readonly Peer[],
  { connections, loadPercent, seconds, warmupSeconds }: OpenLoopOptions,
  abort: AbortSignal,
): Promise<number> {
  const plan = { connections, seconds, warmupSeconds, bodies: [openLoopBodyBytes], headers: [] };
  let slowest = Infinity;
  await runRounds(
    peers.filter((peer) => peer !== direct),
    {
      rounds: 1,
      bodies: [openLoopBodyBytes],
      abort,
      takeTurn: (stage, peer) => takeTurn(stage, peer, plan),
      onTurn(_round, peer, [outcome]) {
        if (outcome === undefined || 'failure' in outcome) return;
        const { requestsPerSecond } = outcome.measurement;
        console.error(`saturation of ${peer.name}: ${Math.round(requestsPerSecond)} requests/s`);
        slowest = Math.min(slowest, requestsPerSecond);
      },
    },
  );
  if (slowest === Infinity) throw new Error('no peer could be measured, so there is no rate: give one with --rate');
  return Math.max(1, Math.round((slowest * loadPercent) / 100));
}

export type MeasurePlan = RunOptions & { readonly ratePerSecond: number; readonly abort: AbortSignal };

export async function measureOpenLoop(stage: Stage, peer: Peer, options: MeasurePlan): Promise<OpenLoopTurn> {
  const { connections, ratePerSecond, seconds, warmupSeconds, abort } = options;
  const request = `GET ${bodyPath(openLoopBodyBytes)} HTTP/1.1\r\nHost: ${serviceHost}\r\n\r\n`;
  try {
    return await whileRunning(stage, peer, async ({ port }) => {
      const plan = { port, request, bodyBytes: openLoopBodyBytes, connections, ratePerSecond, seconds };
      if (warmupSeconds > 0) await generate({ ...plan, seconds: warmupSeconds }, abort);
      return { result: await generate(plan, abort) };
    });
  } catch (error) {
    return { failure: failureOf(error) };
  }
}

async function generate(plan: OpenLoopPlan, signal: AbortSignal): Promise<OpenLoopResult> {
  const [command = '', ...args] = pinned(loadCore, [process.execPath, program, JSON.stringify(plan)]);
  try {
    const { stdout } = await promisify(execFile)(command, args, { signal });
    return JSON.parse(stdout) as OpenLoopResult;
  } catch (error) {
    signal.throwIfAborted();
    const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : String(error);
    throw new Error(mainLine(stderr), { cause: error });
  }
}

export function describeOpenLoopTurn(turn: OpenLoopTurn): string {
  if ('failure' in turn) return turn.failure;
  const { p50Us, p999Us } = turn.result.latency;
  return `p50 ${p50Us} µs, p99.9 ${p999Us} µs`;
}
