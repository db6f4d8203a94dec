/**
 * Istio's standard metrics, counted in the sidecar. Labels are resolved once per pair of workloads (a scope) and once
 * per response code and flags of it (a series); recording a request or a connection then only increments numbers.
 */
import { isDeepStrictEqual } from 'node:util';
import type { ServiceIdentity, WorkloadIdentity } from '../api/cluster.ts';
import { type MetricRules, noMetricRules } from '../api/metric-rules.ts';
import type { NodeMetadata } from '../api/node.ts';
import type { PeerMetadata } from '../api/peer-metadata.ts';
import { overflowLabels } from '../api/standard-metrics.ts';
import type { Label } from '../common/exposition.ts';
import { HttpSeries, type HttpSeriesOrigin } from './http-series.ts';
import { createGroups, type IstioGroups } from './istio-groups.ts';
import { MetricScope, Reporter, scopeKeyOf, unresolvedSlot } from './metric-scope.ts';
import { PeerCache } from './peer-cache.ts';
import { SeriesGenerations, type SweepOptions } from './series-generations.ts';
import { SeriesTable, type SeriesHistogram, type SeriesObservations } from './series-table.ts';
import { TcpSeriesSet } from './tcp-series-set.ts';
import { TcpSeries } from './tcp-series.ts';
import {
  destinationLabels,
  serviceOfNode,
  sourceLabels,
  standardLabels,
  workloadOfEndpoint,
  workloadOfNode,
  type LabelValues,
} from '../api/workload-labels.ts';
import { unpackOutcome } from './response-outcome.ts';

export interface IstioMetricsOptions {
  /**
   * Series per metric and reporter; default 2,000. What comes on top is counted in one series with the label value
   * `overflow`. Their number is what bounds the memory (576 bytes each, and their labels).
   */
  readonly maxSeries?: number;
  /** Distinct values of the peer metadata header whose decoding is remembered; default 1,024. */
  readonly maxCachedPeers?: number;
}

export class IstioMetrics {
  readonly #local: PeerMetadata;
  readonly #localService: ServiceIdentity | undefined;
  readonly #maxSeries: number;
  readonly #table = new SeriesTable();
  readonly #series = new Map<number, HttpSeries>();
  readonly #tcpSeries: TcpSeriesSet;
  readonly #generations = new SeriesGenerations();
  readonly #slotByKey = new Map<string, number>();
  readonly #scopes = new Map<string, MetricScope>();
  readonly #peers: PeerCache<MetricScope>;
  #groups: IstioGroups | undefined;
  readonly #source: Reporter;
  readonly #destination: Reporter;
  /** For requests without a route: no endpoint is there to keep their scope. */
  #nowhere: MetricScope;

  constructor(local: NodeMetadata, options: IstioMetricsOptions = {}) {
    this.#local = workloadOfNode(local);
    this.#localService = serviceOfNode(local);
    this.#maxSeries = options.maxSeries ?? 2000;
    this.#tcpSeries = new TcpSeriesSet(this.#maxSeries, this.#generations);
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

  /** How the metrics of one side differ from Istio's, from now on; what was counted stays as it was labelled. */
  setRules(side: Reporter['name'], rules: MetricRules = noMetricRules): void {
    const reporter = side === 'source' ? this.#source : this.#destination;
    if (isDeepStrictEqual(reporter.rules, rules)) return;
    // Once told as sums, always: series that differ in what one metric leaves out may be there for long.
    if (Object.keys(rules.ownLabels).length > 0) this.#groups ??= createGroups(this);
    reporter.setRules(rules);
    for (const [key, scope] of this.#scopes) {
      if (scope.reporter !== reporter) continue;
      this.#scopes.delete(key);
      scope.isRetired = true;
      reporter.scopeCount -= 1;
    }
    if (side === 'source') this.#nowhere = this.#createOutboundScope(undefined, undefined);
    else this.#peers.clear();
  }

  /** Undefined while every metric has the labels of the series. */
  get groups(): IstioGroups | undefined {
    return this.#groups;
  }

  /** Whether a metric is exported of series with these labels, the first of which names the side. */
  exports(metricName: string, [reporter]: readonly Label[]): boolean {
    const { rules } = reporter?.value === 'source' ? this.#source : this.#destination;
    return !rules.droppedMetrics.includes(metricName);
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
   * Counts one finished request. `outcome` is that of `packOutcome`, a status where there is no gRPC; `responseFlags` is Envoy's, `-` when there is none; sizes are those of the bodies.
   */
  // oxlint-disable-next-line max-params -- once per request: an object to hold them would be garbage each time
  record(
    scope: MetricScope,
    outcome: number,
    responseFlags: string,
    durationMs: number,
    requestBytes: number,
    responseBytes: number,
  ): void {
    let slot = scope.find(outcome, responseFlags);
    if (slot === unresolvedSlot) slot = this.#resolve(scope, outcome, responseFlags);
    this.#table.record(slot, durationMs, requestBytes, responseBytes);
  }

  /**
   * The series of connections that end, or have not ended yet, with `responseFlags`. Whoever keeps it counts in
   * `openedCount` first: a series is kept for as long as connections are open.
   */
  tcpSeries(scope: MetricScope, responseFlags: string): TcpSeries {
    return scope.findTcp(responseFlags) ?? this.#tcpSeries.resolve(scope, responseFlags);
  }

  /** Every series of HTTP that counted something. */
  *series(): Generator<HttpSeries, void, undefined> {
    for (const series of this.#series.values()) if (series.eventCount > 0) yield series;
  }

  /** Every series of TCP that counted something. */
  *allTcpSeries(): Generator<TcpSeries, void, undefined> {
    for (const series of this.#tcpSeries) if (series.eventCount > 0) yield series;
  }

  requestCount({ slot }: HttpSeries): number {
    return this.#table.requestCount(slot);
  }

  /** `histogram` is an index of `standardHistograms`. */
  histogram({ slot }: HttpSeries, histogram: number): SeriesHistogram {
    return this.#table.histogram(slot, histogram);
  }

  /** The same, bucket by bucket. */
  observations({ slot }: HttpSeries, histogram: number): SeriesObservations {
    return this.#table.observations(slot, histogram);
  }

  /**
   * Takes out the series in which nothing was counted since `expireAfterMs`, as far as `isSaid` agrees; called every few
   * minutes. One that comes back begins at zero, with a time of its own, so nobody takes its counts for the old ones.
   */
  sweep(options: SweepOptions): void {
    const idle = this.#generations.idle([...this.#series.values(), ...this.#tcpSeries], options);
    if (idle.length === 0) return;
    this.#groups?.takeOut(idle);
    for (const series of idle) {
      if (series instanceof TcpSeries) this.#tcpSeries.remove(series);
      else this.#remove(series);
      if (series.origin !== undefined) this.#retireWithoutSeries(series.origin.scope);
    }
    for (const scope of this.#scopes.values()) scope.forget(scope.reporter.overflowSlot);
    for (const reporter of [this.#source, this.#destination]) reporter.renewOverflow();
    this.#generations.renew(options.nowMs);
  }

  #remove({ slot, origin }: HttpSeries): void {
    if (origin === undefined) return;
    const { scope, key } = origin;
    scope.forget(slot);
    scope.reporter.seriesCount -= 1;
    scope.seriesCount -= 1;
    this.#series.delete(slot);
    this.#slotByKey.delete(key);
    this.#table.remove(slot);
  }

  /** Whoever still holds the scope can count there; the series are found by their labels. */
  #retireWithoutSeries(scope: MetricScope): void {
    const { key } = scope;
    if (scope.seriesCount > 0 || this.#scopes.get(key) !== scope) return;
    this.#scopes.delete(key);
    scope.isRetired = true;
    scope.reporter.scopeCount -= 1;
  }

  #createOutboundScope(service: ServiceIdentity | undefined, workload: WorkloadIdentity | undefined): MetricScope {
    return this.#scope(this.#source, {
      ...sourceLabels(this.#local),
      ...destinationLabels(workloadOfEndpoint(workload), service),
      connection_security_policy: 'unknown',
    });
  }

  #scope(reporter: Reporter, given: LabelValues): MetricScope {
    const labels = reporter.ruled(given);
    const key = scopeKeyOf(reporter, labels);
    const known = this.#scopes.get(key);
    if (known !== undefined) return known;
    if (reporter.scopeCount >= this.#maxSeries) return reporter.overflowScope;
    reporter.scopeCount += 1;
    const scope = new MetricScope(reporter, labels);
    this.#scopes.set(key, scope);
    return scope;
  }

  #resolve(scope: MetricScope, outcome: number, responseFlags: string): number {
    const slot = this.#seriesSlot(scope, outcome, responseFlags);
    // A series is forgotten in the scope that it came with: none that is like it may remember it.
    const owner = this.#series.get(slot)?.origin?.scope;
    if (owner === undefined || owner === scope) scope.remember(outcome, responseFlags, slot);
    return slot;
  }

  #seriesSlot(scope: MetricScope, outcome: number, responseFlags: string): number {
    const { reporter, labels } = scope;
    // Only the scopes beyond the cap have no labels.
    if (Object.keys(labels).length === 0) return reporter.overflowSlot;
    const { status, isGrpc, grpcStatus } = unpackOutcome(outcome);
    const tell = (label: string, value: string | number): string => (reporter.tells(label) ? String(value) : '');
    const code = tell('response_code', status);
    const grpc = tell('request_protocol', Number(isGrpc)) + tell('grpc_response_status', `:${grpcStatus}`);
    const key = `${code} ${grpc} ${tell('response_flags', responseFlags)} ${scope.key}`;
    const known = this.#slotByKey.get(key);
    if (known !== undefined) return this.#adopt(known, scope);
    if (reporter.seriesCount >= this.#maxSeries) return reporter.overflowSlot;
    reporter.seriesCount += 1;
    scope.seriesCount += 1;
    const slot = this.#addSeries(
      standardLabels(
        {
          request_protocol: isGrpc ? 'grpc' : 'http',
          response_code: String(status),
          grpc_response_status: grpcStatus,
          response_flags: responseFlags,
          ...labels,
          reporter: reporter.name,
        },
        reporter.labelNames,
      ),
      { scope, key },
    );
    this.#slotByKey.set(key, slot);
    return slot;
  }

  /** A series outlives its scope where the rules of labels changed, and came back. */
  #adopt(slot: number, scope: MetricScope): number {
    const origin = this.#series.get(slot)?.origin;
    if (origin?.scope.isRetired === true) {
      origin.scope.seriesCount -= 1;
      scope.seriesCount += 1;
      origin.scope = scope;
    }
    return slot;
  }

  #addReporter(name: Reporter['name']): Reporter {
    const overflowSlot = this.#addSeries(overflowLabels(name));
    return new Reporter(name, overflowSlot, this.#tcpSeries.addOverflow(name));
  }

  #addSeries(labels: readonly Label[], origin?: HttpSeriesOrigin): number {
    const series = new HttpSeries(labels, origin, { table: this.#table, generations: this.#generations });
    this.#series.set(series.slot, series);
    return series.slot;
  }
}
