/** Whether and when a failed attempt is repeated: Envoy's retry policy plus the rule for reused connections (B6). */
import type { RetryPolicy } from '../api/route.ts';
import { type MeshError, meshErrors } from '../common/errors.ts';
import { type TimerWheel, WheelTimer } from '../common/timer-wheel.ts';
import type { Host } from '../upstream/host.ts';
import type { Random } from '../upstream/picker.ts';

/** Safe to send twice because once more changes nothing (RFC 9110 §9.2.2). */
const idempotentMethods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE']);

/** Full jitter in [0, (2^n − 1) · 25 ms), at most 250 ms (semantics S24). */
const backoffBaseMs = 25;
const backoffCapMs = 250;

export class RetryState {
  /** Where the failed attempt went, so that the next one goes elsewhere when it can. */
  previousHost: Host | undefined = undefined;
  readonly #timers: TimerWheel;
  readonly #random: Random;
  readonly #timer: WheelTimer;
  readonly #onRetry: () => void;
  #policy: RetryPolicy | undefined = undefined;
  #retries = 0;
  #hasRepeatedReused = false;
  #isImmediate = false;

  constructor(timers: TimerWheel, random: Random, onRetry: () => void) {
    this.#timers = timers;
    this.#random = random;
    this.#timer = new WheelTimer(onRetry);
    this.#onRetry = onRetry;
  }

  begin(policy: RetryPolicy | undefined): void {
    this.#policy = policy;
    this.#retries = 0;
    this.#hasRepeatedReused = false;
    this.#isImmediate = false;
  }

  /** The attempt at hand repeats one that failed because its connection had been closed for idleness. */
  get wantsNewConnection(): boolean {
    return this.#isImmediate;
  }

  /**
   * `error` ended an attempt before any byte of a response. A reset of a reused connection is repeated once without
   * asking the policy when the method allows: the server closed it for idleness while the request was on its way.
   */
  shouldRetry(error: MeshError, request: { readonly method: string; readonly isReused: boolean }): boolean {
    this.#isImmediate = false;
    const { retry } = meshErrors[error.code];
    const isIdempotent = idempotentMethods.has(request.method);
    if (retry === 'if-reused' && request.isReused && isIdempotent && !this.#hasRepeatedReused) {
      this.#hasRepeatedReused = true;
      this.#isImmediate = true;
      return true;
    }
    const policy = this.#policy;
    if (policy === undefined || this.#retries >= policy.numRetries) return false;
    if (!isCovered(policy, error, isIdempotent)) return false;
    this.#retries += 1;
    return true;
  }

  schedule(failedHost: Host): void {
    this.previousHost = failedHost;
    if (this.#isImmediate) {
      this.#onRetry();
      return;
    }
    const ceilingMs = Math.min(backoffCapMs, (2 ** this.#retries - 1) * backoffBaseMs);
    this.#timers.arm(this.#timer, this.#random() * ceilingMs);
  }

  end(): void {
    this.#timers.disarm(this.#timer);
    this.#policy = undefined;
    this.previousHost = undefined;
  }
}

/** The default is aware of methods (B1): a reset after the request went out repeats only what is safe to repeat. */
function isCovered({ retryOn }: RetryPolicy, error: MeshError, isIdempotent: boolean): boolean {
  switch (error.code) {
    case 'connect_failure':
    case 'connect_timeout':
      return retryOn.has('connect-failure') || retryOn.has('reset') || retryOn.has('reset-before-request');
    case 'upstream_reset':
      return retryOn.has('reset') && isIdempotent;
    default:
      return false;
  }
}
