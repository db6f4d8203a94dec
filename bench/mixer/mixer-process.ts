/** A mixer as users start it, pinned to one core. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { Processes, proxyCore, waitForPort } from '../processes.ts';

/** From `dist/bench/mixer/`. */
const program = fileURLToPath(new URL('../../mixer/main.js', import.meta.url));

export interface MixerProcess {
  readonly pid: number;
  readonly grpcPort: number;
  /** Metrics of reports that were counted, and what was refused. */
  counts(): Promise<{ counted: number; rejected: number }>;
  stop(): Promise<void>;
}

export async function startMixerProcess(): Promise<MixerProcess> {
  const [grpcPort, metricsPort] = [await freePort(), await freePort()];
  const processes = new Processes();
  const ports = ['--mixer-port', String(grpcPort), '--metrics-port', String(metricsPort)];
  const child = processes.start(proxyCore, [process.execPath, program, ...ports]);
  await waitForPort(metricsPort, child);
  return { pid: child.pid, grpcPort, counts: () => readCounts(metricsPort), stop: () => processes.stopAll() };
}

async function readCounts(metricsPort: number): Promise<{ counted: number; rejected: number }> {
  const page = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
  const sum = (pattern: RegExp): number =>
    [...page.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
  return {
    counted: sum(/^heddle_mixer_samples_total (\d+)$/gm),
    rejected: sum(/^heddle_mixer_rejected_total\{.*\} (\d+)$/gm),
  };
}

/** Nobody listens there: it was free a moment ago. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  return port;
}
