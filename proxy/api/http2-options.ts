/** How HTTP/2 is spoken: `envoy.config.core.v3.Http2ProtocolOptions` as far as it is in force. */

export interface Http2Options {
  /**
   * Streams that may be open at once on one connection: those that a client may open, and those that we open towards a host,
   * unless its SETTINGS allow fewer. Default 1,024; >= 1.
   */
  readonly maxConcurrentStreams: number;
  /** What a peer may send on one stream before we ask for more, and so what a stream may buffer. Default 262,144. */
  readonly initialStreamWindowBytes: number;
  /** The same for all streams of a connection together. Default 1,048,576. */
  readonly initialConnectionWindowBytes: number;
  /** Undefined: peers are not probed. */
  readonly keepalive: Http2Keepalive | undefined;
}

/** A PING each `intervalMs`; a connection on which nothing at all arrives for `timeoutMs` after one is closed. Both >= 1. */
export interface Http2Keepalive {
  readonly intervalMs: number;
  readonly timeoutMs: number;
}

/**
 * The number of streams is that of newer Envoys. Their windows, 16 and 24 MiB, are not: where a peer is slow a stream holds
 * as much as its window, and a process in which many meet has no room for that.
 */
export const defaultHttp2Options: Http2Options = {
  maxConcurrentStreams: 1_024,
  initialStreamWindowBytes: 262_144,
  initialConnectionWindowBytes: 1_048_576,
  keepalive: undefined,
};
