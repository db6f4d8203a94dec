/** Connections that are opened, used for one small exchange and closed. */
import { readCpuMicros } from '../cpu-meter.ts';
import type { LoadPlan } from '../load.ts';
import type { RunOptions } from '../options.ts';
import type { Child } from '../processes.ts';
import type { Stage } from '../series.ts';

export const connectionBodyBytes = 100;

export interface ConnectionRate {
  readonly connectionsPerSecond: number;
  /** Of the proxy's process. */
  readonly cpuMicrosPerConnection: number;
}

export interface ConnectionTarget {
  readonly proxy: Child;
  /** Default: loopback. */
  readonly address?: string;
  readonly port: number;
}

/** Every request is a connection of its own, which the backend closes. */
export async function measureConnections(
  { load }: Pick<Stage, 'load'>,
  { proxy, ...target }: ConnectionTarget,
  { connections, seconds, warmupSeconds }: RunOptions,
): Promise<ConnectionRate> {
  const bodyBytes = connectionBodyBytes;
  const plan: LoadPlan = { ...target, bodyBytes, connections, seconds, headers: ['Connection: close'] };
  await load.check(plan);
  if (warmupSeconds > 0) await load.run({ ...plan, seconds: warmupSeconds });
  const cpuBefore = readCpuMicros(proxy.pid);
  const { requests, durationUs } = await load.run(plan);
  return {
    connectionsPerSecond: (requests / durationUs) * 1e6,
    cpuMicrosPerConnection: (readCpuMicros(proxy.pid) - cpuBefore) / requests,
  };
}
