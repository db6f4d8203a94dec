/** What the router, mirrors and the proxy's own requests know of the codec that carries them to a host. */
import type { OriginalSource } from '../common/client-socket.ts';
import type { MeshError } from '../common/errors.ts';
import type { DataRun } from '../http/filter.ts';
import type { RequestHead, ResponseHead } from '../http/message-head.ts';
import type { Host } from './host.ts';
import type { AddressPair } from './proxy-protocol-header.ts';

/** The connection that requests come on. */
export interface DownstreamConnection extends AddressPair {
  /** In whose name its requests are sent on; undefined: in the proxy's own. */
  readonly originalSource?: OriginalSource | undefined;
  /** It is over; default false. */
  readonly isClosed?: boolean;
  /** What clusters speak that go by it; default HTTP/1.1. */
  readonly protocol?: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2' | undefined;
}

/** The way of one request to a host and of its response back: a connection of HTTP/1.1 for as long, or a stream of HTTP/2. */
export interface UpstreamStream {
  /** Of its connection, unique in this process. */
  readonly id: number;
  /** Our end of the connection, `ip:port`. */
  readonly localAddress: string;
  readonly protocol: 'HTTP/1.1' | 'HTTP/2';
  /** Whether the connection carried a request before: a reset then may be the server's idle timeout, not an answer (B6). */
  readonly isReused: boolean;
  /** More is waiting to be sent than should be: hold the request back until `onRequestDrained`. */
  readonly isCongested: boolean;
  /** Taken for `decoder`; called first, once per request. */
  attach(decoder: ResponseDecoder): void;
  encodeHeaders(head: RequestHead, endStream: boolean): void;
  encodeData(data: DataRun, endStream: boolean): void;
  /** Writes what was gathered since the last write. */
  flush(): void;
  /** Nobody waits for the response any more. */
  abandon(): void;
  pauseResponse(): void;
  resumeResponse(): void;
}

/** Who waits for the response: an attempt of the router. */
export interface ResponseDecoder {
  /** Filled by the codec before `onResponseHeaders`. */
  readonly responseHead: ResponseHead;
  /** Monotonic milliseconds, a second old at most. */
  readonly recentMs: number;
  onResponseHeaders(endStream: boolean): void;
  onResponseData(data: DataRun, endStream: boolean): void;
  /** All bytes of one read were delivered. */
  onResponseFlush(): void;
  /** The upstream of an upgraded connection has said all it had to say; it still listens. */
  onResponseHalfClosed?(): void;
  onRequestDrained(): void;
  /** The stream is gone and no more will come. */
  onReset(error: MeshError, stream: UpstreamStream): void;
}

/** One attempt of a request, which needs a stream. Called at most once, and not after `cancel`. */
export interface PoolCallbacks {
  /** On whose behalf; undefined: the proxy's own. Stays the same for the attempt. */
  readonly downstream?: DownstreamConnection | undefined;
  /** It asks for another protocol, which only a connection of HTTP/1.1 can switch to (we offer no RFC 8441); default false. */
  readonly isUpgrade?: boolean;
  /** The stream is taken for this request. */
  onPoolReady(stream: UpstreamStream): void;
  /** There will be none: connecting failed, or a limit of the cluster is reached. */
  onPoolFailure(error: MeshError): void;
}

/** The connections to one host that requests may share, and the requests that wait for one. */
export interface StreamPool {
  /** Nobody would miss it. */
  readonly isUnused: boolean;
  /**
   * A stream, taken for the request. Otherwise undefined: the callbacks say how it goes on, at once when a limit is reached.
   * `mayReuse`: false asks for a connection other than those that there are now.
   */
  newStream(request: PoolCallbacks, nowMs: number, mayReuse: boolean): UpstreamStream | undefined;
  /** The request needs no stream any more. A connection that is being opened for it is kept for others. */
  cancel(request: PoolCallbacks): void;
  /** Closes the idle connections whose time is over. */
  sweepIdle(nowMs: number): void;
  closeIdle(): void;
}

/** `downstream`: on whose behalf all connections of the pool are opened; undefined: the proxy's own. */
export type StreamPoolFactory = (host: Host, downstream: DownstreamConnection | undefined) => StreamPool;
