/**
 * Asks authorization services. The filters of a proxy share its channels, which outlive changes of listeners: a filter has no
 * end of its own at which it could close one.
 */
import { Client, credentials, type ClientUnaryCall } from '@grpc/grpc-js';
import { checkMethod } from '../api/authorization-service.ts';
import type { ExtAuthzConfig } from '../api/ext-authz.ts';
import type { Clock } from '../common/clock.ts';
import type { ClusterManager } from '../upstream/cluster-manager.ts';

/** A channel that nobody uses for so long has no connection and makes none. */
const idleMs = 60_000;

const channelOptions = {
  'grpc.keepalive_time_ms': 30_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.client_idle_timeout_ms': idleMs,
  // A service that is back is asked again soon.
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1_000,
};

export type CheckResult = { readonly bytes: Uint8Array } | { readonly fault: string };

type AuthorizationTarget = Pick<ExtAuthzConfig, 'clusterName' | 'authority' | 'timeoutMs'>;

interface Channel {
  readonly client: Client;
  usedMs: number;
  openCount: number;
}

export class AuthorizationClient {
  readonly #clusters: Pick<ClusterManager, 'get'>;
  readonly #clock: Clock;
  /** By authority and address. */
  readonly #channels = new Map<string, Channel>();
  /** Questions without an answer yet, by cluster. */
  readonly #open = new Map<string, number>();

  constructor(clusters: Pick<ClusterManager, 'get'>, clock: Clock) {
    this.#clusters = clusters;
    this.#clock = clock;
  }

  /** Calls back once, and never before it returns; the returned function gives the question up. */
  check(target: AuthorizationTarget, request: Uint8Array, done: (result: CheckResult) => void): () => void {
    const { clusterName, authority, timeoutMs } = target;
    const cluster = this.#clusters.get(clusterName);
    const address = cluster?.pick()?.address;
    if (cluster === undefined || address === undefined) {
      return later(done, `cluster ${clusterName} has no host to ask`);
    }
    const { maxRequests } = cluster.config.circuitBreakers;
    const open = this.#open.get(clusterName) ?? 0;
    if (open >= maxRequests) return later(done, `${maxRequests} questions are open already`);
    this.#open.set(clusterName, open + 1);
    const { path, requestSerialize, responseDeserialize } = checkMethod;
    const options = timeoutMs === 0 ? {} : { deadline: Date.now() + timeoutMs };
    const channel = this.#channelOf(address, authority);
    channel.openCount += 1;
    const call: ClientUnaryCall = channel.client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
      options,
      (error, bytes) => {
        channel.openCount -= 1;
        this.#answered(clusterName);
        done(bytes === undefined ? { fault: error?.message ?? 'no answer' } : { bytes });
      },
    );
    return () => call.cancel();
  }

  close(): void {
    for (const { client } of this.#channels.values()) client.close();
    this.#channels.clear();
  }

  #answered(clusterName: string): void {
    const open = (this.#open.get(clusterName) ?? 0) - 1;
    if (open > 0) this.#open.set(clusterName, open);
    else this.#open.delete(clusterName);
  }

  #channelOf(address: string, authority: string): Channel {
    const key = `${authority}\0${address}`;
    const usedMs = this.#clock.monotonicMs();
    const known = this.#channels.get(key);
    if (known !== undefined) {
      known.usedMs = usedMs;
      return known;
    }
    this.#closeIdle(usedMs);
    const own = authority === '' ? {} : { 'grpc.default_authority': authority };
    const client = new Client(address, credentials.createInsecure(), { ...channelOptions, ...own });
    const channel = { client, usedMs, openCount: 0 };
    this.#channels.set(key, channel);
    return channel;
  }

  /** Hosts come and go: those of hosts that are gone leave when another one comes. */
  #closeIdle(nowMs: number): void {
    for (const [key, { client, usedMs, openCount }] of this.#channels) {
      if (nowMs - usedMs < idleMs || openCount > 0) continue;
      client.close();
      this.#channels.delete(key);
    }
  }
}

function later(done: (result: CheckResult) => void, fault: string): () => void {
  const immediate = setImmediate(() => done({ fault }));
  return () => clearImmediate(immediate);
}
