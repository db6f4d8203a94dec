/**
 * A copy of one request on its way to another cluster, whose answer nobody reads (Envoy docs, `RequestMirrorPolicy`). It
 * lives on its own: whatever becomes of it, the request that it copies goes its way, and neither waits for the other.
 */
import type { RouteAction } from '../api/route.ts';
import { ByteBuffer } from '../common/byte-buffer.ts';
import { type TimerWheel, WheelTimer } from '../common/timer-wheel.ts';
import type { ConnectionManager } from '../http/connection-manager.ts';
import type { DataRun } from '../http/filter.ts';
import { Known, knownHeaders } from '../http/header-name.ts';
import { RequestHead, ResponseHead } from '../http/message-head.ts';
import type { HttpStream } from '../http/stream.ts';
import { markNotSampled } from '../tracing/trace-context.ts';
import type { ClusterManager } from '../upstream/cluster-manager.ts';
import type { PoolCallbacks, ResponseDecoder, UpstreamStream } from '../upstream/upstream-stream.ts';
import type { Host } from '../upstream/host.ts';
import type { Random } from '../upstream/picker.ts';

export interface MirrorContext {
  readonly clusters: ClusterManager;
  readonly timers: TimerWheel;
  readonly random: Random;
}

/** Body bytes that may wait for a slow mirror: Envoy's default buffer limit. What needs more is given up. */
const maxWaitingBytes = 1024 * 1024;
/** Of a route without a timeout: a mirror that never answers must not be kept for ever. Envoy's default for routes. */
const defaultTimeoutMs = 15_000;

export const noMirrors: readonly RequestMirror[] = [];

/** Begins the copies that `action` asks for, when the request's head is as it goes upstream. `endStream`: it has no body. */
export function startMirrors(
  stream: HttpStream,
  action: RouteAction,
  { clusters, timers, random }: MirrorContext,
  endStream: boolean,
): readonly RequestMirror[] {
  let mirrors: RequestMirror[] | undefined = undefined;
  const timeoutMs = action.timeoutMs > 0 ? action.timeoutMs : defaultTimeoutMs;
  for (const { clusterName, probability, hasShadowHostSuffix } of action.requestMirrorPolicies) {
    if (random() >= probability) continue;
    const cluster = clusters.get(clusterName);
    const host = cluster?.pick();
    if (host !== undefined) {
      const mirror = new RequestMirror(stream, host, { timers, timeoutMs, hasShadowHostSuffix, endStream });
      mirror.start(stream.startMs);
      (mirrors ??= []).push(mirror);
    } else if (cluster !== undefined) {
      cluster.stats.noHealthy.value += 1;
    }
  }
  return mirrors ?? noMirrors;
}

interface MirrorOptions {
  readonly timers: TimerWheel;
  readonly timeoutMs: number;
  readonly hasShadowHostSuffix: boolean;
  /** The request has no body. */
  readonly endStream: boolean;
}

export class RequestMirror implements PoolCallbacks, ResponseDecoder {
  readonly responseHead = new ResponseHead();
  readonly #manager: ConnectionManager;
  readonly #head = new RequestHead();
  readonly #host: Host;
  readonly #timers: TimerWheel;
  readonly #timer: WheelTimer;
  readonly #timeoutMs: number;
  #connection: UpstreamStream | undefined = undefined;
  /** Body bytes that the host cannot take yet. */
  readonly #waiting = new ByteBuffer();
  /** Bytes of the body wait, or its end. */
  #isBodyWaiting = false;
  #isRequestComplete: boolean;
  #isOver = false;

  constructor({ manager, request }: HttpStream, host: Host, options: MirrorOptions) {
    this.#manager = manager;
    this.#host = host;
    this.#head.copyFrom(request);
    if (manager.tracer !== undefined) markNotSampled(this.#head.headers);
    if (options.hasShadowHostSuffix) appendShadowSuffix(this.#head);
    this.#isRequestComplete = options.endStream;
    this.#timers = options.timers;
    this.#timeoutMs = options.timeoutMs;
    this.#timer = new WheelTimer(() => this.#abandon());
  }

  start(nowMs: number): void {
    if (this.#isRequestComplete) this.#timers.arm(this.#timer, this.#timeoutMs, nowMs);
    const connection = this.#host.newStream(this, nowMs, true);
    if (connection !== undefined) this.onPoolReady(connection);
  }

  /** A run of the body that the request itself takes too. */
  encodeData(data: DataRun, endStream: boolean): void {
    if (this.#isOver) return;
    this.#isRequestComplete = endStream;
    if (endStream) this.#timers.arm(this.#timer, this.#timeoutMs);
    const connection = this.#connection;
    if (connection === undefined || connection.isCongested || this.#isBodyWaiting) {
      this.#keepWaiting(data);
    } else {
      connection.encodeData(data, endStream);
    }
  }

  /** All bytes of one read were handed over: one write for many small runs. */
  flush(): void {
    this.#connection?.flush();
  }

  #keepWaiting({ bytes, start, end }: DataRun): void {
    this.#isBodyWaiting = true;
    this.#waiting.append(bytes, start, end);
    if (this.#waiting.length > maxWaitingBytes) this.#abandon();
  }

  /** The stream of the request is over: a request that did not come whole is not one to repeat. */
  onStreamDestroyed(): void {
    if (!this.#isRequestComplete) this.#abandon();
  }

  // ---- from the pool and the connection ----

  onPoolReady(connection: UpstreamStream): void {
    this.#connection = connection;
    connection.attach(this);
    connection.encodeHeaders(this.#head, this.#isRequestComplete && !this.#isBodyWaiting);
    this.#sendWaiting(connection);
  }

  onPoolFailure(): void {
    this.#end();
  }

  get recentMs(): number {
    return this.#manager.recentMs;
  }

  onRequestDrained(): void {
    if (this.#connection !== undefined) this.#sendWaiting(this.#connection);
  }

  #sendWaiting(connection: UpstreamStream): void {
    const { bytes } = this.#waiting;
    if (this.#isBodyWaiting) {
      this.#waiting.clear();
      this.#isBodyWaiting = false;
      connection.encodeData({ bytes, start: 0, end: bytes.length }, this.#isRequestComplete);
    }
    connection.flush();
  }

  onResponseHeaders(endStream: boolean): void {
    this.#host.cluster.stats.responses.charge(this.responseHead.status);
    if (endStream) this.#end();
  }

  onResponseData(_data: DataRun, endStream: boolean): void {
    if (endStream) this.#end();
  }

  onResponseFlush(): void {}

  onReset(): void {
    this.#host.cluster.stats.resets.value += 1;
    this.#end();
  }

  // ---- the end ----

  #abandon(): void {
    const connection = this.#connection;
    this.#end();
    connection?.abandon();
  }

  #end(): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#host.endStream(this, this.#connection);
    this.#connection = undefined;
    this.#waiting.clear();
    this.#timers.disarm(this.#timer);
  }
}

/** So that the mirror's logs tell copies from requests: `cart:8080` becomes `cart-shadow:8080`, as in Envoy. */
function appendShadowSuffix(head: RequestHead): void {
  const portAt = /:\d+$/.exec(head.authority)?.index ?? head.authority.length;
  head.authority = `${head.authority.slice(0, portAt)}-shadow${head.authority.slice(portAt)}`;
  const host = knownHeaders[Known.host];
  if (host !== undefined && head.headers.hasKnown(Known.host)) head.headers.set(host, head.authority);
}
