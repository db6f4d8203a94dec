/** Bulk transfers: iperf3, which counts what its server received. */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { findFreePorts } from '../../pilot/cli/free-ports.ts';
import { requireExecutable } from '../executable.ts';
import { loadCore, pinned, type Processes, waitForPort } from '../processes.ts';

/** Starts the server, which takes one test after the other; resolves with its port. */
export async function startBulkServer(processes: Processes): Promise<number> {
  const [port = 0] = await findFreePorts(1);
  const child = processes.start(loadCore, [requireExecutable('iperf3', 'iperf3'), '--server', '--port', String(port)]);
  await waitForPort(port, child);
  return port;
}

export interface BulkPlan {
  /** Of the proxy in front of the server. */
  readonly port: number;
  readonly connections: number;
  /** Whole. */
  readonly seconds: number;
  readonly abort: AbortSignal;
}

/** iperf3 stops listening between two tests. */
const serverPauseMs = 500;

/** Bytes that arrived. */
export async function runBulk({ port, connections, seconds, abort }: BulkPlan): Promise<number> {
  await sleep(serverPauseMs);
  const [command = '', ...args] = pinned(loadCore, [
    requireExecutable('iperf3', 'iperf3'),
    '--client',
    '127.0.0.1',
    '--port',
    String(port),
    '--parallel',
    String(connections),
    '--time',
    String(seconds),
    '--json',
  ]);
  const { stdout } = await promisify(execFile)(command, args, { signal: abort, maxBuffer: 64 * 1_024 * 1_024 });
  return parseBulkBytes(stdout);
}

/** Of iperf3's report. */
export function parseBulkBytes(stdout: string): number {
  const report = JSON.parse(stdout) as { error?: string; end?: { sum_received?: { bytes?: number } } };
  const bytes = report.end?.sum_received?.bytes;
  if (bytes === undefined || bytes === 0) throw new Error(report.error ?? 'iperf3 received nothing');
  return bytes;
}
