/** What `proxy-status` shows: whether each sidecar has what pilot wants it to have, and takes traffic. */
import { type DiscoveryName, discoveryNames } from '../../proxy/api/resource-types.ts';
import type { AdsStream } from './ads-stream.ts';
import type { Delivery, Subscription } from './subscription.ts';

/** What pilot has resources of. */
export type ServedName = Exclude<DiscoveryName, 'SDS'>;

export const servedNames = discoveryNames.filter((name): name is ServedName => name !== 'SDS');

export interface ProxySyncStatus {
  /** `NAME.NAMESPACE`. */
  readonly proxy: string;
  readonly nodeId: string;
  /** RFC 3339. */
  readonly connectedAt: string;
  readonly workload: WorkloadSyncStatus;
  readonly types: Readonly<Record<ServedName, TypeSyncStatus>>;
}

export interface WorkloadSyncStatus {
  /**
   * `IN ROTATION`: others are sent to it. `WAITING`: not yet, its listeners or its first health report are missing.
   * `UNHEALTHY`: its sidecar reports that it is not ready. `DRAINING`: that it is about to end. `CLIENT`: it serves
   * nothing.
   */
  readonly status: 'IN ROTATION' | 'WAITING' | 'UNHEALTHY' | 'DRAINING' | 'CLIENT';
  /** The sidecar's words, when the status is `UNHEALTHY`. */
  readonly reason?: string;
}

export interface TypeSyncStatus {
  /**
   * `SYNCED`: the client accepted the latest. `STALE`: a newer response is on its way or waits to be sent. `NACK`: the
   * client rejected the latest and keeps what it had. `NOT SENT`: it did not ask, or there is nothing to send.
   */
  readonly status: 'SYNCED' | 'STALE' | 'NACK' | 'NOT SENT';
  readonly sent?: VersionAt;
  readonly acked?: VersionAt;
  /** The client's words, when the status is `NACK`. */
  readonly reason?: string;
}

export interface VersionAt {
  readonly version: string;
  /** RFC 3339. */
  readonly at: string;
}

export function syncStatusOf(
  { node, connectedAtMs, subscriptions }: AdsStream,
  workload: WorkloadSyncStatus,
): ProxySyncStatus {
  const types = servedNames.map((name) => [name, typeStatusOf(subscriptions.get(name))] as const);
  return {
    proxy: `${node.metadata.name}.${node.metadata.namespace}`,
    nodeId: node.id,
    connectedAt: timeOf(connectedAtMs),
    workload,
    types: Object.fromEntries(types) as ProxySyncStatus['types'],
  };
}

function typeStatusOf(subscription: Subscription | undefined): TypeSyncStatus {
  const last = subscription?.last;
  if (subscription === undefined || last === undefined) return { status: 'NOT SENT' };
  const { lastAcked, isSettled } = subscription;
  const { outcome } = last;
  return {
    status: outcome.kind === 'nacked' ? 'NACK' : isSettled ? 'SYNCED' : 'STALE',
    sent: { version: last.version, at: timeOf(last.sentAtMs) },
    ...(lastAcked === undefined ? {} : { acked: ackOf(lastAcked) }),
    ...(outcome.kind === 'nacked' ? { reason: outcome.reason } : {}),
  };
}

function ackOf({ version, sentAtMs, outcome }: Delivery): VersionAt {
  return { version, at: timeOf(outcome.kind === 'acked' ? outcome.atMs : sentAtMs) };
}

function timeOf(ms: number): string {
  return new Date(ms).toISOString();
}
