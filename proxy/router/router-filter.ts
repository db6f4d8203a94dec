/**
 * The terminal HTTP filter: finds route, cluster and host, carries the request there and the response back. One per
 * pooled stream; the path of a request that meets a warm connection allocates nothing here.
 */
import type { RouteAction } from '../api/route.ts';
import { MeshError } from '../common/errors.ts';
import { type TimerWheel, WheelTimer } from '../common/timer-wheel.ts';
import type { DataRun, FilterFactory, FilterStatus, HttpFilter } from '../http/filter.ts';
import { HeaderName, Known } from '../http/header-name.ts';
import type { RequestHead, ResponseHead } from '../http/message-head.ts';
import type { HttpStream } from '../http/stream.ts';
import { ClientConnection, type ResponseDecoder } from '../http1/client-connection.ts';
import type { ClusterManager } from '../upstream/cluster-manager.ts';
import type { Host } from '../upstream/host.ts';
import type { Random } from '../upstream/picker.ts';
import { applyHeaderRules } from './header-rules.ts';
import { RetryState } from './retry-state.ts';
import { type CompiledRoute, type RouteTable, chooseCluster } from './route-table.ts';

/** What all routers of a connection manager share. */
export interface RouterContext {
  /** The table in force now; a request reads it once. Undefined until the first one arrived. */
  readonly routes: () => RouteTable | undefined;
  readonly clusters: ClusterManager;
  readonly timers: TimerWheel;
  readonly random: Random;
}

export function createRouterFactory(context: RouterContext): FilterFactory {
  return (stream) => new RouterFilter(stream, context);
}

const upstreamServiceTime = new HeaderName('x-envoy-upstream-service-time');

class RouterFilter implements HttpFilter, ResponseDecoder {
  readonly responseHead: ResponseHead;
  readonly #stream: HttpStream;
  readonly #context: RouterContext;
  readonly #retry: RetryState;
  readonly #routeTimer: WheelTimer;
  #route: CompiledRoute | undefined = undefined;
  #action: RouteAction | undefined = undefined;
  #host: Host | undefined = undefined;
  #connection: ClientConnection | undefined = undefined;
  /** The request's head went out on `#connection`. */
  #isSent = false;
  /** Body bytes that wait for a connection; undefined when there are none. */
  #waiting: Buffer | undefined = undefined;
  /** Body bytes went out and are gone: the request cannot be sent again. */
  #isBodyStarted = false;

  constructor(stream: HttpStream, context: RouterContext) {
    this.#stream = stream;
    this.#context = context;
    this.responseHead = stream.response;
    this.#retry = new RetryState(context.timers, context.random, () => this.#retryNow());
    this.#routeTimer = new WheelTimer(() => this.#onRouteTimeout());
  }

  // ---- the request, from downstream ----

  decodeHeaders(head: RequestHead, endStream: boolean): FilterStatus {
    const route = this.#context.routes()?.match(head);
    if (route === undefined) {
      this.#stream.sendLocalReply(new MeshError('no_route', 'no route matches the request'));
      return 'continue';
    }
    this.#route = route;
    this.#stream.routeName = route.name;
    if (route.action.kind === 'direct_response') {
      this.#stream.sendDirectResponse(route.action.status, route.action.body);
      return 'continue';
    }
    this.#action = route.action;
    this.#routeRequest(route, route.action, endStream);
    return 'continue';
  }

  #routeRequest(route: CompiledRoute, action: RouteAction, endStream: boolean): void {
    const stream = this.#stream;
    const name = chooseCluster(route, action, this.#context.random);
    const cluster = this.#context.clusters.get(name);
    if (cluster === undefined) {
      stream.sendLocalReply(new MeshError('no_cluster', `the cluster ${name} of the route is not known`));
      return;
    }
    stream.cluster = cluster;
    const host = cluster.pick();
    if (host === undefined) {
      cluster.stats.noHealthy.value += 1;
      stream.sendLocalReply(new MeshError('no_healthy_upstream', `no healthy endpoint in cluster ${name}`));
      return;
    }
    applyHeaderRules(route.headers.request, stream.request.headers);
    this.#retry.begin(action.retryPolicy);
    if (endStream) this.#armRouteTimeout(action, stream.startMs);
    this.#startAttempt(host);
  }

  decodeData(data: DataRun, endStream: boolean): void {
    const connection = this.#connection;
    if (endStream && this.#action !== undefined) this.#armRouteTimeout(this.#action, this.#stream.manager.nowMs());
    if (connection === undefined || !this.#isSent) {
      this.#keepWaiting(data);
      return;
    }
    this.#isBodyStarted = true;
    connection.encodeData(data, endStream);
    if (connection.isCongested) this.#stream.codec?.pauseRequest();
  }

  #keepWaiting({ bytes, start, end }: DataRun): void {
    const run = bytes.subarray(start, end);
    this.#waiting = Buffer.concat(this.#waiting === undefined ? [run] : [this.#waiting, run]);
    this.#stream.codec?.pauseRequest();
  }

  decodeFlush(): void {
    if (this.#isSent) this.#connection?.flush();
  }

  onDownstreamDrained(): void {
    this.#connection?.resumeResponse();
  }

  // ---- attempts ----

  #startAttempt(host: Host): void {
    this.#host = host;
    this.#stream.host = host;
    host.activeRequests += 1;
    host.requestsTotal += 1;
    const { stats } = host.cluster;
    stats.requests.value += 1;
    stats.requestsActive.value += 1;
    // A server that closed one idle connection has probably closed them all.
    const connection = this.#retry.wantsNewConnection ? undefined : host.takeIdle(this.#stream.startMs);
    if (connection === undefined) {
      this.#connection = new ClientConnection(host, this);
      return;
    }
    this.#connection = connection;
    connection.attach(this);
    this.#send(connection);
  }

  #endAttempt(): void {
    const host = this.#host;
    if (host === undefined) return;
    host.activeRequests -= 1;
    host.cluster.stats.requestsActive.value -= 1;
    this.#host = undefined;
    this.#connection = undefined;
    this.#isSent = false;
  }

  #send(connection: ClientConnection): void {
    const stream = this.#stream;
    this.#isSent = true;
    const waiting = this.#waiting;
    const isComplete = stream.isRequestComplete;
    connection.encodeHeaders(stream.request, isComplete && waiting === undefined);
    if (waiting === undefined) return;
    this.#waiting = undefined;
    this.#isBodyStarted = true;
    connection.encodeData({ bytes: waiting, start: 0, end: waiting.length }, isComplete);
    connection.flush();
    if (!connection.isCongested) stream.codec?.resumeRequest();
  }

  onConnected(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#send(connection);
    // No read from downstream is under way that would end with a flush: the body may be long in coming.
    connection.flush();
  }

  onRequestDrained(): void {
    this.#stream.codec?.resumeRequest();
  }

  onReset(error: MeshError, connection: ClientConnection): void {
    const host = this.#host;
    if (host === undefined) return;
    host.cluster.stats.resets.value += 1;
    const stream = this.#stream;
    const mayRepeat =
      !stream.isResponseStarted &&
      !this.#isBodyStarted &&
      this.#retry.shouldRetry(error, { method: stream.request.method, isReused: connection.isReused });
    this.#endAttempt();
    if (mayRepeat) this.#retry.schedule(host);
    else stream.sendLocalReply(error);
  }

  #retryNow(): void {
    const { previousHost } = this.#retry;
    const cluster = this.#stream.cluster;
    if (previousHost === undefined || cluster === undefined) return;
    // The cluster may have been replaced meanwhile; what is in force now knows which hosts are left.
    const current = this.#context.clusters.get(cluster.config.name) ?? cluster;
    current.stats.retries.value += 1;
    const host = current.pickOther(previousHost);
    if (host === undefined) {
      this.#stream.sendLocalReply(
        new MeshError('no_healthy_upstream', `no healthy endpoint is left in cluster ${cluster.config.name}`),
      );
    } else {
      this.#startAttempt(host);
      this.decodeFlush();
    }
  }

  // ---- the response, from upstream ----

  get recentMs(): number {
    return this.#stream.manager.recentMs;
  }

  onResponseHeaders(endStream: boolean): void {
    const stream = this.#stream;
    const { response } = stream;
    const host = this.#host;
    if (host !== undefined) {
      const counter = host.cluster.stats.responseClasses[(response.status / 100) | 0];
      if (counter !== undefined) counter.value += 1;
    }
    const { headers } = response;
    // Each hop says what it measured itself: an upstream sidecar's number is not ours.
    if (headers.hasKnown(Known.upstreamServiceTime)) headers.remove(upstreamServiceTime);
    headers.add(upstreamServiceTime, String(Math.round(stream.manager.nowMs() - stream.startMs)));
    if (endStream) this.#endAttempt();
    stream.encodeHeaders(endStream);
  }

  /** The route's rules are for upstream and direct responses, not for local replies that report an error, as in Envoy. */
  encodeHeaders(head: ResponseHead): void {
    if (this.#route !== undefined && this.#stream.error === undefined) {
      applyHeaderRules(this.#route.headers.response, head.headers);
    }
  }

  onResponseData(data: DataRun, endStream: boolean): void {
    const stream = this.#stream;
    const connection = this.#connection;
    if (endStream) this.#endAttempt();
    stream.encodeData(data, endStream);
    if (!endStream && stream.codec?.isCongested === true) connection?.pauseResponse();
  }

  onResponseFlush(): void {
    this.#stream.codec?.flush();
  }

  // ---- timeouts and the end ----

  /** Starts when the request is complete and covers all attempts (semantics S21). */
  #armRouteTimeout(action: RouteAction, nowMs: number): void {
    if (action.timeoutMs > 0) this.#context.timers.arm(this.#routeTimer, action.timeoutMs, nowMs);
  }

  #onRouteTimeout(): void {
    const host = this.#host;
    if (host !== undefined) host.cluster.stats.timeouts.value += 1;
    this.#abandonAttempt();
    this.#stream.sendLocalReply(new MeshError('upstream_timeout', `no response within ${this.#action?.timeoutMs} ms`));
  }

  #abandonAttempt(): void {
    const connection = this.#connection;
    this.#endAttempt();
    connection?.abandon();
  }

  onDestroy(): void {
    this.#abandonAttempt();
    this.#context.timers.disarm(this.#routeTimer);
    this.#retry.end();
    this.#route = undefined;
    this.#action = undefined;
    this.#waiting = undefined;
    this.#isBodyStarted = false;
  }
}
