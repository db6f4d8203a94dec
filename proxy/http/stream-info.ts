/** What formats and access logs read of a request, or of a connection that carries none: Envoy's stream info. */
import type { Endpoint } from '../api/cluster.ts';
import type { Clock } from '../common/clock.ts';
import type { MeshError } from '../common/errors.ts';
import type { DynamicMetadata } from './dynamic-metadata.ts';
import type { RequestHead, ResponseHead } from './message-head.ts';

/** Monotonic milliseconds, and the time of day at one of them. */
export interface TimeSource {
  nowMs(): number;
  wallTimeMs(monotonicMs: number): number;
}

export function timeSourceOf(clock: Clock): TimeSource {
  return {
    nowMs: () => clock.monotonicMs(),
    wallTimeMs: (monotonicMs) => clock.nowMs() - (clock.monotonicMs() - monotonicMs),
  };
}

export interface StreamInfo {
  /** It is a connection: nothing was asked, and nothing is answered. */
  readonly isConnection: boolean;
  /** Without a method where the bytes are no request. */
  readonly request: RequestHead;
  /** Of status 0 where there is no response. */
  readonly response: ResponseHead;
  /** The downstream connection; undefined when it is gone. */
  readonly codec: DownstreamInfo | undefined;
  readonly timeSource: TimeSource;
  /** Of the client as far as it is known, `ip:port`: behind trusted proxies not who connected. */
  readonly remoteAddress: string | undefined;
  /** Monotonic milliseconds; the later ones are -1 for what has not happened. */
  readonly startMs: number;
  readonly requestEndMs: number;
  readonly responseStartMs: number;
  readonly endMs: number;
  /** From and to downstream. */
  readonly requestBytes: number;
  readonly responseBytes: number;
  readonly responseFlags: string;
  readonly routeName: string;
  readonly traceId: string;
  /** Of the cluster that was chosen, or the only one that may be. */
  readonly clusterName: string | undefined;
  readonly host: { readonly address: string; readonly endpoint?: Pick<Endpoint, 'workload'> } | undefined;
  readonly upstream: { readonly connection: UpstreamInfo | undefined } | undefined;
  /** Undefined where no filter tells anything. */
  readonly metadata: DynamicMetadata | undefined;
  readonly attemptCount: number;
  readonly error: MeshError | undefined;
  readonly localReplyDetails: string | undefined;
  /** Why the connection was not served. */
  readonly terminationDetails: string | undefined;
  /** What the client's TLS asked for; empty without. */
  readonly requestedServerName: string;
}

interface DownstreamInfo {
  readonly connectionId?: number;
  /** `ip:port`. */
  readonly remoteAddress: string;
  readonly localAddress: string;
  /** Undefined where none is spoken that the proxy knows. */
  readonly protocol: string | undefined;
}

interface UpstreamInfo {
  readonly id: number;
  /** Undefined where none is spoken that the proxy knows. */
  readonly protocol?: string;
  /** Our end, `ip:port`. */
  readonly localAddress: string;
}
