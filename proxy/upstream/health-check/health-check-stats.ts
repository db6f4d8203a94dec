/** Envoy's statistics of health checks: `cluster.NAME.health_check.…`. */
import type { Stat, StatsStore } from '../../common/stats.ts';

export class HealthCheckStats {
  readonly attempts: Stat;
  readonly successes: Stat;
  /** Of any kind. */
  readonly failures: Stat;
  /** Announced by a response to a request: `x-envoy-immediate-health-check-fail`. */
  readonly passiveFailures: Stat;
  readonly networkFailures: Stat;
  /** Hosts that checks found well. */
  readonly healthy: Stat;
  /** Checks that met the wrong service, and hosts that called themselves degraded: neither is looked for. */
  readonly #constant: readonly Stat[];

  constructor(stats: StatsStore, clusterName: string) {
    const prefix = `cluster.${clusterName}.health_check.`;
    this.attempts = stats.counter(`${prefix}attempt`);
    this.successes = stats.counter(`${prefix}success`);
    this.failures = stats.counter(`${prefix}failure`);
    this.passiveFailures = stats.counter(`${prefix}passive_failure`);
    this.networkFailures = stats.counter(`${prefix}network_failure`);
    this.healthy = stats.gauge(`${prefix}healthy`);
    this.#constant = [stats.counter(`${prefix}verify_cluster`), stats.gauge(`${prefix}degraded`)];
  }

  get all(): Stat[] {
    const { attempts, successes, failures, passiveFailures, networkFailures, healthy } = this;
    return [attempts, successes, failures, passiveFailures, networkFailures, healthy, ...this.#constant];
  }
}
