/**
 * The terminal HTTP filter: finds route, cluster and host, carries the request there and the response back. One per
 * pooled stream; the path of a request that meets a warm connection allocates nothing here.
 */
import type { RouteAction } from '../api/route.ts';
import { MeshError } from '../common/errors.ts';
import { type TimerWheel, WheelTimer } from '../common/timer-wheel.ts';
import type { DataRun, FilterFactory, FilterStatus, HttpFilter } from '../http/filter.ts';
import { controlBit, HeaderName, Known } from '../http/header-name.ts';
import type { RequestHead, ResponseHead } from '../http/message-head.ts';
import type { HttpStream } from '../http/stream.ts';
import type { ClusterManager } from '../upstream/cluster-manager.ts';
import type { Host } from '../upstream/host.ts';
import { describeOutage } from '../upstream/outage.ts';
import type { Random } from '../upstream/picker.ts';
import type { DownstreamConnection } from '../upstream/upstream-stream.ts';
import { currentRoute } from './current-route.ts';
import { type RequestHash, addCookies, noHash } from './hash-policy.ts';
import { applyHeaderRules, type HeaderRules } from './header-rules.ts';
import { answerLocally } from './local-answer.ts';
import { prepareRequest } from './request-rewrite.ts';
import { noMirrors, type RequestMirror, startMirrors } from './mirror.ts';
import { RetainedBody } from './retained-body.ts';
import { type RequestControls, removeRequestControls, takeRequestControls } from './request-controls.ts';
import { announceAttempt, announceTimeout } from './retry-headers.ts';
import type { CompiledRetryPolicy } from './retry-conditions.ts';
import { type RetryDecision, RetryState } from './retry-state.ts';
import { requestTimeoutMs } from './request-timeout.ts';
import { type CompiledRoute, type RouteTable, chooseCluster } from './route-table.ts';
import type { FailedAttempt, UpstreamRequest, UpstreamRequestCallbacks } from './upstream-request.ts';
import { UpstreamRequests } from './upstream-requests.ts';

/** What all routers of a connection manager share. */
export interface RouterContext {
  /** The table in force now; a request reads it once. Undefined until the first one arrived. */
  readonly routes: () => RouteTable | undefined;
  readonly clusters: ClusterManager;
  readonly timers: TimerWheel;
  readonly random: Random;
  /** Requests come from this workload's own application, and may say themselves how they are treated. Default false. */
  readonly isInternal?: boolean;
}

export function createRouterFactory(context: RouterContext): FilterFactory {
  return (stream) => new RouterFilter(stream, context);
}

const upstreamServiceTime = new HeaderName('x-envoy-upstream-service-time');

class RouterFilter implements HttpFilter, UpstreamRequestCallbacks {
  readonly #stream: HttpStream;
  readonly #context: RouterContext;
  readonly #retry: RetryState;
  readonly #routeTimer: WheelTimer;
  readonly #upstream: UpstreamRequests;
  readonly #body = new RetainedBody();
  #route: CompiledRoute | undefined = undefined;
  #action: RouteAction | undefined = undefined;
  #mirrors: readonly RequestMirror[] = noMirrors;
  /** Of the chosen cluster, or of a route that leads to none. */
  #headers: HeaderRules | undefined = undefined;
  #hash: RequestHash = noHash;
  /** The route's, unless the request itself says otherwise. */
  #retryPolicy: CompiledRetryPolicy | undefined = undefined;
  /** Undefined for most requests, which say nothing. */
  #controls: RequestControls | undefined = undefined;
  /** Of the whole request; 0 = none. */
  #timeoutMs = 0;
  /** Monotonic milliseconds; the beginning, until the whole request has come. */
  #requestCompleteMs = 0;
  #isBodiless = false;
  /** All of the request has come this far, which is later than to the stream when a filter held it. */
  #isRequestComplete = false;

  constructor(stream: HttpStream, context: RouterContext) {
    this.#stream = stream;
    this.#context = context;
    this.#upstream = new UpstreamRequests(this, stream.response, context.timers);
    this.#retry = new RetryState(context.timers, context.random, () => this.#retryNow());
    this.#routeTimer = new WheelTimer(() => this.#onRouteTimeout());
  }

  // ---- the request, from downstream ----

  decodeHeaders(head: RequestHead, endStream: boolean): FilterStatus {
    const route = currentRoute(this.#stream, this.#context.routes);
    if (route === undefined) {
      this.#stream.sendLocalReply(new MeshError('no_route', 'no route matches the request'));
      return 'continue';
    }
    this.#route = route;
    this.#stream.routeName = route.name;
    this.#headers = route.headers;
    if (route.action.kind !== 'route') {
      answerLocally(this.#stream, route, route.action);
      return 'continue';
    }
    this.#action = route.action;
    if (head.upgrade !== '' && !this.#allowsUpgrade(head.upgrade, route.action)) return 'continue';
    this.#routeRequest(route, route.action, endStream);
    return 'continue';
  }

  #allowsUpgrade(protocol: string, { upgradeConfigs }: RouteAction): boolean {
    const isAllowed = this.#stream.manager.allowsUpgrade(protocol, upgradeConfigs);
    if (!isAllowed) {
      this.#stream.sendLocalReply(
        new MeshError('upgrade_rejected', 'switching to the protocol asked for is not allowed'),
      );
    }
    return isAllowed;
  }

  #routeRequest(route: CompiledRoute, action: RouteAction, endStream: boolean): void {
    const stream = this.#stream;
    if (route.hashRequest !== undefined) this.#hash = route.hashRequest(stream);
    const chosen = chooseCluster(route, action, this.#context.random, this.#hash.value);
    this.#headers = chosen?.headers;
    const cluster = chosen && this.#context.clusters.get(chosen.name);
    if (chosen === undefined || cluster === undefined) {
      stream.sendLocalReply(new MeshError('no_cluster', `the cluster ${chosen?.name} of the route is not known`));
      return;
    }
    stream.cluster = cluster;
    stream.attemptCount = 1;
    const host = cluster.pick(this.#hash.value, 0, destinationOf(stream));
    if (host === undefined) {
      cluster.stats.noHealthy.value += 1;
      stream.sendLocalReply(new MeshError('no_healthy_upstream', describeOutage(cluster)));
      return;
    }
    this.#retryPolicy = route.retryPolicy;
    if (stream.request.headers.hasKnown(controlBit)) this.#readControls(route, action);
    prepareRequest(stream, chosen, route.rewritePath);
    // A copy would leave its mirror waiting for what only the client's own connection carries.
    if (action.requestMirrorPolicies.length > 0 && stream.request.upgrade === '')
      this.#mirrors = startMirrors(stream, action, this.#context, endStream);
    this.#retry.begin(this.#retryPolicy, stream.request);
    this.#timeoutMs = this.#controls?.timeoutMs ?? requestTimeoutMs(action, stream.request);
    announceTimeout(this.#retryPolicy, this.#timeoutMs, stream.request.headers);
    if (action.idleTimeoutMs !== undefined) stream.codec?.setIdleTimeout(action.idleTimeoutMs);
    this.#isBodiless = endStream;
    this.#isRequestComplete = endStream;
    this.#requestCompleteMs = stream.startMs;
    if (endStream) this.#armRouteTimeout(stream.startMs);
    this.#startAttempt(host);
  }

  #readControls(route: CompiledRoute, action: RouteAction): void {
    const { headers } = this.#stream.request;
    if (this.#context.isInternal !== true) {
      removeRequestControls(headers);
      return;
    }
    this.#controls = takeRequestControls(headers, route, action);
    this.#retryPolicy = this.#controls.retryPolicy;
  }

  decodeData(data: DataRun, endStream: boolean): void {
    const upstream = this.#upstream;
    if (endStream) this.#onRequestComplete();
    const { isSent } = upstream;
    this.#body.append(data, !isSent || this.#retry.wantsBody);
    upstream.encodeData(data, endStream);
    for (const mirror of this.#mirrors) mirror.encodeData(data, endStream);
    if (isSent) this.#limitBody();
    if (!isSent || upstream.isCongested) this.#stream.codec?.pauseRequest();
  }

  #onRequestComplete(): void {
    this.#isRequestComplete = true;
    if (this.#stream.isUpgraded) return;
    this.#requestCompleteMs = this.#stream.manager.nowMs();
    this.#armRouteTimeout(this.#requestCompleteMs);
    this.#armPerTryTimeout(this.#upstream);
  }

  /** A body that went out and is too large to be kept cannot be sent again (Envoy docs `per_request_buffer_limit_bytes`). */
  #limitBody(): void {
    const body = this.#body;
    if (body.length <= Math.min(this.#retry.bodyLimitBytes, this.#route?.bufferLimitBytes ?? 0)) return;
    const { cluster } = this.#stream;
    if (cluster !== undefined && this.#retry.wantsBody) cluster.stats.retryAbandoned.value += 1;
    body.release();
  }

  decodeFlush(): void {
    this.#upstream.flush();
    if (this.#mirrors.length > 0) for (const mirror of this.#mirrors) mirror.flush();
  }

  onDownstreamDrained(): void {
    this.#upstream.resumeResponse();
  }

  // ---- attempts ----

  #startAttempt(host: Host): void {
    const stream = this.#stream;
    stream.host = host;
    const routeStats = this.#route?.stats;
    if (routeStats !== undefined) routeStats.requests.value += 1;
    stream.attemptCount = this.#retry.attempts;
    if (this.#route?.includesAttemptCount === true) announceAttempt(this.#retry.attempts, stream.request.headers);
    // A server that closed one idle connection has probably closed them all.
    const upstream = this.#upstream.acquire();
    stream.upstream = upstream;
    upstream.start(host, stream.manager.recentMs, !this.#retry.wantsNewConnection);
  }

  onUpstreamReady(upstream: UpstreamRequest): void {
    const stream = this.#stream;
    const body = this.#body;
    const isComplete = this.#isRequestComplete;
    if (upstream.connection?.protocol === 'HTTP/2') this.#retry.onRefusable();
    upstream.encodeHeaders(stream.request, this.#isBodiless);
    if (isComplete) this.#armPerTryTimeout(upstream);
    if (this.#isBodiless || (!isComplete && body.length === 0)) return;
    body.sendTo(upstream, isComplete);
    if (this.#retry.wantsBody) this.#limitBody();
    else body.release();
    upstream.flush();
    if (!upstream.isCongested) stream.codec?.resumeRequest();
  }

  onUpstreamDrained(): void {
    this.#stream.codec?.resumeRequest();
  }

  onUpstreamReset(_upstream: UpstreamRequest, error: MeshError, failed: FailedAttempt): void {
    const stream = this.#stream;
    const { cluster } = stream;
    // With a response under way there is no other attempt.
    if (stream.isResponseStarted || cluster === undefined) {
      stream.sendLocalReply(error);
      return;
    }
    if (this.#retry.isPending) return;
    const decision = this.#body.isWhole ? this.#retry.onReset(cluster, error, failed) : 'no';
    if (this.#isRetried(decision) || this.#upstream.isAnyActive) return;
    stream.sendLocalReply(error, error.code === 'upstream_timeout' ? this.#controls?.timeoutStatus : undefined);
  }

  /** Whether another attempt follows; when it does not although one should, the flags say so. */
  #isRetried(decision: RetryDecision): boolean {
    if (decision === 'retry') this.#retry.schedule();
    else if (decision !== 'no') this.#onRetryRefused(decision);
    return decision === 'retry';
  }

  #onRetryRefused(decision: 'overflow' | 'limit-exceeded'): void {
    this.#stream.isRetryLimitExceeded = true;
    const { stats } = this.#route ?? {};
    if (stats !== undefined) (decision === 'overflow' ? stats.retryOverflow : stats.retryLimitExceeded).value += 1;
  }

  #retryNow(): void {
    const { cluster } = this.#stream;
    if (cluster === undefined) return;
    // The cluster may have been replaced meanwhile; what is in force now knows which hosts are left.
    const current = this.#context.clusters.get(cluster.config.name) ?? cluster;
    current.stats.retries.value += 1;
    if (this.#route?.stats !== undefined) this.#route.stats.retries.value += 1;
    const host = this.#retry.chooseHost(current, this.#hash.value, destinationOf(this.#stream));
    if (host !== undefined) {
      this.#startAttempt(host);
      this.decodeFlush();
    } else if (!this.#upstream.isAnyActive) {
      const reason = `no healthy endpoint is left in cluster ${cluster.config.name}`;
      this.#stream.sendLocalReply(new MeshError('no_healthy_upstream', reason));
    }
  }

  // ---- the response, from upstream ----

  get downstream(): DownstreamConnection | undefined {
    return this.#stream.codec?.connection;
  }

  get isUpgrade(): boolean {
    return this.#stream.request.upgrade !== '';
  }

  get recentMs(): number {
    return this.#stream.manager.recentMs;
  }

  onUpstreamHeaders(upstream: UpstreamRequest, endStream: boolean): void {
    if (!this.#isAnswer(upstream)) {
      this.#route?.stats?.responses.charge(upstream.responseHead.status);
      upstream.discard();
      return;
    }
    const stream = this.#stream;
    // Nothing is tried again, so nothing of the request is sent again, however long the rest of it is in coming.
    this.#body.release();
    // A second attempt of a hedged request that has not begun yet is not wanted any more.
    if (this.#retry.isPending) this.#retry.end();
    stream.response = this.#upstream.choose(upstream);
    stream.host = upstream.host;
    stream.upstream = upstream;
    const { headers } = stream.response;
    // Each hop says what it measured itself: an upstream sidecar's number is not ours.
    if (headers.hasKnown(Known.upstreamServiceTime)) headers.remove(upstreamServiceTime);
    stream.responseStartMs = stream.manager.nowMs();
    headers.add(upstreamServiceTime, String(Math.round(stream.responseStartMs - stream.startMs)));
    if (endStream) this.#recordTime();
    stream.encodeHeaders(endStream);
    // Neither a request nor its answer are under way any more.
    if (stream.isUpgraded) this.#context.timers.disarm(this.#routeTimer);
  }

  /** The response is complete. */
  #recordTime(): void {
    const { manager, cluster } = this.#stream;
    const durationMs = manager.nowMs() - this.#requestCompleteMs;
    cluster?.stats.responses.time.record(durationMs);
    this.#route?.stats?.responses.time.record(durationMs);
  }

  /** Whether the response whose head has come goes downstream. One that should be retried does when it is the last. */
  #isAnswer({ responseHead, host }: UpstreamRequest): boolean {
    const { cluster, manager } = this.#stream;
    if (!this.#retry.coversResponses || cluster === undefined || host === undefined) return true;
    const decision = this.#body.isWhole ? this.#retry.onResponse(cluster, host, responseHead, manager) : 'no';
    if (this.#isRetried(decision)) return false;
    return decision === 'no' || !this.#upstream.isAnyOtherActive;
  }

  encodeHeaders(head: ResponseHead): void {
    this.#chargeAnswer(head.status);
    const isError = this.#stream.error !== undefined;
    const rules = isError ? this.#rulesForErrors() : this.#headers;
    if (rules === undefined) return;
    if (!isError) addCookies(this.#hash, head.headers);
    applyHeaderRules(rules.response, head.headers, this.#stream);
  }

  /** As in Envoy errors too have what the route adds to responses, when it leads to a cluster: whoever reports them. */
  #rulesForErrors(): HeaderRules | undefined {
    const { route } = this.#stream;
    if (route?.action.kind !== 'route') return undefined;
    return this.#headers ?? chooseCluster(route, route.action, this.#context.random, this.#hash.value)?.headers;
  }

  /** A failure of the upstream counts there as the answer that it became, as in Envoy. */
  #chargeAnswer(status: number): void {
    const { cluster, error } = this.#stream;
    if (cluster === undefined || (error !== undefined && error.class.source !== 'upstream')) return;
    if (error !== undefined) cluster.stats.responses.charge(status);
    const stats = this.#route?.stats;
    if (stats === undefined) return;
    stats.responses.charge(status);
    if (error === undefined && this.#retry.isRetried) stats.retrySuccess.value += 1;
  }

  onUpstreamData(upstream: UpstreamRequest, data: DataRun, endStream: boolean): void {
    const stream = this.#stream;
    if (endStream) this.#recordTime();
    stream.encodeData(data, endStream);
    if (!endStream && stream.codec?.isCongested === true) upstream.pauseResponse();
  }

  onUpstreamHalfClosed(): void {
    this.#stream.codec?.halfClose();
  }

  onUpstreamFlush(): void {
    this.#stream.codec?.flush();
  }

  // ---- timeouts and the end ----

  /** Starts when the request is complete and covers all attempts (semantics S21). */
  #armRouteTimeout(nowMs: number): void {
    if (this.#timeoutMs > 0) this.#context.timers.arm(this.#routeTimer, this.#timeoutMs, nowMs);
  }

  #onRouteTimeout(): void {
    const { cluster } = this.#stream;
    if (cluster !== undefined) cluster.stats.timeouts.value += 1;
    if (this.#route?.stats !== undefined) this.#route.stats.timeouts.value += 1;
    const error = new MeshError('upstream_timeout', `no response within ${this.#timeoutMs} ms`);
    this.#upstream.recordTimeout(error);
    this.#stream.sendLocalReply(error, this.#controls?.timeoutStatus);
  }

  /** Of one attempt, or of all there are: also from the end of the request. */
  #armPerTryTimeout(upstream: UpstreamRequest | UpstreamRequests): void {
    const { policy } = this.#retryPolicy ?? {};
    if (policy === undefined || this.#stream.isResponseStarted) return;
    const { perTryTimeoutMs, perTryIdleTimeoutMs } = policy;
    const isShorter = this.#timeoutMs === 0 || perTryTimeoutMs < this.#timeoutMs;
    upstream.armTimeouts(isShorter ? perTryTimeoutMs : 0, perTryIdleTimeoutMs);
  }

  onPerTryTimeout(upstream: UpstreamRequest): void {
    const { cluster } = this.#stream;
    const { host } = upstream;
    if (cluster === undefined || host === undefined) return;
    cluster.stats.perTryTimeouts.value += 1;
    if ((this.#controls ?? this.#action)?.hedgesOnPerTryTimeout === true) {
      // The slow attempt may still win.
      if (this.#body.isWhole && !this.#retry.isPending) this.#isRetried(this.#retry.onHedge(cluster, host));
      return;
    }
    const reason = `no response to one attempt within ${this.#retryPolicy?.policy.perTryTimeoutMs} ms`;
    this.#giveUp(upstream, host, new MeshError('upstream_timeout', reason, { details: 'upstream_per_try_timeout' }));
  }

  onPerTryIdleTimeout(upstream: UpstreamRequest): void {
    const { host } = upstream;
    if (host === undefined) return;
    host.cluster.stats.perTryIdleTimeouts.value += 1;
    const reason = 'no byte was exchanged in one attempt for too long';
    this.#giveUp(
      upstream,
      host,
      new MeshError('upstream_timeout', reason, { details: 'upstream_per_try_idle_timeout' }),
    );
  }

  #giveUp(upstream: UpstreamRequest, host: Host, error: MeshError): void {
    host.recordResult(error);
    upstream.abandon();
    this.onUpstreamReset(upstream, error, { host, isSent: true, isReused: false });
  }

  onDestroy(): void {
    this.#upstream.reset();
    this.#context.timers.disarm(this.#routeTimer);
    this.#retry.end();
    this.#body.reset();
    for (const mirror of this.#mirrors) mirror.onStreamDestroyed();
    this.#mirrors = noMirrors;
    this.#route = undefined;
    this.#headers = undefined;
    this.#action = undefined;
    this.#hash = noHash;
    this.#retryPolicy = undefined;
    this.#controls = undefined;
    this.#timeoutMs = 0;
    this.#isBodiless = false;
    this.#isRequestComplete = false;
  }
}

/** Clusters that follow their requests go where the forward proxy filter said, else where the connection was meant to go. */
function destinationOf({ destination, codec }: HttpStream): string | undefined {
  return destination ?? codec?.localAddress;
}
