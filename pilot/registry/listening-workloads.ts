/** Which of the workloads that an earlier process knew are still there. */
import { probeTcp } from '../../proxy/common/tcp-probe.ts';
import type { Workload } from '../model/workload.ts';

/** A listener on a reachable machine accepts within a round trip. */
const timeoutMs = 500;

/** Those whose sidecar still listens. `workloads`: by node id. */
export async function findListening(workloads: ReadonlyMap<string, Workload>): Promise<ReadonlyMap<string, Workload>> {
  const probed = await Promise.all(
    [...workloads].map(async ([nodeId, workload]) => {
      const { address, ports } = workload;
      if (ports.kind === 'direct') return [];
      const fault = await probeTcp({ address, port: ports.inboundPort, timeoutMs });
      return fault === undefined ? [[nodeId, workload] as const] : [];
    }),
  );
  return new Map(probed.flat());
}
