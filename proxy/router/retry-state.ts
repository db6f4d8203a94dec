/** Whether and when the request at hand is tried again: Envoy's retry policy plus the rule for reused connections (B6). */
import { type MeshError, meshErrors } from '../common/errors.ts';
import { type TimerWheel, WheelTimer } from '../common/timer-wheel.ts';
import { HeaderName } from '../http/header-name.ts';
import type { RequestHead, ResponseHead } from '../http/message-head.ts';
import type { TimeSource } from '../http/stream-info.ts';
import type { CircuitBreaker } from '../upstream/circuit-breaker.ts';
import type { UpstreamCluster } from '../upstream/cluster.ts';
import type { Host } from '../upstream/host.ts';
import type { Random } from '../upstream/picker.ts';
import { requestedDelayMs } from './rate-limited-back-off.ts';
import type { CompiledRetryPolicy } from './retry-conditions.ts';
import { PreviousPriorities } from './previous-priorities.ts';
import type { FailedAttempt } from './upstream-request.ts';

/** Safe to send twice because once more changes nothing (RFC 9110 §9.2.2). */
const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);
/** Its sender promises that the application recognises a repetition (IETF draft `Idempotency-Key`). */
const idempotencyKey = new HeaderName('idempotency-key');

/** `no`: nothing asks for a retry. The others would have been retried, but for the budget or the number of retries. */
export type RetryDecision = 'retry' | 'no' | 'overflow' | 'limit-exceeded';

const idleResetBodyLimitBytes = 65_536;

export class RetryState {
  readonly #timers: TimerWheel;
  readonly #random: Random;
  readonly #timer: WheelTimer;
  readonly #onRetry: () => void;
  #compiled: CompiledRetryPolicy | undefined = undefined;
  #request: RequestHead | undefined = undefined;
  #retries = 0;
  #hasRepeatedReused = false;
  #isImmediate = false;
  /** Undefined instead of empty: most requests fail nowhere. */
  #previousHosts: Host[] | undefined = undefined;
  /** Undefined as long as the policy does not ask for it. */
  #previousPriorities: PreviousPriorities | undefined = undefined;
  /** Where the retry under way counts. */
  #circuitBreaker: CircuitBreaker | undefined = undefined;
  #delayMs = 0;
  #wantsBody = false;
  #bodyLimitBytes = 0;

  constructor(timers: TimerWheel, random: Random, onRetry: () => void) {
    this.#timers = timers;
    this.#random = random;
    this.#timer = new WheelTimer(onRetry);
    this.#onRetry = onRetry;
  }

  begin(compiled: CompiledRetryPolicy | undefined, request: RequestHead): void {
    this.#compiled = compiled;
    this.#request = request;
    this.#retries = 0;
    this.#hasRepeatedReused = false;
    this.#isImmediate = false;
    const repeatsSent = this.#compiled?.repeatsSent === true;
    this.#wantsBody = request.contentLength !== 0 && (repeatsSent || this.#isIdempotent);
    this.#bodyLimitBytes = repeatsSent ? Infinity : idleResetBodyLimitBytes;
  }

  /** An attempt goes out on a stream that the host can refuse, however much of the body it was sent. */
  onRefusable(): void {
    if (this.#compiled?.repeatsRefused !== true || this.#request?.contentLength === 0) return;
    this.#wantsBody = true;
    this.#bodyLimitBytes = Infinity;
  }

  /** A retry was decided, and its time has not come yet. */
  get isPending(): boolean {
    return this.#timer.slot >= 0;
  }

  /** Responses have to be asked about. */
  get coversResponses(): boolean {
    return this.#compiled?.coversResponse !== undefined || this.#retries > 0;
  }

  /** The attempt at hand repeats one that failed because its connection had been closed for idleness. */
  get wantsNewConnection(): boolean {
    return this.#isImmediate;
  }

  /** The policy has had it tried again. */
  get isRetried(): boolean {
    return this.#retries > 0;
  }

  /** Attempts so far, the first one too. */
  get attempts(): number {
    return 1 + this.#retries + (this.#hasRepeatedReused ? 1 : 0);
  }

  /** A request that a host may have seen may be sent again: what went out of its body is to be kept. */
  get wantsBody(): boolean {
    return this.#wantsBody;
  }

  /** A policy that asks for it is worth more than the small chance that an idle connection was just closed. */
  get bodyLimitBytes(): number {
    return this.#bodyLimitBytes;
  }

  /**
   * Asks again while the picker names a host that failed, as often as the policy wants, and then takes what there is. The
   * picker is told how often it was asked before: where a hash decides, that leads to other hosts.
   */
  chooseHost(cluster: UpstreamCluster, hash: number | undefined, destination: string | undefined): Host | undefined {
    const picker = this.#previousPriorities?.pickerOf(cluster) ?? cluster;
    let host = picker.pick(hash, 0, destination);
    const attempts = this.#compiled?.policy.hostSelectionAttempts ?? 0;
    for (let i = 0; i < attempts && host !== undefined && this.#previousHosts?.includes(host) === true; i++) {
      host = picker.pick(hash, i + 1, destination);
    }
    return host;
  }

  /**
   * `error` ended an attempt before the head of a response. A reset of a reused connection is repeated once without
   * asking the policy when the request allows: the server closed it for idleness while the request was on its way.
   */
  onReset(cluster: UpstreamCluster, error: MeshError, { isReused, isSent, host }: FailedAttempt): RetryDecision {
    this.#isImmediate = false;
    const isIdleReset = isReused && meshErrors[error.code].retry === 'if-reused';
    if (isIdleReset && !this.#hasRepeatedReused && this.#isIdempotent) {
      this.#hasRepeatedReused = true;
      this.#isImmediate = true;
      return 'retry';
    }
    if (this.#compiled?.coversReset(error.code, isSent) !== true) return 'no';
    return this.#take(cluster, host, undefined);
  }

  /** The head of a response came. */
  onResponse(cluster: UpstreamCluster, host: Host, head: ResponseHead, timeSource: TimeSource): RetryDecision {
    const { coversResponse } = this.#compiled ?? {};
    if (coversResponse === undefined || !coversResponse(head)) {
      if (this.#retries > 0) cluster.stats.retrySuccess.value += 1;
      this.#release();
      return 'no';
    }
    return this.#take(cluster, host, this.#requestedDelayMs(head, timeSource));
  }

  #requestedDelayMs(head: ResponseHead, timeSource: TimeSource): number | undefined {
    const nowMs = (): number => timeSource.wallTimeMs(timeSource.nowMs());
    return requestedDelayMs(this.#compiled?.policy.rateLimitedBackOff, head, nowMs);
  }

  /** The first attempt goes on, a second one joins it: retried whatever `retry_on` says, as in Envoy. */
  onHedge(cluster: UpstreamCluster, host: Host): RetryDecision {
    return this.#compiled === undefined ? 'no' : this.#take(cluster, host, undefined);
  }

  #take(cluster: UpstreamCluster, host: Host, requestedMs: number | undefined): RetryDecision {
    this.#release();
    const { policy, allows } = this.#compiled ?? {};
    if (policy === undefined || this.#request === undefined || allows?.(this.#request) === false) return 'no';
    const { stats, circuitBreaker } = cluster;
    if (this.#retries >= policy.numRetries) {
      // A policy without retries has no limit that could be exceeded.
      if (policy.numRetries === 0) return 'no';
      stats.retryLimitExceeded.value += 1;
      return 'limit-exceeded';
    }
    if (!circuitBreaker.hasRoomForRetry) {
      stats.retryOverflow.value += 1;
      return 'overflow';
    }
    circuitBreaker.activeRetries += 1;
    this.#circuitBreaker = circuitBreaker;
    this.#retries += 1;
    if (policy.avoidsPreviousHosts) (this.#previousHosts ??= []).push(host);
    const { priorityUpdateFrequency: frequency } = policy;
    if (frequency !== undefined) (this.#previousPriorities ??= new PreviousPriorities(frequency)).add(host);
    this.#isImmediate = false;
    this.#delayMs = this.#chooseDelay(cluster, requestedMs);
    return 'retry';
  }

  /** Full jitter, or at least what the upstream asked for and up to half more (Envoy's RateLimitedRetryBackOff). */
  #chooseDelay({ stats }: UpstreamCluster, requestedMs: number | undefined): number {
    const { baseMs, maxMs } = this.#compiled?.policy.backOff ?? { baseMs: 0, maxMs: 0 };
    if (requestedMs !== undefined) {
      stats.retryBackoffRateLimited.value += 1;
      return requestedMs * (1 + this.#random() / 2);
    }
    stats.retryBackoffExponential.value += 1;
    return this.#random() * Math.min(maxMs, (2 ** this.#retries - 1) * baseMs);
  }

  /** Calls back when the time for the retry that was decided has come. */
  schedule(): void {
    if (this.#isImmediate) this.#onRetry();
    else this.#timers.arm(this.#timer, this.#delayMs);
  }

  /** The request is answered or over: nothing is tried again. */
  end(): void {
    this.#timers.disarm(this.#timer);
    this.#release();
    this.#compiled = undefined;
    this.#request = undefined;
    this.#previousHosts = undefined;
    this.#previousPriorities = undefined;
  }

  #release(): void {
    if (this.#circuitBreaker === undefined) return;
    this.#circuitBreaker.activeRetries -= 1;
    this.#circuitBreaker = undefined;
  }

  get #isIdempotent(): boolean {
    return this.#request !== undefined && isIdempotent(this.#request);
  }
}

/** Whether sending `request` twice does no harm (semantics B1, B6). */
export function isIdempotent({ method, headers }: RequestHead): boolean {
  return idempotentMethods.has(method) || headers.get(idempotencyKey) !== undefined;
}
