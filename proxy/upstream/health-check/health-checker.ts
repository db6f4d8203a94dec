/**
 * Active health checks of one cluster (Envoy docs `upstream/health_checking`). A cluster warms until the hosts that it
 * starts with have their first result; when that takes too long they take requests without one, because somebody has to.
 * Hosts that come later wait for theirs.
 */
import type { HealthCheck } from '../../api/health-check.ts';
import type { Clock } from '../../common/clock.ts';
import type { Host } from '../host.ts';
import type { Random } from '../picker.ts';
import type { HealthCheckStats } from './health-check-stats.ts';
import { HostCheck } from './host-check.ts';
import type { ProberFactory } from './prober.ts';

export interface HealthCheckerOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: HealthCheckStats;
  readonly createProber: ProberFactory;
  /** Whether the cluster ever had a connection: without traffic checks are rarer. */
  readonly hasTraffic: () => boolean;
  /** The host became healthy or unhealthy. */
  readonly onHealthChanged: (host: Host) => void;
}

export class HealthChecker {
  readonly config: HealthCheck;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: HealthCheckStats;
  readonly createProber: ProberFactory;
  readonly #options: HealthCheckerOptions;
  #hosts: readonly Host[] = [];
  #hasStarted = false;
  #healthy = 0;
  /** Addresses that a namesake of this cluster, which it replaces, found unhealthy. */
  #distrusted: ReadonlySet<string> = new Set();

  constructor(config: HealthCheck, options: HealthCheckerOptions) {
    this.config = config;
    this.#options = options;
    ({ clock: this.clock, random: this.random, stats: this.stats, createProber: this.createProber } = options);
  }

  /** The hosts of the cluster now; a host that stays keeps what is known about it. */
  updateHosts(hosts: readonly Host[]): void {
    for (const host of this.#hosts) if (host.isRemoved) host.check?.close();
    for (const host of hosts) {
      host.check ??= new HostCheck(host, this, !this.#hasStarted && !this.#distrusted.has(host.address));
    }
    this.#hosts = hosts;
    if (hosts.length > 0) this.#hasStarted = true;
    this.#countHealthy();
  }

  /** What was found out about the same addresses stays true when a cluster's configuration changes. */
  distrust(hosts: readonly Host[]): void {
    this.#distrusted = new Set(hosts.filter(({ check }) => check?.isFailed).map(({ address }) => address));
  }

  /** Whether a host that left the endpoints goes on for as long as its checks succeed. */
  keeps({ check }: Host): boolean {
    return !this.config.isHealthIgnoredOnRemoval && check?.isKnownHealthy === true;
  }

  close(): void {
    for (const { check } of this.#hosts) check?.close();
    this.#hosts = [];
    this.#countHealthy();
  }

  onHealthChanged(host: Host): void {
    this.#countHealthy();
    this.#options.onHealthChanged(host);
  }

  /** The statistic is shared with a namesake on its way out. */
  #countHealthy(): void {
    const healthy = this.#hosts.filter(({ check }) => check?.isKnownHealthy).length;
    this.stats.healthy.value += healthy - this.#healthy;
    this.#healthy = healthy;
  }

  /** Until the next check of a host, by what its last one came to. */
  intervalMs(transition: 'changed' | 'change pending' | 'unchanged', isSuccess: boolean): number {
    const { intervalJitterMs, intervalJitterPercent } = this.config;
    const baseMs = this.#baseIntervalMs(transition === 'change pending', isSuccess);
    const jitterMs = intervalJitterMs + (baseMs * intervalJitterPercent) / 100;
    return baseMs + this.random() * jitterMs;
  }

  #baseIntervalMs(isOnEdge: boolean, isSuccess: boolean): number {
    const { intervals } = this.config;
    if (!this.#options.hasTraffic()) return isSuccess ? intervals.noTrafficHealthyMs : intervals.noTrafficMs;
    if (isSuccess) return isOnEdge ? intervals.healthyEdgeMs : intervals.healthyMs;
    return isOnEdge ? intervals.unhealthyEdgeMs : intervals.unhealthyMs;
  }
}
