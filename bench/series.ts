/** One peer's turn: start it, measure every body size, stop it. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { findFreePorts } from '../pilot/cli/free-ports.ts';
import type { Backend } from './backend.ts';
import { readCpuMicros } from './cpu-meter.ts';
import type { Load, LoadPlan } from './load.ts';
import type { BenchOptions } from './options.ts';
import type { Peer, Scene } from './peers/peer.ts';
import { type Child, loadCore, proxyCore, type Processes, waitForPort } from './processes.ts';

export interface Measurement {
  /** CPU time of the proxy's process divided by the answered requests. */
  readonly cpuMicrosPerRequest: number;
  readonly requestsPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  /** CPU time of the proxy divided by wall time: below 1 it was not the proxy that limited the rate. */
  readonly utilization: number;
}

export type Outcome = { readonly measurement: Measurement } | { readonly failure: string };

export interface Turn {
  readonly peer: Peer;
  readonly options: BenchOptions;
  readonly processes: Processes;
  readonly backend: Backend;
  readonly load: Load;
  /** Where this turn may write. */
  readonly directory: string;
}

/** One outcome per body size, in the order of `options.bodies`. A fault fails that series and those after it. */
export async function takeTurn(turn: Turn): Promise<Outcome[]> {
  const outcomes: Outcome[] = [];
  const { options, peer } = turn;
  try {
    const [port = 0] = await findFreePorts(1);
    const proxy = await peer.start(openScene(turn, port));
    for (const bodyBytes of options.bodies) {
      const plan = { port, bodyBytes, connections: options.connections, seconds: options.seconds };
      outcomes.push({ measurement: await measureSeries(turn, proxy, plan) });
    }
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error);
    while (outcomes.length < options.bodies.length) outcomes.push({ failure });
  } finally {
    await turn.processes.stopAll();
  }
  return outcomes;
}

function openScene({ directory, backend, processes }: Turn, port: number): Scene {
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
    startProxy: (argv) => startOn(proxyCore, argv, port),
    startHelper: (argv, awaitedPort) => startOn(loadCore, argv, awaitedPort),
  };
}

async function measureSeries({ load, options }: Turn, proxy: Child, plan: LoadPlan): Promise<Measurement> {
  await load.check(plan);
  await load.run({ ...plan, seconds: options.warmupSeconds });
  const cpuBefore = readCpuMicros(proxy.pid);
  const result = await load.run(plan);
  const cpuMicros = readCpuMicros(proxy.pid) - cpuBefore;
  return {
    cpuMicrosPerRequest: cpuMicros / result.requests,
    requestsPerSecond: (result.requests / result.durationUs) * 1e6,
    p50Ms: result.p50Us / 1e3,
    p99Ms: result.p99Us / 1e3,
    utilization: cpuMicros / result.durationUs,
  };
}
