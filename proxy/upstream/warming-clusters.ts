/**
 * Clusters that wait for their secrets and for the first results of their health checks before they take requests (Envoy
 * docs `upstream/cluster_manager`, cluster warming). Until then their predecessors serve.
 */
import type { Clock } from '../common/clock.ts';
import type { UpstreamCluster } from './cluster.ts';

/** A host that never answers, or endpoints that never come, keep a cluster waiting no longer than this. */
export const warmingTimeoutMs = 5_000;
/** Nor secrets that SDS does not send longer than this: Envoy's default `initial_fetch_timeout`. */
export const secretsTimeoutMs = 15_000;

export class WarmingClusters {
  readonly #clock: Clock;
  readonly #onWarm: (cluster: UpstreamCluster) => void;
  readonly #clusters = new Map<string, { readonly cluster: UpstreamCluster; readonly cancelTimer: () => void }>();
  #waiting: (() => void)[] = [];

  /** `onWarm`: the cluster is in here no more, and takes requests from now on. */
  constructor(clock: Clock, onWarm: (cluster: UpstreamCluster) => void) {
    this.#clock = clock;
    this.#onWarm = onWarm;
  }

  get(name: string): UpstreamCluster | undefined {
    return this.#clusters.get(name)?.cluster;
  }

  list(): UpstreamCluster[] {
    return [...this.#clusters.values()].map(({ cluster }) => cluster);
  }

  add(cluster: UpstreamCluster): void {
    const { name } = cluster.config;
    const finish = (): void => {
      this.#remove(name);
      this.#onWarm(cluster);
      this.settle();
    };
    const timeoutMs = cluster.isWaitingForSecrets ? secretsTimeoutMs : warmingTimeoutMs;
    this.#clusters.set(name, { cluster, cancelTimer: this.#clock.setTimer(finish, timeoutMs) });
    cluster.onWarm = finish;
  }

  /** Gives a cluster up that is not wanted any more, or not like this. */
  drop(name: string): void {
    const cluster = this.get(name);
    if (cluster === undefined) return;
    this.#remove(name);
    cluster.close();
  }

  /** Calls back when no cluster is warming, which may be at once. */
  onceDone(callback: () => void): void {
    this.#waiting.push(callback);
    this.settle();
  }

  /** Nobody is called back. */
  close(): void {
    this.#waiting = [];
    for (const name of this.#clusters.keys()) this.drop(name);
  }

  #remove(name: string): void {
    const warming = this.#clusters.get(name);
    if (warming === undefined) return;
    warming.cancelTimer();
    warming.cluster.onWarm = undefined;
    this.#clusters.delete(name);
  }

  /** After clusters were dropped: calls back who waits, when none is left. */
  settle(): void {
    if (this.#clusters.size > 0) return;
    for (const callback of this.#waiting.splice(0)) callback();
  }
}
