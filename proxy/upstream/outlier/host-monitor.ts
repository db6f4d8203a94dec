/** What outlier detection knows of one host. A result costs a few increments; decisions are the detector's. */
import type { OutlierDetection } from '../../api/outlier-detection.ts';
import type { Host } from '../host.ts';
import type { OutlierDetector, OutlierKind } from './outlier-detector.ts';
import type { Tally } from './success-rate.ts';

/**
 * in rotation → ejected, by a rule; ejected → on probation, when its time is over: it may be chosen once; on probation
 * → probed, when it was: it leaves the rotation until the result is there (B11); probed → in rotation or ejected.
 */
type State = 'in rotation' | 'ejected' | 'on probation' | 'probed';

export class HostMonitor {
  readonly host: Host;
  readonly #detector: OutlierDetector;
  readonly #config: OutlierDetection;
  /** Responses, and with them everything else unless failures to reach the host are counted apart. */
  #external = { requests: 0, successes: 0 };
  #localOrigin = { requests: 0, successes: 0 };
  #consecutive5xx = 0;
  #consecutiveGatewayFailures = 0;
  #consecutiveLocalOriginFailures = 0;
  #state: State = 'in rotation';
  /** Of the last interval, as Envoy's admin page has it; -1 when there were too few requests to tell. */
  successRatePercent = -1;
  /** Each ejection makes the next one longer; each interval without one takes that back. */
  #ejectionFactor = 0;
  #ejectionEndMs = 0;

  constructor(host: Host, detector: OutlierDetector) {
    this.host = host;
    this.#detector = detector;
    this.#config = detector.config;
  }

  get isInRotation(): boolean {
    return this.#state === 'in rotation';
  }

  // ---- results ----

  recordStatus(status: number): void {
    if (this.#config.isLocalOriginSplit) this.#recordLocalOriginSuccess();
    this.#external.requests += 1;
    const { errorStatuses } = this.#config;
    if (errorStatuses === undefined ? status < 500 : !errorStatuses.has(status)) {
      this.#external.successes += 1;
      this.#consecutive5xx = 0;
      this.#consecutiveGatewayFailures = 0;
      if (this.#state === 'probed') this.#return();
    } else {
      this.#recordFailedRequest(status >= 502 && status <= 504);
    }
  }

  /** The host could not be reached, gave no answer in time, or broke off. */
  recordLocalOriginFailure(): void {
    if (!this.#config.isLocalOriginSplit) {
      this.#external.requests += 1;
      this.#recordFailedRequest(true);
      return;
    }
    this.#localOrigin.requests += 1;
    this.#consecutiveLocalOriginFailures += 1;
    if (this.#isReached(this.#config.consecutiveLocalOriginFailure.threshold, this.#consecutiveLocalOriginFailures)) {
      this.#consecutiveLocalOriginFailures = 0;
      this.#detector.onOutlier(this, 'consecutive_local_origin_failure');
    }
    if (this.#state === 'probed') this.#detector.onProbeFailure(this);
  }

  #recordLocalOriginSuccess(): void {
    this.#localOrigin.requests += 1;
    this.#localOrigin.successes += 1;
    this.#consecutiveLocalOriginFailures = 0;
  }

  #recordFailedRequest(isGatewayFailure: boolean): void {
    const { consecutive5xx, consecutiveGatewayFailure } = this.#config;
    this.#consecutive5xx += 1;
    this.#consecutiveGatewayFailures = isGatewayFailure ? this.#consecutiveGatewayFailures + 1 : 0;
    if (this.#isReached(consecutiveGatewayFailure.threshold, this.#consecutiveGatewayFailures)) {
      this.#consecutiveGatewayFailures = 0;
      this.#detector.onOutlier(this, 'consecutive_gateway_failure');
    }
    if (this.#isReached(consecutive5xx.threshold, this.#consecutive5xx)) {
      this.#consecutive5xx = 0;
      this.#detector.onOutlier(this, 'consecutive_5xx');
    }
    if (this.#state === 'probed') this.#detector.onProbeFailure(this);
  }

  #isReached(threshold: number, count: number): boolean {
    return threshold > 0 && count >= threshold;
  }

  /** What was counted in the interval at hand. */
  tallyFor(kind: OutlierKind): Tally {
    return kind.startsWith('local_origin') ? this.#localOrigin : this.#external;
  }

  beginInterval(): void {
    const { requests, successes } = this.#external;
    const isTelling = requests > 0 && requests >= this.#config.successRate.requestVolume;
    this.successRatePercent = isTelling ? (100 * successes) / requests : -1;
    this.#external = { requests: 0, successes: 0 };
    this.#localOrigin = { requests: 0, successes: 0 };
  }

  // ---- ejection and return ----

  eject(nowMs: number, jitterMs: number): void {
    const { baseEjectionTimeMs, maxEjectionTimeMs } = this.#config;
    if (this.#ejectionFactor * baseEjectionTimeMs < maxEjectionTimeMs) this.#ejectionFactor += 1;
    this.#ejectionEndMs = nowMs + Math.min(baseEjectionTimeMs * this.#ejectionFactor, maxEjectionTimeMs) + jitterMs;
    this.#state = 'ejected';
    this.host.isEjected = true;
  }

  /** Once per interval: an ejection ends in probation, a quiet interval makes the next ejection shorter. */
  review(nowMs: number): void {
    if (this.#state === 'in rotation') {
      if (this.#ejectionFactor > 0) this.#ejectionFactor -= 1;
    } else if (this.#state === 'ejected' && nowMs >= this.#ejectionEndMs) {
      this.#admitProbe();
    }
  }

  #admitProbe(): void {
    this.#state = 'on probation';
    this.host.isEjected = false;
  }

  /** An attempt begins here. The first on probation is the probe, and the only one until its result is there. */
  onStreamStart(): void {
    if (this.#state !== 'on probation') return;
    this.#state = 'probed';
    this.host.isEjected = true;
  }

  /** An attempt has ended. When the probe ended without any result, its client having left, there will be another. */
  onStreamEnd(): void {
    if (this.#state === 'probed' && this.host.activeRequests === 0) this.#admitProbe();
  }

  /** An active check says that the host is well: it need not prove that with a request. */
  onHealthCheckSuccess(): void {
    if (this.#config.isUnejectedByHealthCheck && this.#state !== 'in rotation') this.#return();
  }

  #return(): void {
    this.#state = 'in rotation';
    this.#consecutive5xx = 0;
    this.#consecutiveGatewayFailures = 0;
    this.#consecutiveLocalOriginFailures = 0;
    this.host.isEjected = false;
    this.#detector.onReturn();
  }
}
