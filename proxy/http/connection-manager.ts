/**
 * Envoy's HTTP connection manager: what all connections of one version of a filter chain share. A rule change never makes
 * a new one (routes are read through the router's table); a listener change does, for connections accepted afterwards.
 */
import type { HttpConnectionManager } from '../api/listener.ts';
import type { UpgradeConfigs } from '../api/route.ts';
import type { Clock } from '../common/clock.ts';
import type { Stat, StatsStore } from '../common/stats.ts';
import type { HeadLimits } from '../http/head-limits.ts';
import type { HttpTracer } from '../tracing/http-tracer.ts';
import type { FilterFactory } from './filter.ts';
import { createForwardedClientCert, type ForwardedClientCert } from './forwarded-client-cert.ts';
import { forwardedProtoName, requestIdName } from './forwarded-headers.ts';
import { Known } from './header-name.ts';
import { RequestIds } from './request-id.ts';
import { createRequestAdmission, type RequestAdmission } from './request-admission.ts';
import { createRequestOrigin, type RequestOrigin } from './request-origin.ts';
import { HttpStream, type ServerCodec } from './stream.ts';

/** Hears of every finished stream: access log, metrics. Must not keep the stream. */
export interface StreamObserver {
  onComplete(stream: HttpStream, durationMs: number): void;
}

/** A downstream connection as its manager sees it. */
export interface ManagedConnection {
  /** Monotonic milliseconds; 0 = none. */
  readonly deadlineMs: number;
  onDeadline(nowMs: number): void;
  drain(): void;
  destroy(): void;
}

export interface ConnectionManagerDependencies {
  readonly clock: Clock;
  readonly stats: StatsStore;
  readonly filters: readonly FilterFactory[];
  readonly observers: readonly StreamObserver[];
  /** Undefined: trace context passes through untouched. */
  readonly tracer?: HttpTracer | undefined;
}

/** Deadlines of connections are checked this often: they are seconds, and checking costs the request path nothing. */
const sweepIntervalMs = 1_000;
/** The clock of the day may be set: how far it is from the monotonic one is read again after this time, not per request. */
const offsetValidMs = 100;
/** Finished streams kept for reuse. */
const maxPooledStreams = 1_024;

export class ConnectionManager {
  readonly config: HttpConnectionManager;
  readonly headLimits: HeadLimits;
  readonly tracer: HttpTracer | undefined;
  readonly #clock: Clock;
  readonly #filters: readonly FilterFactory[];
  readonly #observers: readonly StreamObserver[];
  readonly stats: ConnectionManagerStats;
  readonly #requestIds = new RequestIds();
  readonly #admission: RequestAdmission | undefined;
  readonly #origin: RequestOrigin | undefined;
  /** Undefined where what clients say about certificates is passed on. */
  readonly clientCert: ForwardedClientCert | undefined;
  readonly #connections = new Set<ManagedConnection>();
  readonly #pool: HttpStream[] = [];
  #nowMs: number;
  /** Of the time of day against the monotonic one, and until when it holds. */
  #offsetMs = 0;
  #offsetUntilMs = -Infinity;
  #cancelSweep: (() => void) | undefined = undefined;
  /** Of the proxy's own answers: what went wrong inside is nobody's business at the edge. */
  readonly tellsReasons: boolean;
  /** The last address there is the client's, as Envoy takes it where nothing else is configured. */
  readonly trustsForwardedFor: boolean;
  isDraining = false;

  constructor(config: HttpConnectionManager, dependencies: ConnectionManagerDependencies) {
    const { clock, stats, filters, observers, tracer } = dependencies;
    this.config = config;
    this.headLimits = { maxBytes: config.maxRequestHeadersBytes, maxHeaders: config.maxHeadersCount };
    this.#clock = clock;
    this.#admission = createRequestAdmission(config, stats);
    this.#origin = createRequestOrigin(config.origin);
    this.clientCert = createForwardedClientCert(config.clientCert);
    this.tellsReasons = !config.origin.usesRemoteAddress;
    this.trustsForwardedFor = !config.origin.usesRemoteAddress && config.origin.xffNumTrustedHops === 0;
    this.#filters = filters;
    this.tracer = tracer;
    this.#observers = tracer === undefined ? observers : [...observers, tracer];
    this.stats = new ConnectionManagerStats(stats, config.statPrefix);
    this.#nowMs = clock.monotonicMs();
  }

  /** Calls back once, unless what is returned is called before. */
  setTimer(callback: () => void, delayMs: number): () => void {
    return this.#clock.setTimer(callback, delayMs);
  }

  /** Monotonic milliseconds, read from the clock. */
  nowMs(): number {
    this.#nowMs = this.#clock.monotonicMs();
    return this.#nowMs;
  }

  /** The time last read, which is at most one sweep ago. */
  get recentMs(): number {
    return this.#nowMs;
  }

  /** The time of day, in Unix milliseconds, at `monotonicMs`. */
  wallTimeMs(monotonicMs: number): number {
    if (this.#nowMs >= this.#offsetUntilMs) {
      this.#offsetMs = this.#clock.nowMs() - this.#clock.monotonicMs();
      this.#offsetUntilMs = this.#nowMs + offsetValidMs;
    }
    return this.#offsetMs + monotonicMs;
  }

  /** `delayMs` from the time last read, which is at most one sweep ago; 0 stays 0, "never". */
  deadlineMs(delayMs: number): number {
    return delayMs === 0 ? 0 : this.#nowMs + delayMs;
  }

  // ---- connections ----

  addConnection(connection: ManagedConnection): void {
    // Without connections nothing reads the clock, and the deadlines of the first one are counted from here.
    this.nowMs();
    this.#connections.add(connection);
    this.stats.connections.value += 1;
    this.stats.connectionsActive.value += 1;
    this.#cancelSweep ??= this.#clock.setTimer(this.#sweep, sweepIntervalMs);
  }

  /** It was counted before it was known what it speaks; the codec that takes it over counts it again. */
  withdrawConnection(connection: ManagedConnection): void {
    this.onConnectionClosed(connection);
    this.stats.connections.value -= 1;
  }

  onConnectionClosed(connection: ManagedConnection): void {
    if (this.#connections.delete(connection)) this.stats.connectionsActive.value -= 1;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Idle connections close, busy ones after their current request (Envoy docs `draining`). */
  drain(): void {
    this.isDraining = true;
    for (const connection of this.#connections) connection.drain();
  }

  close(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    for (const connection of this.#connections) connection.destroy();
  }

  readonly #sweep = (): void => {
    const nowMs = this.nowMs();
    for (const connection of this.#connections) {
      if (connection.deadlineMs !== 0 && connection.deadlineMs <= nowMs) connection.onDeadline(nowMs);
    }
    this.#cancelSweep = this.#connections.size > 0 ? this.#clock.setTimer(this.#sweep, sweepIntervalMs) : undefined;
  };

  // ---- streams ----

  /** A stream from the pool, as new; it counts only once it begins. */
  acquireStream(): HttpStream {
    return this.#pool.pop() ?? new HttpStream(this, this.#filters);
  }

  beginStream(stream: HttpStream, codec: ServerCodec): void {
    stream.codec = codec;
    stream.startMs = this.nowMs();
    this.stats.requests.value += 1;
    this.stats.requestsActive.value += 1;
  }

  release(stream: HttpStream): void {
    stream.reset();
    if (this.#pool.length < maxPooledStreams) this.#pool.push(stream);
  }

  /** What every request gets before the first filter sees it (Envoy docs `http_conn_man/headers`); false: it was answered. */
  admitRequest(stream: HttpStream): boolean {
    if (this.#admission !== undefined && !this.#admission.admit(stream)) return false;
    const { headers } = stream.request;
    if (this.#origin !== undefined) this.#origin.establish(stream);
    if (this.clientCert !== undefined) this.clientCert.establish(stream);
    if (this.config.generateRequestId && !headers.hasKnown(Known.requestId)) {
      headers.add(requestIdName, this.#requestIds.next());
    }
    if (!headers.hasKnown(Known.forwardedProto)) {
      headers.add(forwardedProtoName, stream.codec?.isSecure === true ? 'https' : 'http');
    }
    return true;
  }

  /** A stream switches protocols. */
  onUpgrade(): void {
    this.stats.upgrades.value += 1;
    this.stats.upgradesActive.value += 1;
  }

  /** Whether requests may switch to `protocol`; `ofRoute` comes first where it has a say (Envoy docs `http/upgrades`). */
  allowsUpgrade(protocol: string, ofRoute: UpgradeConfigs | undefined): boolean {
    const type = protocol.toLowerCase();
    const isAllowed = ofRoute?.get(type) ?? this.config.upgradeConfigs.get(type) ?? false;
    if (!isAllowed) this.stats.upgradesRejected.value += 1;
    return isAllowed;
  }

  onStreamComplete(stream: HttpStream): void {
    stream.endMs = this.nowMs();
    const durationMs = stream.endMs - stream.startMs;
    const counter = this.stats.responseClasses[(stream.response.status / 100) | 0];
    if (counter !== undefined) counter.value += 1;
    this.stats.requestsActive.value -= 1;
    if (stream.isUpgraded) this.stats.upgradesActive.value -= 1;
    for (const observer of this.#observers) observer.onComplete(stream, durationMs);
  }
}

/** Envoy's statistics of a connection manager, under Envoy's names. */
export class ConnectionManagerStats {
  readonly connections: Stat;
  readonly http1Connections: Stat;
  readonly http2Connections: Stat;
  readonly connectionsActive: Stat;
  readonly upgrades: Stat;
  readonly upgradesActive: Stat;
  readonly upgradesRejected: Stat;
  readonly receivedBytes: Stat;
  readonly sentBytes: Stat;
  readonly requests: Stat;
  readonly requestsActive: Stat;
  /** Index 1–5; 0 counts streams that ended without a response. */
  readonly responseClasses: readonly Stat[];

  constructor(stats: StatsStore, statPrefix: string) {
    const prefix = `http.${statPrefix}.`;
    this.connections = stats.counter(`${prefix}downstream_cx_total`);
    this.http1Connections = stats.counter(`${prefix}downstream_cx_http1_total`);
    this.http2Connections = stats.counter(`${prefix}downstream_cx_http2_total`);
    this.connectionsActive = stats.gauge(`${prefix}downstream_cx_active`);
    this.upgrades = stats.counter(`${prefix}downstream_cx_upgrades_total`);
    this.upgradesActive = stats.gauge(`${prefix}downstream_cx_upgrades_active`);
    this.upgradesRejected = stats.counter(`${prefix}downstream_rq_ws_on_non_ws_route`);
    this.receivedBytes = stats.counter(`${prefix}downstream_cx_rx_bytes_total`);
    this.sentBytes = stats.counter(`${prefix}downstream_cx_tx_bytes_total`);
    this.requests = stats.counter(`${prefix}downstream_rq_total`);
    this.requestsActive = stats.gauge(`${prefix}downstream_rq_active`);
    this.responseClasses = [
      stats.counter(`${prefix}downstream_rq_rx_reset`),
      ...[1, 2, 3, 4, 5].map((digit) => stats.counter(`${prefix}downstream_rq_${digit}xx`)),
    ];
  }
}
