/** One peer's turn: start it, measure every body size, stop it. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePorts } from '../pilot/cli/free-ports.ts';
import type { Backend } from './backend.ts';
import { readCpuMicros } from './cpu-meter.ts';
import type { LoadGenerator, LoadPlan } from './load.ts';
import type { Peer, Scene } from './peers/peer.ts';
import { type Child, loadCore, proxyCore, type Processes, waitForPort } from './processes.ts';

export interface Measurement {
  /** CPU time of the proxy's process divided by the answered requests. */
  readonly cpuMicrosPerRequest: number;
  /** The same of each window of the load; two peers' windows of one index were measured within seconds of each other. */
  readonly windows: readonly number[];
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of the proxy divided by wall time: below 1 it was not the proxy that limited the rate. */
  readonly utilization: number;
}

export type Outcome = { readonly measurement: Measurement } | { readonly failure: string };

/** What every turn finds. */
export interface Stage {
  readonly processes: Processes;
  readonly backend: Backend;
  readonly load: LoadGenerator;
  /** Where turns may write. */
  readonly directory: string;
}

/** A measured peer while it runs. */
export interface Running {
  readonly proxy: Child;
  readonly port: number;
}

/** Starts a peer and leaves it running. */
export async function startPeer(stage: Stage, peer: Peer): Promise<Running> {
  const [port = 0] = await findFreePorts(1);
  return { proxy: await peer.start(openScene(stage, port)), port };
}

/** Starts a peer for `measure` and stops it and its helpers afterwards. */
export async function whileRunning<T>(stage: Stage, peer: Peer, measure: (running: Running) => Promise<T>): Promise<T> {
  try {
    return await measure(await startPeer(stage, peer));
  } finally {
    await stage.processes.stopAll();
  }
}

/** What is measured in one turn. */
export interface TurnPlan extends Omit<LoadPlan, 'port' | 'bodyBytes'> {
  readonly bodies: readonly number[];
  readonly warmupSeconds: number;
}

/** One outcome per body size, in the order of `plan.bodies`. A fault fails that series and those after it. */
export async function takeTurn(stage: Stage, peer: Peer, plan: TurnPlan): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const { bodies, warmupSeconds, ...load } = plan;
  try {
    await whileRunning(stage, peer, async ({ proxy, port }) => {
      for (const bodyBytes of bodies) {
        const series = { ...load, port, bodyBytes };
        outcomes.push({ measurement: await measureSeries(stage.load, proxy, series, warmupSeconds) });
      }
    });
  } catch (error) {
    const failure = failureOf(error);
    while (outcomes.length < bodies.length) outcomes.push({ failure });
  }
  return outcomes;
}

export function failureOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function openScene({ directory, backend, processes }: Stage, port: number): Scene {
  const folder = mkdtempSync(join(directory, 'turn-'));
  const startOn = async (core: number, argv: readonly string[], awaitedPort: number): Promise<Child> => {
    const child = processes.start(core, argv);
    await waitForPort(awaitedPort, child);
    return child;
  };
  return {
    port,
    backend,
    directory: folder,
    writeFile(name, text) {
      const path = join(folder, name);
      writeFileSync(path, text);
      return path;
    },
    startProxy: (argv, awaitedPort = port) => startOn(proxyCore, argv, awaitedPort),
    startHelper: (argv, awaitedPort) => startOn(loadCore, argv, awaitedPort),
  };
}

async function measureSeries(
  load: LoadGenerator,
  proxy: Child,
  plan: LoadPlan,
  warmupSeconds: number,
): Promise<Measurement> {
  await prepareSeries(load, plan, warmupSeconds);
  return measureWindow(load, proxy, plan);
}

/** Rejects when the proxy does not answer as it should. */
export async function prepareSeries(load: LoadGenerator, plan: LoadPlan, warmupSeconds: number): Promise<void> {
  await load.check(plan);
  if (warmupSeconds > 0) await load.run({ ...plan, seconds: warmupSeconds });
}

export async function measureWindow(load: LoadGenerator, proxy: Child, plan: LoadPlan): Promise<Measurement> {
  const cpuBefore = readCpuMicros(proxy.pid);
  const result = await load.run(plan);
  const cpuMicros = readCpuMicros(proxy.pid) - cpuBefore;
  const cpuMicrosPerRequest = cpuMicros / result.requests;
  return {
    cpuMicrosPerRequest,
    windows: [cpuMicrosPerRequest],
    requestsPerSecond: (result.requests / result.durationUs) * 1e6,
    p50Ms: result.p50Us / 1e3,
    p99Ms: result.p99Us / 1e3,
    utilization: cpuMicros / result.durationUs,
  };
}
