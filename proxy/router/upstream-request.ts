/**
 * One attempt: the request on its way to one host, and the response on its way back, as Envoy's class of this name. One
 * object lives in each pooled stream and serves its attempts one after the other.
 */
import type { MeshError } from '../common/errors.ts';
import { type TimerWheel, WheelTimer } from '../common/timer-wheel.ts';
import type { DataRun } from '../http/filter.ts';
import { httpStatusOfGrpc, isGrpcRequest } from '../http/grpc-status.ts';
import { HeaderName } from '../http/header-name.ts';
import type { RequestHead, ResponseHead } from '../http/message-head.ts';
import type { Host } from '../upstream/host.ts';
import type { LatencyEstimate } from '../upstream/latency-estimate.ts';
import type {
  DownstreamConnection,
  PoolCallbacks,
  ResponseDecoder,
  UpstreamStream,
} from '../upstream/upstream-stream.ts';

/** Who made the attempt: the router. */
export interface UpstreamRequestCallbacks {
  /** Monotonic milliseconds, a second old at most. */
  readonly recentMs: number;
  /** The connection that the request came on. */
  readonly downstream?: DownstreamConnection | undefined;
  /** It asks for another protocol; default false. */
  readonly isUpgrade?: boolean;
  /** A connection is there: send what there is of the request. */
  onUpstreamReady(request: UpstreamRequest): void;
  onUpstreamHeaders(request: UpstreamRequest, endStream: boolean): void;
  onUpstreamData(request: UpstreamRequest, data: DataRun, endStream: boolean): void;
  /** All bytes of one read were delivered. */
  onUpstreamFlush(): void;
  /** The host has ended its direction of an upgraded connection. */
  onUpstreamHalfClosed?(): void;
  /** The host can take more of the body again. */
  onUpstreamDrained(): void;
  /** The attempt has ended without a whole response. */
  onUpstreamReset(request: UpstreamRequest, error: MeshError, failed: FailedAttempt): void;
  /** The attempt goes on, but has taken longer than the policy wants to wait for the head of its response. */
  onPerTryTimeout?(request: UpstreamRequest): void;
  /** The attempt goes on, but not a byte was exchanged for too long. */
  onPerTryIdleTimeout?(request: UpstreamRequest): void;
}

export interface FailedAttempt {
  readonly host: Host;
  /** The request's head went out, so the application may have seen it. */
  readonly isSent: boolean;
  /** On a connection that carried a request before: the reset may be its idle timeout, not an answer (B6). */
  readonly isReused: boolean;
}

/** A host says that it is going down, in a response to a request (Envoy docs `upstream/health_checking`). */
const immediateFailure = new HeaderName('x-envoy-immediate-health-check-fail');
const grpcStatus = new HeaderName('grpc-status');

type State =
  | 'inactive'
  /** For a connection. */
  | 'waiting'
  /** The request's head went out, that of the response did not come yet. */
  | 'sent'
  | 'responding'
  /** What comes of the response is dropped: another attempt answers. */
  | 'discarding';

export class UpstreamRequest implements ResponseDecoder, PoolCallbacks {
  readonly responseHead: ResponseHead;
  downstream: DownstreamConnection | undefined = undefined;
  isUpgrade = false;
  readonly #callbacks: UpstreamRequestCallbacks;
  #host: Host | undefined = undefined;
  /** As it went out. */
  #request: RequestHead | undefined = undefined;
  #connection: UpstreamStream | undefined = undefined;
  #lastConnection: UpstreamStream | undefined = undefined;
  readonly #timers: TimerWheel;
  readonly #perTryTimer: WheelTimer;
  readonly #idleTimer: WheelTimer;
  #idleTimeoutMs = 0;
  /** Since when its host has all that it needs to answer, where hosts are chosen by their latency; else -1. */
  #requestedMs = -1;
  #state: State = 'inactive';

  constructor(callbacks: UpstreamRequestCallbacks, responseHead: ResponseHead, timers: TimerWheel) {
    this.#callbacks = callbacks;
    this.responseHead = responseHead;
    this.#timers = timers;
    this.#perTryTimer = new WheelTimer(() => this.#callbacks.onPerTryTimeout?.(this));
    this.#idleTimer = new WheelTimer(() => this.#callbacks.onPerTryIdleTimeout?.(this));
  }

  /** Where the attempt goes, or where the last one went. */
  get host(): Host | undefined {
    return this.#host;
  }

  /** The connection of the attempt, or the one it had; undefined when it got none. */
  get connection(): UpstreamStream | undefined {
    return this.#lastConnection;
  }

  /** A response is waited for or being received. */
  get isActive(): boolean {
    return this.#state !== 'inactive' && this.#state !== 'discarding';
  }

  get isInactive(): boolean {
    return this.#state === 'inactive';
  }

  get isWaiting(): boolean {
    return this.#state === 'waiting';
  }

  get isAwaitingHeaders(): boolean {
    return this.#state === 'sent';
  }

  /** The request's head went out on a connection that takes the body. */
  get isSent(): boolean {
    return this.#state === 'sent' || this.#state === 'responding';
  }

  get recentMs(): number {
    return this.#callbacks.recentMs;
  }

  /** Takes an idle connection, or waits for one; `onUpstreamReady` is called at once or later. */
  start(host: Host, nowMs: number, mayReuse: boolean): void {
    this.#host = host;
    this.#lastConnection = undefined;
    this.downstream = this.#callbacks.downstream;
    this.isUpgrade = this.#callbacks.isUpgrade === true;
    this.#state = 'waiting';
    if (host.latency !== undefined) this.#requestedMs = host.cluster.context.clock.monotonicMs();
    const connection = host.newStream(this, nowMs, mayReuse);
    if (connection !== undefined) this.#begin(connection);
  }

  /** Once the request is complete (`perTryTimeoutMs`) or sent; 0 leaves a timer as it is. */
  armTimeouts(perTryTimeoutMs: number, idleTimeoutMs: number): void {
    if (perTryTimeoutMs > 0) this.#timers.arm(this.#perTryTimer, perTryTimeoutMs);
    if (idleTimeoutMs > 0) this.#idleTimeoutMs = idleTimeoutMs;
    this.#onProgress();
  }

  #onProgress(): void {
    if (this.#idleTimeoutMs > 0) this.#timers.arm(this.#idleTimer, this.#idleTimeoutMs);
  }

  #begin(connection: UpstreamStream): void {
    this.#connection = connection;
    this.#lastConnection = connection;
    connection.attach(this);
    this.#callbacks.onUpstreamReady(this);
  }

  // ---- from the pool, when no connection was idle ----

  onPoolReady(connection: UpstreamStream): void {
    this.#begin(connection);
    // No read from downstream is under way that would end with a flush: the body may be long in coming.
    this.flush();
  }

  onPoolFailure(error: MeshError): void {
    const host = this.#host;
    if (host === undefined || this.#state !== 'waiting') return;
    host.recordResult(error);
    if (host.latency !== undefined && error.code !== 'overflow') this.#recordLatency(host, host.latency, 'failure');
    this.#end(host);
    this.#callbacks.onUpstreamReset(this, error, { host, isSent: false, isReused: false });
  }

  // ---- the request ----

  encodeHeaders(head: RequestHead, endStream: boolean): void {
    this.#state = 'sent';
    this.#request = head;
    // How long the client takes for the body says nothing about the host.
    if (!endStream) this.#requestedMs = -1;
    this.#connection?.encodeHeaders(head, endStream);
  }

  encodeData(data: DataRun, endStream: boolean): void {
    if (endStream && this.#state === 'sent' && this.#host?.latency !== undefined) {
      this.#requestedMs = this.#host.cluster.context.clock.monotonicMs();
    }
    this.#connection?.encodeData(data, endStream);
    this.#onProgress();
  }

  flush(): void {
    if (this.isSent) this.#connection?.flush();
  }

  get isCongested(): boolean {
    return this.#connection?.isCongested === true;
  }

  pauseResponse(): void {
    this.#connection?.pauseResponse();
  }

  resumeResponse(): void {
    this.#connection?.resumeResponse();
  }

  // ---- from the connection ----

  onRequestDrained(): void {
    this.#callbacks.onUpstreamDrained();
  }

  onResponseHeaders(endStream: boolean): void {
    const host = this.#host;
    if (host === undefined) return;
    host.cluster.stats.responses.charge(this.responseHead.status);
    host.recordResult(this.#statusOfHost());
    if (host.check !== undefined && this.responseHead.headers.get(immediateFailure) !== undefined) host.check.failNow();
    this.#timers.disarm(this.#perTryTimer);
    this.#onProgress();
    this.#state = 'responding';
    if (host.latency !== undefined) this.#recordLatency(host, host.latency, 'answer');
    if (endStream) this.#end(host);
    this.#callbacks.onUpstreamHeaders(this, endStream);
  }

  /** What the host is judged by: of a call of gRPC that was answered with a status alone what that is in HTTP, as in Envoy. */
  #statusOfHost(): number {
    const { headers, status } = this.responseHead;
    const text = headers.get(grpcStatus);
    const isCall = text !== undefined && this.#request !== undefined && isGrpcRequest(this.#request);
    return isCall ? httpStatusOfGrpc(Number(text)) : status;
  }

  #recordLatency({ cluster }: Host, latency: LatencyEstimate, end: 'answer' | 'failure' | 'abandon'): void {
    if (this.#requestedMs < 0) return;
    const nowMs = cluster.context.clock.monotonicMs();
    const rttMs = nowMs - this.#requestedMs;
    this.#requestedMs = -1;
    if (end === 'answer') latency.record(rttMs, nowMs);
    else if (end === 'failure') latency.recordFailure(rttMs, nowMs);
    else latency.recordAtLeast(rttMs, nowMs);
  }

  onResponseData(data: DataRun, endStream: boolean): void {
    const host = this.#host;
    if (host === undefined) return;
    const isDiscarding = this.#state === 'discarding';
    this.#onProgress();
    if (endStream) this.#end(host);
    if (!isDiscarding) this.#callbacks.onUpstreamData(this, data, endStream);
  }

  /** A response that is dropped costs its connection, unless the rest of it has come already. */
  onResponseFlush(): void {
    if (this.#state === 'discarding') this.abandon();
    else this.#callbacks.onUpstreamFlush();
  }

  onResponseHalfClosed(): void {
    this.#callbacks.onUpstreamHalfClosed?.();
  }

  onReset(error: MeshError, { isReused }: UpstreamStream): void {
    const host = this.#host;
    const { isActive, isSent } = this;
    if (host === undefined || this.#state === 'inactive') return;
    host.cluster.stats.resets.value += 1;
    host.recordResult(error);
    if (host.latency !== undefined) this.#recordLatency(host, host.latency, 'failure');
    this.#end(host);
    if (isActive) this.#callbacks.onUpstreamReset(this, error, { host, isSent, isReused });
  }

  // ---- the end ----

  /** The response whose head has just come is not wanted. */
  discard(): void {
    this.responseHead.reset();
    if (this.#state === 'responding') this.#state = 'discarding';
  }

  /** Nobody waits for the response any more. */
  abandon(): void {
    const host = this.#host;
    if (host === undefined || this.#state === 'inactive') return;
    const connection = this.#connection;
    this.#end(host);
    connection?.abandon();
  }

  /** The stream is over, and its next one must not see a host of this one. */
  reset(): void {
    this.abandon();
    this.#host = undefined;
    this.#lastConnection = undefined;
    this.downstream = undefined;
  }

  #end(host: Host): void {
    if (host.latency !== undefined) this.#recordLatency(host, host.latency, 'abandon');
    host.endStream(this, this.#connection);
    this.#connection = undefined;
    this.#request = undefined;
    this.#state = 'inactive';
    this.#timers.disarm(this.#perTryTimer);
    this.#timers.disarm(this.#idleTimer);
    this.#idleTimeoutMs = 0;
  }
}
