/** One endpoint of one cluster at work: its connections and what is going on there. Survives endpoint updates. */
import type { Endpoint } from '../api/cluster.ts';
import type { MetricScope } from '../telemetry/metric-scope.ts';
import type { MeshError } from '../common/errors.ts';
import type { UpstreamCluster } from './cluster.ts';
import { ConnectionPool } from './connection-pool.ts';
import { DownstreamPools } from './downstream-pools.ts';
import type { HostCheck } from './health-check/host-check.ts';
import { LatencyEstimate } from './latency-estimate.ts';
import { Http2Pool } from './http2-pool.ts';
import type { HostMonitor } from './outlier/host-monitor.ts';
import type { DownstreamConnection, PoolCallbacks, StreamPool, UpstreamStream } from './upstream-stream.ts';

export class Host {
  readonly cluster: UpstreamCluster;
  readonly address: string;
  /** Of connections of HTTP/1.1. */
  readonly pool: ConnectionPool;
  /** The same of HTTP/2; undefined until there is a request for one. */
  #http2Pool: StreamPool | undefined = undefined;
  /** Besides `pool`, of connections that are one client's; undefined while there are none. */
  #downstreamPools: DownstreamPools | undefined = undefined;
  /** Monotonic milliseconds. */
  readonly createdMs: number;
  endpoint: Endpoint;
  activeRequests = 0;
  activeConnections = 0;
  requestsTotal = 0;
  connectionsTotal = 0;
  connectFailuresTotal = 0;
  /** Attempts by what they came to: a status below 500, anything else, and of that no answer in time. */
  successesTotal = 0;
  errorsTotal = 0;
  timeoutsTotal = 0;
  isRemoved = false;
  /** Set by the cluster's outlier detection; undefined without one. */
  monitor: HostMonitor | undefined = undefined;
  /** Of clusters that are balanced by it. */
  readonly latency: LatencyEstimate | undefined;
  /** Set by the cluster's active health checks; undefined without any. */
  check: HostCheck | undefined = undefined;
  /** The control plane has taken it away, but its checks succeed, so it stays until one fails. */
  isLeaving = false;
  #isEjected = false;
  /** Where requests to this host are counted; resolved at the first one. */
  metricScope: MetricScope | undefined = undefined;

  constructor(cluster: UpstreamCluster, endpoint: Endpoint) {
    this.cluster = cluster;
    this.endpoint = endpoint;
    this.address = `${endpoint.address}:${endpoint.port}`;
    this.pool = new ConnectionPool(this);
    this.createdMs = cluster.context.clock.monotonicMs();
    const { peakEwma } = cluster.config.loadBalancing;
    this.latency = peakEwma && new LatencyEstimate(peakEwma, this.createdMs);
  }

  /** Whether pickers may choose it. Changes only together with the cluster's picker. */
  get isAvailable(): boolean {
    return !this.#isEjected && this.endpoint.isHealthy && this.check?.isFailed !== true;
  }

  /** Outlier detection keeps it out of rotation, whatever the control plane says. */
  get isEjected(): boolean {
    return this.#isEjected;
  }

  set isEjected(isEjected: boolean) {
    if (this.#isEjected === isEjected) return;
    this.#isEjected = isEjected;
    if (!this.isRemoved) this.cluster.rebuildPicker();
  }

  /**
   * Begins an attempt: a stream, taken for `request`. Otherwise undefined, and the callbacks of `request` say
   * how it goes on. `mayReuse`: false asks for a connection other than those that there are now.
   */
  newStream(request: PoolCallbacks, nowMs: number, mayReuse: boolean): UpstreamStream | undefined {
    this.activeRequests += 1;
    this.requestsTotal += 1;
    this.cluster.stats.requests.value += 1;
    this.monitor?.onStreamStart();
    return this.#poolOf(request).newStream(request, nowMs, mayReuse);
  }

  /** The shared one, unless the cluster tells its hosts on whose behalf connections are, or the client is named by its address. */
  #poolOf({ downstream, isUpgrade }: PoolCallbacks): StreamPool {
    const isHttp2 = isUpgrade !== true && this.#speaksHttp2(downstream);
    const key = downstream && (this.cluster.proxyProtocol === undefined ? downstream.originalSource?.key : downstream);
    if (downstream !== undefined && key !== undefined)
      return (this.#downstreamPools ??= new DownstreamPools(this)).get(key, downstream, isHttp2);
    return isHttp2 ? (this.#http2Pool ??= this.createHttp2Pool(undefined)) : this.pool;
  }

  createHttp2Pool(downstream: DownstreamConnection | undefined): StreamPool {
    const { createHttp2Pool } = this.cluster.context;
    return createHttp2Pool?.(this, downstream) ?? new Http2Pool(this, downstream);
  }

  #speaksHttp2(downstream: DownstreamConnection | undefined): boolean {
    const { protocol } = this.cluster.config;
    return protocol === 'downstream' ? downstream?.protocol === 'HTTP/2' : protocol === 'http2';
  }

  /** Ends the attempt, whatever became of it; `stream` is the one it had got. */
  endStream(request: PoolCallbacks, stream: UpstreamStream | undefined): void {
    this.activeRequests -= 1;
    if (stream === undefined) this.#poolOf(request).cancel(request);
    else this.cluster.stats.requestsActive.value -= 1;
    this.monitor?.onStreamEnd();
  }

  /** What an attempt that began here came to: the status of the response, or why there is none. */
  recordResult(result: number | MeshError): void {
    if (typeof result === 'number') {
      if (result < 500) this.successesTotal += 1;
      else this.errorsTotal += 1;
      this.monitor?.recordStatus(result);
    } else if (result.code !== 'overflow') {
      this.errorsTotal += 1;
      if (result.code === 'upstream_timeout') this.timeoutsTotal += 1;
      this.monitor?.recordLocalOriginFailure();
    }
  }

  /** Pools besides the shared one. */
  get downstreamPoolCount(): number {
    return this.#downstreamPools?.size ?? 0;
  }

  /** No new requests; what runs finishes, then its connection closes. */
  remove(): void {
    this.isRemoved = true;
    this.closeIdle();
  }

  /** Connections that carry nothing close now, others of HTTP/2 when they carry nothing any more. */
  closeIdle(): void {
    this.pool.closeIdle();
    this.#http2Pool?.closeIdle();
    this.#downstreamPools?.closeIdle();
  }

  /** Called once a second: closes connections that were idle for too long, and forgets pools that have none. */
  sweepIdle(nowMs: number): void {
    this.pool.sweepIdle(nowMs);
    this.#http2Pool?.sweepIdle(nowMs);
    this.#downstreamPools?.sweepIdle(nowMs);
  }
}
