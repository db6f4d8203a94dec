/**
 * One request and its response, whatever codecs carry them. Streams are pooled by their connection manager: an object of
 * one fixed shape with its filters inside, made as new by `release`.
 */
import type { OriginalSource } from '../common/client-socket.ts';
import { ByteBuffer } from '../common/byte-buffer.ts';
import { type MeshError, meshErrors } from '../common/errors.ts';
import type { CompiledRoute } from '../router/route-table.ts';
import type { UpstreamRequest } from '../router/upstream-request.ts';
import type { Span } from '../tracing/span.ts';
import type { Host } from '../upstream/host.ts';
import type { UpstreamCluster } from '../upstream/cluster.ts';
import type { DownstreamConnection } from '../upstream/upstream-stream.ts';
import type { HeaderRule } from '../router/header-rules.ts';
import type { ConnectionManager } from './connection-manager.ts';
import { DynamicMetadata } from './dynamic-metadata.ts';
import type { DataRun, FilterFactory, HttpFilter } from './filter.ts';
import { grpcStatusOfHttp, isGrpcRequest, sendGrpcStatus } from './grpc-status.ts';
import { Known } from './header-name.ts';
import { RequestHead, ResponseHead } from './message-head.ts';
import { addressFromRight } from './request-origin.ts';
import type { StreamInfo } from './stream-info.ts';
import { phraseOf, prepareLocalReply, removeReason } from './local-reply.ts';

/** The downstream side of a stream, implemented by each codec. */
export interface ServerCodec {
  /** What carries it, and maybe others; undefined where nothing does. */
  readonly connection?: DownstreamConnection;
  /** What the client's TLS asked for; empty or undefined without. */
  readonly requestedServerName?: string;
  /** Of the connection, unique in this process; undefined where there is none behind it. */
  readonly connectionId?: number;
  /** In whose name its requests are sent on; undefined: in the proxy's own. */
  readonly originalSource?: OriginalSource | undefined;
  /** The peer speaks TLS; default false. */
  readonly isSecure?: boolean;
  /** What is told about the certificate that the peer has shown; undefined: it has shown none, or nobody is told. */
  readonly clientCert?: string | undefined;
  /** Address of the peer, `ip:port`. */
  readonly remoteAddress: string;
  /** Where the peer connected to, `ip:port`. */
  readonly localAddress: string;
  /** The connection is over; default false. */
  readonly isClosed?: boolean;
  readonly protocol: 'HTTP/1.0' | 'HTTP/1.1' | 'HTTP/2';
  encodeHeaders(head: ResponseHead, endStream: boolean): void;
  encodeData(data: DataRun, endStream: boolean): void;
  /** Writes what was gathered since the last write. */
  flush(): void;
  /** More is waiting to be written than should be: hold the response back until `onDownstreamDrained`. */
  readonly isCongested: boolean;
  /** Ends the upgraded response's direction; the request's goes on. */
  halfClose(): void;
  /** From now on this long without a byte either way ends the stream; 0 = never. */
  setIdleTimeout(timeoutMs: number): void;
  pauseRequest(): void;
  resumeRequest(): void;
  /** The response began and cannot be finished: the peer must see an error, not an end. */
  abort(): void;
  /** The response is complete and the stream returns to its pool after this call. */
  onStreamDone(stream: HttpStream): void;
}

/** What the proxy answers in place of something else. */
export interface LocalResponse {
  /** Default: that of what it replaces. */
  readonly status: number | undefined;
  readonly body: string;
  readonly rules: readonly HeaderRule[];
}

export class HttpStream implements StreamInfo {
  readonly manager: ConnectionManager;
  readonly request = new RequestHead();
  /** Of the attempt that answers, when several were made side by side. */
  response = new ResponseHead();
  readonly #filters: readonly HttpFilter[];
  codec: ServerCodec | undefined = undefined;

  /** Monotonic milliseconds at the end of the request's head. */
  startMs = 0;
  requestBytes = 0;
  responseBytes = 0;
  isRequestComplete = false;
  isResponseStarted = false;
  /** Both directions are raw bytes of another protocol: what follows is no request and no response. */
  isUpgraded = false;
  /** Of the client on whose behalf the peer asks, `ip:0`; empty: the peer itself is the client. */
  forwardedAddress = '';
  /** When the last byte of the request came, and the first one of its response from upstream; -1: not yet. */
  requestEndMs = -1;
  responseStartMs = -1;
  /** When the stream was over, for whoever looks back on it; -1: it is not. */
  endMs = -1;
  /** Why the stream failed, for flags, access log and metrics. */
  error: MeshError | undefined = undefined;
  /** Looked up by the first filter that wants it; see `currentRoute`. */
  route: CompiledRoute | undefined = undefined;
  routeName = '';
  /** It should have been retried once more, but its retries or the budget of the cluster were used up. */
  isRetryLimitExceeded = false;
  /** The fault filter held the request back. */
  isDelayInjected = false;
  cluster: UpstreamCluster | undefined = undefined;
  host: Host | undefined = undefined;
  /** Of the trace that the request belongs to, 32 digits; empty where nothing is traced. */
  traceId = '';
  /** Of this hop, when the trace is sampled. */
  span: Span | undefined = undefined;
  /** Where the request wants to go by its authority, set by the forward proxy filter in front of clusters that follow it. */
  destination: string | undefined = undefined;
  readonly metadata = new DynamicMetadata();
  /** What is answered to who is refused; undefined where refusals are plain. */
  refusals: { find(stream: HttpStream): LocalResponse | undefined } | undefined = undefined;
  /** The attempt that answered, or the last one. */
  upstream: UpstreamRequest | undefined = undefined;
  /** Attempts so far, the one that found no host included. */
  attemptCount = 0;
  readonly isConnection = false;
  readonly terminationDetails = undefined;
  /** Why the proxy answered itself, in the words of %RESPONSE_CODE_DETAILS%; undefined when it did not. */
  localReplyDetails: string | undefined = undefined;
  /** Index of the filter that stopped the request's head, -1 when none did. */
  #stoppedAt = -1;
  /** Body bytes that came while a filter held the request. */
  readonly #held = new ByteBuffer();
  /** Some came, or their end: the body is not over with the head. */
  #isBodyHeld = false;

  constructor(manager: ConnectionManager, factories: readonly FilterFactory[]) {
    this.manager = manager;
    this.#filters = factories.map((create) => create(this));
  }

  /** Of the client as far as it is known, `ip:port`. */
  get remoteAddress(): string | undefined {
    if (this.forwardedAddress !== '') return this.forwardedAddress;
    const forwardedFor = this.manager.trustsForwardedFor
      ? this.request.headers.knownValues(Known.forwardedFor)
      : undefined;
    const address = forwardedFor === undefined ? undefined : addressFromRight(forwardedFor, 0);
    return address === undefined ? this.codec?.remoteAddress : `${address}:0`;
  }

  get clusterName(): string | undefined {
    if (this.cluster !== undefined) return this.cluster.config.name;
    if (this.error?.code === 'no_cluster') return undefined;
    const { clusters = [] } = this.route ?? {};
    return clusters.length === 1 ? clusters[0]?.name : undefined;
  }

  get timeSource(): ConnectionManager {
    return this.manager;
  }

  get requestedServerName(): string {
    return this.codec?.requestedServerName ?? '';
  }

  /** Envoy's response flags, joined with commas; `-` when there is none. */
  get responseFlags(): string {
    const flag = this.error === undefined ? '-' : meshErrors[this.error.code].flag;
    if (!this.isDelayInjected && !this.isRetryLimitExceeded) return flag;
    const flags = [this.isDelayInjected ? 'DI' : '-', flag, this.isRetryLimitExceeded ? 'URX' : '-'];
    return flags.filter((one) => one !== '-').join(',');
  }

  /** Called by the codec when the head is in `request`. */
  decodeHeaders(endStream: boolean): void {
    this.isRequestComplete = endStream;
    if (endStream) this.requestEndMs = this.startMs;
    const { manager } = this;
    if (!manager.admitRequest(this)) return;
    if (manager.tracer !== undefined) manager.tracer.onRequestHeaders(this);
    this.#runDecodeHeaders(0, endStream);
  }

  /** Goes on behind the filter that returned `stop`. */
  continueDecoding(): void {
    const next = this.#stoppedAt + 1;
    if (next === 0) return;
    this.#stoppedAt = -1;
    this.#runDecodeHeaders(next, this.isRequestComplete && !this.#isBodyHeld);
    if (this.#stoppedAt >= 0 || this.codec === undefined) return;
    // Before the held bytes go on: whoever cannot take them pauses again.
    this.codec.resumeRequest();
    if (this.#isBodyHeld) {
      const held = this.#takeHeld();
      this.#runDecodeData({ bytes: held, start: 0, end: held.length }, this.isRequestComplete);
    }
    this.decodeFlush();
  }

  #runDecodeHeaders(from: number, endStream: boolean): void {
    for (let i = from; i < this.#filters.length; i++) {
      const filter = this.#filters[i];
      if (filter?.decodeHeaders === undefined) continue;
      const status = filter.decodeHeaders(this.request, endStream);
      // Answered and over: what is set now would be found by the next request.
      if (this.codec === undefined) return;
      if (status === 'stop') {
        this.#stoppedAt = i;
        return;
      }
    }
  }

  decodeData(data: DataRun, endStream: boolean): void {
    this.requestBytes += data.end - data.start;
    if (endStream) {
      this.isRequestComplete = true;
      this.requestEndMs = this.manager.nowMs();
    }
    if (this.#stoppedAt >= 0) this.#hold(data);
    else this.#runDecodeData(data, endStream);
  }

  #runDecodeData(data: DataRun, endStream: boolean): void {
    for (const filter of this.#filters) {
      filter.decodeData?.(data, endStream);
      if (this.codec === undefined) return;
    }
  }

  #hold({ bytes, start, end }: DataRun): void {
    this.#isBodyHeld = true;
    this.#held.append(bytes, start, end);
    if (this.#filters[this.#stoppedAt]?.onHeldData?.(this.#held.bytes, this.isRequestComplete) === true) return;
    // Of a whole request nothing more can come but its end, which a socket that is not read from does not notice.
    if (!this.isRequestComplete) this.codec?.pauseRequest();
  }

  #takeHeld(): Buffer {
    const { bytes } = this.#held;
    this.#held.clear();
    this.#isBodyHeld = false;
    return bytes;
  }

  /** The codec has handed over all bytes of one read. */
  decodeFlush(): void {
    for (const filter of this.#filters) filter.decodeFlush?.();
  }

  onDownstreamDrained(): void {
    for (const filter of this.#filters) filter.onDownstreamDrained?.();
  }

  /** The peer went away, or broke the protocol, before the response was complete. */
  onDownstreamReset(error: MeshError): void {
    this.error ??= error;
    this.#finish();
  }

  /** The response's head is in `response`. */
  encodeHeaders(endStream: boolean): void {
    for (let i = this.#filters.length - 1; i >= 0; i--) this.#filters[i]?.encodeHeaders?.(this.response, endStream);
    this.manager.tracer?.onResponseHeaders(this);
    this.isResponseStarted = true;
    this.codec?.encodeHeaders(this.response, endStream);
    if (endStream) this.#finish();
  }

  encodeData(data: DataRun, endStream: boolean): void {
    this.responseBytes += data.end - data.start;
    this.codec?.encodeData(data, endStream);
    if (endStream) this.#finish();
  }

  /**
   * Answers without an upstream: with `error`'s status before the response began, by aborting afterwards and where
   * nobody is left to read an answer.
   */
  sendLocalReply(error: MeshError, status: number = meshErrors[error.code].status): void {
    this.error ??= error;
    if (this.isResponseStarted || status === 0) {
      this.codec?.abort();
      this.#finish();
      return;
    }
    this.sendDirectResponse(status, this.manager.tellsReasons ? error.reason : phraseOf(status), error);
  }

  /** The head of an answer of the proxy's own, without content, to be completed and sent with `encodeHeaders(true)`. */
  prepareLocalReply(status: number): ResponseHead {
    this.localReplyDetails ??= this.error?.details ?? 'direct_response';
    this.#prepareReply(status, '', this.error);
    return this.response;
  }

  /** Answers with `status` and `body`, as a `direct_response` route does; gRPC with the status that stands for it. */
  sendDirectResponse(
    status: number,
    body: string | Uint8Array,
    error?: MeshError,
    rules: readonly HeaderRule[] = noRules,
  ): void {
    this.localReplyDetails ??= error?.details ?? 'direct_response';
    // As in Envoy: who speaks gRPC finds its reasons in gRPC's words.
    if (isGrpcRequest(this.request)) {
      sendGrpcStatus(this, { status: grpcStatusOfHttp(status), message: Buffer.from(body).toString(), rules });
      return;
    }
    const bytes = this.#prepareReply(status, body, error);
    for (const rule of rules) rule(this.response.headers, this);
    const hasBody = bytes.length > 0 && this.request.method !== 'HEAD';
    this.encodeHeaders(!hasBody);
    if (hasBody) this.encodeData({ bytes, start: 0, end: bytes.length }, true);
  }

  #prepareReply(status: number, body: string | Uint8Array, error: MeshError | undefined): Buffer {
    const bytes = prepareLocalReply(this.response, status, body, error);
    if (!this.manager.tellsReasons) removeReason(this.response);
    return bytes;
  }

  #finish(): void {
    const { codec } = this;
    if (codec === undefined) return;
    this.manager.onStreamComplete(this);
    for (const filter of this.#filters) filter.onDestroy?.();
    this.codec = undefined;
    codec.onStreamDone(this);
    this.manager.release(this);
  }

  /** Makes the stream as new; called by the pool. */
  reset(): void {
    this.request.reset();
    this.response.reset();
    this.startMs = 0;
    this.requestBytes = 0;
    this.responseBytes = 0;
    this.isRequestComplete = false;
    this.isResponseStarted = false;
    this.isUpgraded = false;
    this.forwardedAddress = '';
    this.error = undefined;
    this.route = undefined;
    this.routeName = '';
    this.isDelayInjected = false;
    this.isRetryLimitExceeded = false;
    this.cluster = undefined;
    this.host = undefined;
    this.traceId = '';
    this.span = undefined;
    this.destination = undefined;
    this.metadata.reset();
    this.refusals = undefined;
    this.upstream = undefined;
    this.attemptCount = 0;
    this.localReplyDetails = undefined;
    this.requestEndMs = -1;
    this.responseStartMs = -1;
    this.endMs = -1;
    this.#stoppedAt = -1;
    if (this.#isBodyHeld) this.#takeHeld();
  }
}

const noRules: readonly HeaderRule[] = [];
