/**
 * Envoy's outlier detection of one cluster: takes hosts out of rotation that answer worse than they should, and lets
 * them back. Consecutive failures are noticed at once, rates once per interval.
 */
import type { OutlierDetection } from '../../api/outlier-detection.ts';
import type { Clock } from '../../common/clock.ts';
import type { Host } from '../host.ts';
import type { Random } from '../picker.ts';
import { HostMonitor } from './host-monitor.ts';
import type { OutlierStats } from './outlier-stats.ts';
import { findFailurePercentageOutliers, findSuccessRateOutliers } from './success-rate.ts';

/** Why a host is an outlier, as Envoy's statistics name it. */
export type OutlierKind =
  | 'consecutive_5xx'
  | 'consecutive_gateway_failure'
  | 'consecutive_local_origin_failure'
  | 'success_rate'
  | 'local_origin_success_rate'
  | 'failure_percentage'
  | 'local_origin_failure_percentage';

interface DetectorOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: OutlierStats;
}

export class OutlierDetector {
  readonly config: OutlierDetection;
  readonly #options: DetectorOptions;
  #monitors: readonly HostMonitor[] = [];
  #cancelTimer: (() => void) | undefined = undefined;
  #ejections = 0;

  constructor(config: OutlierDetection, options: DetectorOptions) {
    this.config = config;
    this.#options = options;
  }

  /** The hosts of the cluster now; a host that stays keeps its monitor. The first call starts the interval. */
  updateHosts(hosts: readonly Host[]): void {
    this.#monitors = hosts.map((host) => (host.monitor ??= new HostMonitor(host, this)));
    this.#countEjections();
    this.#cancelTimer ??= this.#options.clock.setTimer(this.#onInterval, this.config.intervalMs);
  }

  close(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
    this.#setEjections(0);
  }

  /** A rule says so. Whether the host is ejected depends on chance and on how many are already. */
  onOutlier(monitor: HostMonitor, kind: OutlierKind): void {
    // A host that has been removed may still be answering.
    if (!monitor.isInRotation || monitor.host.isRemoved) return;
    const { random, stats } = this.#options;
    stats.detected[kind].value += 1;
    if (random() * 100 >= this.#enforcingPercentOf(kind)) return;
    if (!this.#hasRoom) {
      stats.overflow.value += 1;
      return;
    }
    stats.enforced[kind].value += 1;
    this.#eject(monitor);
    this.#countEjections();
  }

  /** The one request on probation failed as well: out again, for longer. */
  onProbeFailure(monitor: HostMonitor): void {
    this.#eject(monitor);
  }

  onReturn(): void {
    this.#countEjections();
  }

  #eject(monitor: HostMonitor): void {
    const { clock, random, stats } = this.#options;
    stats.enforcedTotal.value += 1;
    monitor.eject(clock.monotonicMs(), random() * this.config.maxEjectionTimeJitterMs);
  }

  /** A host counts until it has passed its probation. */
  #countEjections(): void {
    this.#setEjections(this.#monitors.filter(({ isInRotation }) => !isInRotation).length);
  }

  /** The statistic is shared with a namesake on its way out. */
  #setEjections(count: number): void {
    this.#options.stats.active.value += count - this.#ejections;
    this.#ejections = count;
  }

  get #hasRoom(): boolean {
    const { isOneEjectionAllowed, maxEjectionPercent } = this.config;
    if (isOneEjectionAllowed && this.#ejections === 0) return true;
    return (this.#ejections + 1) * 100 <= maxEjectionPercent * this.#monitors.length;
  }

  readonly #onInterval = (): void => {
    const { clock } = this.#options;
    const nowMs = clock.monotonicMs();
    for (const monitor of this.#monitors) monitor.review(nowMs);
    this.#compareHosts('success_rate', 'failure_percentage');
    if (this.config.isLocalOriginSplit) {
      this.#compareHosts('local_origin_success_rate', 'local_origin_failure_percentage');
    }
    for (const monitor of this.#monitors) monitor.beginInterval();
    this.#cancelTimer = clock.setTimer(this.#onInterval, this.config.intervalMs);
  };

  #compareHosts(rateKind: OutlierKind, percentageKind: OutlierKind): void {
    const { successRate, failurePercentage } = this.config;
    const monitors = this.#monitors.filter(({ isInRotation }) => isInRotation);
    const tallies = monitors.map((monitor) => monitor.tallyFor(rateKind));
    const report = (indexes: readonly number[], kind: OutlierKind): void => {
      for (const index of indexes) {
        const monitor = monitors[index];
        if (monitor !== undefined) this.onOutlier(monitor, kind);
      }
    };
    report(findSuccessRateOutliers(tallies, successRate), rateKind);
    report(findFailurePercentageOutliers(tallies, failurePercentage), percentageKind);
  }

  #enforcingPercentOf(kind: OutlierKind): number {
    const { config } = this;
    switch (kind) {
      case 'consecutive_5xx':
        return config.consecutive5xx.enforcingPercent;
      case 'consecutive_gateway_failure':
        return config.consecutiveGatewayFailure.enforcingPercent;
      case 'consecutive_local_origin_failure':
        return config.consecutiveLocalOriginFailure.enforcingPercent;
      case 'success_rate':
        return config.successRate.enforcingPercent;
      case 'local_origin_success_rate':
        return config.successRate.enforcingLocalOriginPercent;
      case 'failure_percentage':
        return config.failurePercentage.enforcingPercent;
      case 'local_origin_failure_percentage':
        return config.failurePercentage.enforcingLocalOriginPercent;
    }
  }
}
