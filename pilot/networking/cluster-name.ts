/** Cluster names as Istio writes them: `DIRECTION|PORT|SUBSET|HOSTNAME`. */

export interface OutboundCluster {
  readonly port: number;
  /** Empty: all workloads of the service. */
  readonly subset: string;
  readonly hostname: string;
}

export function outboundClusterName({ port, subset, hostname }: OutboundCluster): string {
  return `outbound|${port}|${subset}|${hostname}`;
}

/**
 * Stands in the place of a subset, whose name no subset can have: each connection goes to the workload that it was made
 * for, and the service's policy holds for it.
 */
export const originalDestinationSubset = '@original_dst';

/** Undefined when `name` is not the name of an outbound cluster. */
export function parseOutboundClusterName(name: string): OutboundCluster | undefined {
  const match = /^outbound\|(\d{1,5})\|([^|]*)\|([^|]+)$/.exec(name);
  if (match === null) return undefined;
  const [, port = '', subset = '', hostname = ''] = match;
  return { port: Number(port), subset, hostname };
}

/** The application behind the sidecar; its route configuration has the same name. */
export function inboundClusterName(appPort: number): string {
  return `inbound|${appPort}||`;
}
