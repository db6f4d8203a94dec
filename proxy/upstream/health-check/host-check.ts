/** What active health checks know of one host, and when the next one is. */
import type { Host } from '../host.ts';
import type { HealthChecker } from './health-checker.ts';
import type { CheckResult, Prober } from './prober.ts';

/** pending, until the first result → healthy ⇄ unhealthy, by results in a row. */
type State = 'pending' | 'healthy' | 'unhealthy';

/** Whether a result has changed the host's state, speaks against it but is not enough yet, or agrees with it. */
type Transition = 'changed' | 'change pending' | 'unchanged';

export class HostCheck {
  readonly #host: Host;
  readonly #checker: HealthChecker;
  readonly #prober: Prober;
  /** Whether requests may go there before the first result. */
  readonly #isTrusted: boolean;
  #state: State = 'pending';
  #successes = 0;
  #failures = 0;
  #isChecking = false;
  #cancelTimer: () => void;

  constructor(host: Host, checker: HealthChecker, isTrusted: boolean) {
    const { config, clock, random } = checker;
    this.#host = host;
    this.#checker = checker;
    this.#isTrusted = isTrusted;
    this.#prober = checker.createProber(config);
    this.#cancelTimer = clock.setTimer(this.#begin, random() * config.initialJitterMs);
  }

  /** Keeps the host out of rotation. */
  get isFailed(): boolean {
    return this.#state === 'unhealthy' || (this.#state === 'pending' && !this.#isTrusted);
  }

  /** No check has said anything yet. */
  get isPending(): boolean {
    return this.#state === 'pending';
  }

  /** A check has said so. */
  get isKnownHealthy(): boolean {
    return this.#state === 'healthy';
  }

  close(): void {
    this.#cancelTimer();
    this.#prober.abort();
  }

  readonly #begin = (): void => {
    const { config, clock, stats } = this.#checker;
    if (this.#host.endpoint.healthCheck?.isDisabled === true) {
      this.#schedule(this.#enter('healthy'), 'success');
      return;
    }
    stats.attempts.value += 1;
    this.#isChecking = true;
    this.#cancelTimer = clock.setTimer(() => {
      this.#prober.abort();
      this.#onResult('network');
    }, config.timeoutMs);
    this.#prober.check(this.#host.endpoint, (result) => this.#onResult(result));
  };

  #onResult(result: CheckResult): void {
    if (!this.#isChecking) return;
    this.#isChecking = false;
    this.#cancelTimer();
    const transition = result === 'success' ? this.#succeed() : this.#fail(result);
    // A host that was only kept while it was well may be gone now.
    if (!this.#host.isRemoved) this.#schedule(transition, result);
  }

  #succeed(): Transition {
    this.#checker.stats.successes.value += 1;
    this.#failures = 0;
    this.#successes += 1;
    this.#host.monitor?.onHealthCheckSuccess();
    if (this.#state === 'healthy') return 'unchanged';
    const isEnough = this.#state === 'pending' || this.#successes >= this.#checker.config.healthyThreshold;
    return isEnough ? this.#enter('healthy') : 'change pending';
  }

  /** An answer that is plainly wrong needs no second one (Envoy docs `upstream/health_checking`). */
  #fail(result: Exclude<CheckResult, 'success'>): Transition {
    const { config, stats } = this.#checker;
    stats.failures.value += 1;
    if (result === 'network') stats.networkFailures.value += 1;
    this.#successes = 0;
    this.#failures += 1;
    if (this.#state === 'unhealthy') return 'unchanged';
    const isEnough = this.#state === 'pending' || result === 'failure' || this.#failures >= config.unhealthyThreshold;
    return isEnough ? this.#enter('unhealthy') : 'change pending';
  }

  /** A response to a request said that the host is going down: it is out at once, until checks succeed again. */
  failNow(): void {
    const { stats } = this.#checker;
    if (this.#state === 'unhealthy' || this.#host.isRemoved) return;
    stats.failures.value += 1;
    stats.passiveFailures.value += 1;
    this.#successes = 0;
    this.#enter('unhealthy');
  }

  #enter(state: Exclude<State, 'pending'>): Transition {
    if (this.#state === state) return 'unchanged';
    this.#state = state;
    this.#checker.onHealthChanged(this.#host);
    return 'changed';
  }

  #schedule(transition: Transition, result: CheckResult): void {
    const { clock } = this.#checker;
    this.#cancelTimer = clock.setTimer(this.#begin, this.#checker.intervalMs(transition, result === 'success'));
  }
}
