/**
 * Istio's standard metrics, counted in the sidecar. Labels are resolved once per pair of workloads (a scope) and once
 * per response code and flags of it (a series); recording a request then only increments numbers.
 */
import type { ServiceIdentity, WorkloadIdentity } from '../api/cluster.ts';
import type { NodeMetadata } from '../api/node.ts';
import type { PeerMetadata } from '../api/peer-metadata.ts';
import { overflowLabels } from '../api/standard-metrics.ts';
import type { Label } from '../common/exposition.ts';
import { MetricScope, Reporter, unresolvedSlot } from './metric-scope.ts';
import { PeerCache } from './peer-cache.ts';
import { SeriesTable, type SeriesHistogram } from './series-table.ts';
import {
  destinationLabels,
  serviceOfNode,
  sourceLabels,
  standardLabels,
  workloadOfEndpoint,
  workloadOfNode,
  type LabelValues,
} from './workload-labels.ts';

export interface IstioMetricsOptions {
  /**
   * Series per metric and reporter; default 2,000. What comes on top is counted in one series with the label value
   * `overflow`. Their number is what bounds the memory (576 bytes each, and their labels).
   */
  readonly maxSeries?: number;
  /** Distinct values of the peer metadata header whose decoding is remembered; default 1,024. */
  readonly maxCachedPeers?: number;
}

/** One label set; it exists in each of the standard metrics. */
export interface IstioSeries {
  readonly slot: number;
  /** In Istio's order. */
  readonly labels: readonly Label[];
  /** When it began to count, in Unix milliseconds; undefined: with the process. */
  readonly createdMs: number | undefined;
}

/** A series at work, and how to take it out again. */
interface LiveSeries extends IstioSeries {
  /** Undefined: it is never taken out. */
  readonly origin:
    | {
        readonly scope: MetricScope;
        readonly responseCode: number;
        readonly responseFlags: string;
        readonly key: string;
      }
    | undefined;
  /** Requests at the last sweep, and when there were fewer. */
  sweptCount: number;
  changedMs: number;
}

/** Receivers tell counts that begin anew by their time, and remember a limited number of times. */
const maxGenerations = 32;

export class IstioMetrics {
  readonly #local: PeerMetadata;
  readonly #localService: ServiceIdentity | undefined;
  readonly #maxSeries: number;
  readonly #table = new SeriesTable();
  readonly #series = new Map<number, LiveSeries>();
  readonly #slotByKey = new Map<string, number>();
  readonly #scopes = new Map<string, MetricScope>();
  readonly #peers: PeerCache<MetricScope>;
  readonly #source: Reporter;
  readonly #destination: Reporter;
  /** For requests without a route: no endpoint is there to keep their scope. */
  readonly #nowhere: MetricScope;
  /** Since the last sweep that took a series out: whatever begins to count now may have counted before. */
  #createdMs: number | undefined = undefined;
  #sweptMs = 0;

  constructor(local: NodeMetadata, options: IstioMetricsOptions = {}) {
    this.#local = workloadOfNode(local);
    this.#localService = serviceOfNode(local);
    this.#maxSeries = options.maxSeries ?? 2000;
    this.#table.add(); // unresolvedSlot
    this.#source = this.#addReporter('source');
    this.#destination = this.#addReporter('destination');
    this.#nowhere = this.#createOutboundScope(undefined, undefined);
    this.#peers = new PeerCache(options.maxCachedPeers ?? 1024, (peer) =>
      this.#scope(this.#destination, {
        ...sourceLabels(peer),
        ...destinationLabels(this.#local, this.#localService),
        connection_security_policy: 'none',
      }),
    );
  }

  /** Requests from this workload to `workload`, an endpoint of `service`; what is undefined is labelled `unknown`. */
  outboundScope(service: ServiceIdentity | undefined, workload: WorkloadIdentity | undefined): MetricScope {
    const isNowhere = service === undefined && workload === undefined;
    return isNowhere ? this.#nowhere : this.#createOutboundScope(service, workload);
  }

  /** Requests to this workload from the peer that `x-envoy-peer-metadata` names; `unknown` when empty or not valid. */
  inboundScope(peerMetadata: string): MetricScope {
    const scope = this.#peers.get(peerMetadata);
    return scope.isRetired ? this.#peers.renew(peerMetadata) : scope;
  }

  /**
   * Counts one finished request. `responseFlags` is Envoy's, `-` when there is none; sizes are those of the bodies.
   */
  // oxlint-disable-next-line max-params -- once per request: an object to hold them would be garbage each time
  record(
    scope: MetricScope,
    responseCode: number,
    responseFlags: string,
    durationMs: number,
    requestBytes: number,
    responseBytes: number,
  ): void {
    let slot = scope.find(responseCode, responseFlags);
    if (slot === unresolvedSlot) slot = this.#resolve(scope, responseCode, responseFlags);
    this.#table.record(slot, durationMs, requestBytes, responseBytes);
  }

  /** Every series that counted something. */
  *series(): Generator<IstioSeries, void, undefined> {
    for (const series of this.#series.values()) if (this.#table.requestCount(series.slot) > 0) yield series;
  }

  requestCount({ slot }: IstioSeries): number {
    return this.#table.requestCount(slot);
  }

  /** `histogram` is an index of `standardHistograms`. */
  histogram({ slot }: IstioSeries, histogram: number): SeriesHistogram {
    return this.#table.histogram(slot, histogram);
  }

  /**
   * Takes out the series without a request since `expireAfterMs`, as far as `isSaid` agrees; called every few minutes. One
   * that comes back begins at zero, with a time of its own, so nobody takes its counts for the old ones.
   */
  sweep(nowMs: number, expireAfterMs: number, isSaid: (series: IstioSeries) => boolean): void {
    this.#sweptMs = nowMs;
    const generations = new Set<number | undefined>();
    const idle: LiveSeries[] = [];
    for (const series of this.#series.values()) {
      const count = this.#table.requestCount(series.slot);
      if (count !== series.sweptCount) {
        series.sweptCount = count;
        series.changedMs = nowMs;
      }
      if (series.origin !== undefined && nowMs - series.changedMs >= expireAfterMs && isSaid(series)) idle.push(series);
      else generations.add(series.createdMs);
    }
    if (idle.length === 0 || generations.size >= maxGenerations) return;
    for (const series of idle) this.#remove(series);
    for (const scope of this.#scopes.values()) scope.forget(scope.reporter.overflowSlot);
    for (const reporter of [this.#source, this.#destination]) reporter.renewOverflow();
    this.#createdMs = Math.max(nowMs, (this.#createdMs ?? 0) + 1);
  }

  #remove({ slot, origin }: LiveSeries): void {
    if (origin === undefined) return;
    const { scope, responseCode, responseFlags, key } = origin;
    scope.remember(responseCode, responseFlags, unresolvedSlot);
    scope.reporter.seriesCount -= 1;
    scope.seriesCount -= 1;
    this.#series.delete(slot);
    this.#slotByKey.delete(key);
    this.#table.remove(slot);
    const scopeKey = scopeKeyOf(scope.reporter, scope.labels);
    // Whoever still holds the scope can count there; the series are found by their labels.
    if (scope.seriesCount === 0 && this.#scopes.get(scopeKey) === scope) {
      this.#scopes.delete(scopeKey);
      scope.isRetired = true;
      scope.reporter.scopeCount -= 1;
    }
  }

  #createOutboundScope(service: ServiceIdentity | undefined, workload: WorkloadIdentity | undefined): MetricScope {
    return this.#scope(this.#source, {
      ...sourceLabels(this.#local),
      ...destinationLabels(workloadOfEndpoint(workload), service),
      connection_security_policy: 'unknown',
    });
  }

  #scope(reporter: Reporter, labels: LabelValues): MetricScope {
    const key = scopeKeyOf(reporter, labels);
    const known = this.#scopes.get(key);
    if (known !== undefined) return known;
    if (reporter.scopeCount >= this.#maxSeries) return reporter.overflowScope;
    reporter.scopeCount += 1;
    const scope = new MetricScope(reporter, labels);
    this.#scopes.set(key, scope);
    return scope;
  }

  #resolve(scope: MetricScope, responseCode: number, responseFlags: string): number {
    const slot = this.#seriesSlot(scope, responseCode, responseFlags);
    scope.remember(responseCode, responseFlags, slot);
    return slot;
  }

  #seriesSlot(scope: MetricScope, responseCode: number, responseFlags: string): number {
    const { reporter, labels } = scope;
    // Only the scopes beyond the cap have no labels.
    if (Object.keys(labels).length === 0) return reporter.overflowSlot;
    const key = `${responseCode} ${responseFlags} ${scopeKeyOf(reporter, labels)}`;
    const known = this.#slotByKey.get(key);
    if (known !== undefined) return known;
    if (reporter.seriesCount >= this.#maxSeries) return reporter.overflowSlot;
    reporter.seriesCount += 1;
    scope.seriesCount += 1;
    const slot = this.#addSeries(
      standardLabels({
        ...labels,
        reporter: reporter.name,
        request_protocol: 'http',
        response_code: String(responseCode),
        response_flags: responseFlags,
      }),
      { scope, responseCode, responseFlags, key },
    );
    this.#slotByKey.set(key, slot);
    return slot;
  }

  #addReporter(name: Reporter['name']): Reporter {
    const overflowSlot = this.#addSeries(overflowLabels(name));
    return new Reporter(name, overflowSlot);
  }

  #addSeries(labels: readonly Label[], origin?: LiveSeries['origin']): number {
    const slot = this.#table.add();
    const times = { createdMs: this.#createdMs, sweptCount: 0, changedMs: this.#sweptMs };
    this.#series.set(slot, { slot, labels, origin, ...times });
    return slot;
  }
}

function scopeKeyOf(reporter: Reporter, labels: LabelValues): string {
  return JSON.stringify([reporter.name, labels]);
}
