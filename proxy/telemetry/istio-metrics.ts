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
   * `overflow`. Series are kept until the process ends: their number is what bounds the memory (576 bytes each, and
   * their labels).
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
}

export class IstioMetrics {
  readonly #local: PeerMetadata;
  readonly #localService: ServiceIdentity | undefined;
  readonly #maxSeries: number;
  readonly #table = new SeriesTable();
  readonly #series: IstioSeries[] = [];
  readonly #scopes = new Map<string, MetricScope>();
  readonly #peers: PeerCache<MetricScope>;
  readonly #source: Reporter;
  readonly #destination: Reporter;
  /** For requests without a route: no endpoint is there to keep their scope. */
  readonly #nowhere: MetricScope;

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
    return this.#peers.get(peerMetadata);
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
    for (const series of this.#series) if (this.#table.requestCount(series.slot) > 0) yield series;
  }

  requestCount({ slot }: IstioSeries): number {
    return this.#table.requestCount(slot);
  }

  /** `histogram` is an index of `standardHistograms`. */
  histogram({ slot }: IstioSeries, histogram: number): SeriesHistogram {
    return this.#table.histogram(slot, histogram);
  }

  #createOutboundScope(service: ServiceIdentity | undefined, workload: WorkloadIdentity | undefined): MetricScope {
    return this.#scope(this.#source, {
      ...sourceLabels(this.#local),
      ...destinationLabels(workloadOfEndpoint(workload), service),
      connection_security_policy: 'unknown',
    });
  }

  #scope(reporter: Reporter, labels: LabelValues): MetricScope {
    const key = JSON.stringify([reporter.name, labels]);
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
    if (scope === reporter.overflowScope || reporter.seriesCount >= this.#maxSeries) return reporter.overflowSlot;
    reporter.seriesCount += 1;
    return this.#addSeries(
      standardLabels({
        ...labels,
        reporter: reporter.name,
        request_protocol: 'http',
        response_code: String(responseCode),
        response_flags: responseFlags,
      }),
    );
  }

  #addReporter(name: Reporter['name']): Reporter {
    const overflowSlot = this.#addSeries(overflowLabels(name));
    return new Reporter(name, overflowSlot);
  }

  #addSeries(labels: readonly Label[]): number {
    const slot = this.#table.add();
    this.#series.push({ slot, labels });
    return slot;
  }
}
