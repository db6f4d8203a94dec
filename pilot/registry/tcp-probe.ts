/** Whether somebody accepts connections, found out by opening one. */
import { connect } from 'node:net';
import type { Workload } from '../model/workload.ts';

/** A listener on a reachable machine accepts within a round trip. */
const probeTimeoutMs = 500;

export function isListening(address: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: address, port, timeout: probeTimeoutMs });
    const finish = (isConnected: boolean): void => {
      socket.destroy();
      resolve(isConnected);
    };
    socket.once('connect', () => finish(true));
    socket.once('timeout', () => finish(false));
    socket.once('error', () => finish(false));
  });
}

/** Those whose sidecar still listens. `workloads`: by node id. */
export async function findListening(workloads: ReadonlyMap<string, Workload>): Promise<ReadonlyMap<string, Workload>> {
  const probed = await Promise.all(
    [...workloads].map(async ([nodeId, workload]) => {
      const { address, ports } = workload;
      const isAlive = ports.kind === 'sidecar' && (await isListening(address, ports.inboundPort));
      return isAlive ? [[nodeId, workload] as const] : [];
    }),
  );
  return new Map(probed.flat());
}
