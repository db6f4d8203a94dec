/** A cluster in use: its configuration, its hosts and the picker over those that take traffic. */
import type { Cluster, ClusterLoadAssignment } from '../api/cluster.ts';
import type { Clock } from '../common/clock.ts';
import type { Stat, StatsStore } from '../common/stats.ts';
import type { TimerWheel } from '../common/timer-wheel.ts';
import type { MetricScope } from '../telemetry/metric-scope.ts';
import { Host } from './host.ts';
import { type Picker, type Random, pickers } from './picker.ts';

/** What everything upstream shares. */
export interface UpstreamContext {
  readonly clock: Clock;
  readonly timers: TimerWheel;
  readonly random: Random;
  readonly stats: StatsStore;
}

export class UpstreamCluster {
  readonly config: Cluster;
  readonly context: UpstreamContext;
  readonly stats: ClusterStats;
  #hosts = new Map<string, Host>();
  #picker: Picker;
  /** Where requests are counted that never got a host. */
  metricScope: MetricScope | undefined = undefined;

  constructor(config: Cluster, context: UpstreamContext) {
    this.config = config;
    this.context = context;
    this.stats = new ClusterStats(context.stats, config.name);
    this.#picker = pickers[config.lbPolicy]([], context.random);
    if (config.discovery.kind === 'static') this.updateAssignment(config.discovery.assignment);
  }

  /** Hosts that stay keep their connections; hosts that go finish what they are doing. */
  updateAssignment({ endpoints }: ClusterLoadAssignment): void {
    const hosts = new Map<string, Host>();
    for (const endpoint of endpoints) {
      const key = `${endpoint.address}:${endpoint.port}`;
      const host = this.#hosts.get(key) ?? new Host(this, endpoint);
      if (host.endpoint.workload !== endpoint.workload) host.metricScope = undefined;
      host.endpoint = endpoint;
      hosts.set(key, host);
    }
    for (const [key, host] of this.#hosts) if (!hosts.has(key)) host.remove();
    this.#hosts = hosts;
    const healthy = [...hosts.values()].filter((host) => host.endpoint.isHealthy);
    this.stats.membershipTotal.value = hosts.size;
    this.stats.membershipHealthy.value = healthy.length;
    this.#picker = pickers[this.config.lbPolicy](healthy, this.context.random);
  }

  get hosts(): readonly Host[] {
    return [...this.#hosts.values()];
  }

  pick(): Host | undefined {
    return this.#picker.pick();
  }

  /** A host other than `previous` where there is one, for a repeated attempt. */
  pickOther(previous: Host): Host | undefined {
    let host = this.#picker.pick();
    for (let i = 0; i < maxReselections && host === previous; i++) host = this.#picker.pick();
    return host;
  }

  sweepIdle(nowMs: number): void {
    for (const host of this.#hosts.values()) host.sweepIdle(nowMs);
  }

  close(): void {
    for (const host of this.#hosts.values()) host.remove();
  }
}

/** Istio's `host_selection_retry_max_attempts` (semantics of its default retry policy). */
const maxReselections = 5;

/** Envoy's cluster statistics, under Envoy's names. */
export class ClusterStats {
  readonly requests: Stat;
  readonly requestsActive: Stat;
  readonly retries: Stat;
  readonly resets: Stat;
  readonly timeouts: Stat;
  readonly noHealthy: Stat;
  readonly connections: Stat;
  readonly connectionsActive: Stat;
  readonly connectFailures: Stat;
  readonly connectTimeouts: Stat;
  readonly membershipTotal: Stat;
  readonly membershipHealthy: Stat;
  /** Index 1–5: `upstream_rq_1xx` … `upstream_rq_5xx`. */
  readonly responseClasses: readonly Stat[];
  readonly #all: Stat[] = [];

  constructor(stats: StatsStore, clusterName: string) {
    const prefix = `cluster.${clusterName}.`;
    const counter = (name: string): Stat => this.#keep(stats.counter(prefix + name));
    const gauge = (name: string): Stat => this.#keep(stats.gauge(prefix + name));
    this.requests = counter('upstream_rq_total');
    this.requestsActive = gauge('upstream_rq_active');
    this.retries = counter('upstream_rq_retry');
    this.resets = counter('upstream_rq_rx_reset');
    this.timeouts = counter('upstream_rq_timeout');
    this.noHealthy = counter('upstream_cx_none_healthy');
    this.connections = counter('upstream_cx_total');
    this.connectionsActive = gauge('upstream_cx_active');
    this.connectFailures = counter('upstream_cx_connect_fail');
    this.connectTimeouts = counter('upstream_cx_connect_timeout');
    this.membershipTotal = gauge('membership_total');
    this.membershipHealthy = gauge('membership_healthy');
    this.responseClasses = [0, 1, 2, 3, 4, 5].map((digit) => counter(`upstream_rq_${digit}xx`));
  }

  /** Every one of them, for when the cluster goes. */
  get all(): readonly Stat[] {
    return this.#all;
  }

  #keep(stat: Stat): Stat {
    this.#all.push(stat);
    return stat;
  }
}
