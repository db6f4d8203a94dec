/** At which addresses and ports clients find single workloads, and the services that they are then called for. */
import { isIP } from 'node:net';
import type { Client } from '../model/client.ts';
import type { AddressedWorkloads, PushConfig } from '../model/push-context.ts';
import { workloadPorts } from '../model/service.ts';
import { targetPortOf } from '../model/workload.ts';
import type { WorkloadAddress } from './intercepted-outbound.ts';

/** Of services that the client knows, in the order of their hostnames. */
export function findWorkloadAddresses(
  workloads: AddressedWorkloads,
  { services }: PushConfig,
  { namespace }: Client,
): WorkloadAddress[] {
  const found = new Map<string, { address: string; port: number; claims: { hostname: string; port: number }[] }>();
  for (const service of services.visibleTo(namespace).all) {
    const { hostname } = service;
    for (const workload of workloads.get(hostname) ?? []) {
      const { address, ports } = workload;
      // A sidecar that is addressed openly takes requests at a port of its own, and nobody stands before the application's.
      if (isIP(address) === 0 || ports.kind === 'sidecar') continue;
      for (const port of workloadPorts(service)) {
        const number = targetPortOf(workload, port);
        const key = `${address}_${number}`;
        const known = found.get(key) ?? { address, port: number, claims: [] };
        known.claims.push({ hostname, port: port.number });
        found.set(key, known);
      }
    }
  }
  return [...found.values()];
}
