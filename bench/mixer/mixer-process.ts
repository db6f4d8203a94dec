/** A mixer as users start it, pinned to one core. */
import { findFreePorts } from '../../pilot/cli/free-ports.ts';
import { mixerCommand } from '../peers/heddle-program.ts';
import { Processes, proxyCore, waitForPort } from '../processes.ts';

export interface MixerProcess {
  readonly pid: number;
  readonly grpcPort: number;
  /** Metrics of reports that were counted, and what was refused. */
  counts(): Promise<{ counted: number; rejected: number }>;
  stop(): Promise<void>;
}

export async function startMixerProcess(): Promise<MixerProcess> {
  const [grpcPort = 0, metricsPort = 0] = await findFreePorts(2);
  const processes = new Processes();
  const child = processes.start(proxyCore, mixerCommand({ grpcPort, metricsPort }));
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
