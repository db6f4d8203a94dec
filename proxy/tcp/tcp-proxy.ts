/**
 * Envoy's TCP proxy: what all connections of one filter chain share. It chooses a cluster by weight, a host by the
 * cluster's balancer, and passes bytes both ways without looking at them.
 */
import type { TcpClusterWeight, TcpProxyConfig } from '../api/listener.ts';
import type { Clock } from '../common/clock.ts';
import { murmurHash } from '../common/murmur-hash.ts';
import type { StatsStore } from '../common/stats.ts';
import { type TimeSource, timeSourceOf } from '../http/stream-info.ts';
import type { AcceptedConnection, ActiveNetworkFilter } from '../listener/network-filter.ts';
import type { ClusterManager } from '../upstream/cluster-manager.ts';
import type { Random } from '../upstream/picker.ts';
import { tunnelRequest } from './http-tunnel.ts';
import { TcpConnection } from './tcp-connection.ts';
import { TcpProxyStats } from './tcp-proxy-stats.ts';
import type { TunnelPlan } from './tcp-upstream.ts';

/** Hears of connections: access log, metrics. Must not keep them. */
export interface TcpObserver {
  /** It does not look at our end of upstream connections, which takes a system call. Default: it may. */
  readonly ignoresAddresses?: true;
  /** About once a second for connections that a host has taken: what they carry can be counted before they end. */
  onProgress?(connection: TcpConnection): void;
  onComplete(connection: TcpConnection, durationMs: number): void;
}

export interface TcpProxyDependencies {
  readonly clusters: ClusterManager;
  readonly clock: Clock;
  readonly random: Random;
  readonly stats: StatsStore;
  readonly observers: readonly TcpObserver[];
}

/** Deadlines of connections are minutes and hours: looking at them once a second costs their bytes nothing. */
const sweepIntervalMs = 1_000;

export class TcpProxy implements ActiveNetworkFilter {
  readonly config: TcpProxyConfig;
  readonly stats: TcpProxyStats;
  readonly clusters: ClusterManager;
  readonly clock: Clock;
  /** The clocks, as formats read them. */
  readonly timeSource: TimeSource;
  /** How hosts are asked for a tunnel; undefined: they are not. */
  readonly tunnel: TunnelPlan | undefined;
  /** Whether anybody wants to know what both ends of an upstream connection are. */
  readonly isLogged: boolean;
  readonly #random: Random;
  readonly #observers: readonly TcpObserver[];
  readonly #totalWeight: number;
  readonly #connections = new Set<TcpConnection>();
  #cancelSweep: (() => void) | undefined = undefined;

  constructor(config: TcpProxyConfig, { clusters, clock, random, stats, observers }: TcpProxyDependencies) {
    this.config = config;
    this.tunnel = config.tunneling && { ...config.tunneling, request: tunnelRequest(config.tunneling) };
    this.isLogged = observers.some(({ ignoresAddresses }) => ignoresAddresses !== true);
    this.clusters = clusters;
    this.clock = clock;
    this.timeSource = timeSourceOf(clock);
    this.#random = random;
    this.#observers = observers;
    this.stats = new TcpProxyStats(stats, config.statPrefix);
    this.#totalWeight = config.clusters.reduce((sum, { weight }) => sum + weight, 0);
  }

  accept(connection: AcceptedConnection): TcpConnection {
    const accepted = new TcpConnection(connection, this);
    this.stats.connections.value += 1;
    this.#connections.add(accepted);
    this.#cancelSweep ??= this.clock.setTimer(this.#sweep, sweepIntervalMs);
    accepted.start();
    return accepted;
  }

  /** By weight; the same cluster serves the connection through all its attempts. */
  chooseCluster(): TcpClusterWeight | undefined {
    const { clusters } = this.config;
    if (clusters.length === 1) return clusters[0];
    let point = this.#random() * this.#totalWeight;
    for (const cluster of clusters) {
      point -= cluster.weight;
      if (point < 0) return cluster;
    }
    return clusters.at(-1);
  }

  /** Of the client, when the configuration wants it to choose the host. */
  hashOf(sourceAddress: string): number | undefined {
    return this.config.hashesSourceIp ? murmurHash(sourceAddress) : undefined;
  }

  // ---- connections ----

  onProgress(connection: TcpConnection): void {
    for (const observer of this.#observers) observer.onProgress?.(connection);
  }

  onComplete(connection: TcpConnection, durationMs: number): void {
    this.#connections.delete(connection);
    for (const observer of this.#observers) observer.onComplete(connection, durationMs);
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  readonly #sweep = (): void => {
    const nowMs = this.clock.monotonicMs();
    for (const connection of this.#connections) connection.sweep(nowMs);
    this.#cancelSweep = this.#connections.size > 0 ? this.clock.setTimer(this.#sweep, sweepIntervalMs) : undefined;
  };

  // ---- the end ----

  /** Bytes of an unknown protocol have no word for it. */
  announceDrain(): void {}

  /** Connections go on until their ends have enough of them, or the drain has. */
  drain(): void {}

  close(): void {
    this.#cancelSweep?.();
    this.#cancelSweep = undefined;
    for (const connection of this.#connections) connection.destroy();
  }
}
