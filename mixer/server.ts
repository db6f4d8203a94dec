/** The composition root of mixer: sidecars report over gRPC, Prometheus reads over HTTP. */
import { promisify } from 'node:util';
import { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js';
import { metricsService } from '../proxy/api/metrics-service.ts';
import { rateLimitQuotaService } from '../proxy/api/quota-service.ts';
import { rateLimitService } from '../proxy/api/rate-limit-service.ts';
import { exposeInSlices } from '../proxy/common/exposition.ts';
import type { Lifecycle } from '../proxy/common/lifecycle.ts';
import { resolveOptions, type MixerOptions, type ResolvedOptions } from './options.ts';
import { LimitPools } from './policy/limit-pools.ts';
import { QuotaServer } from './policy/quota-server.ts';
import { RateLimitServer } from './policy/rate-limit-server.ts';
import { SharedTokens } from './policy/shared-tokens.ts';
import { Ledger } from './telemetry/ledger.ts';
import { MetricsPage } from './telemetry/metrics-page.ts';
import { MetricsReceiver } from './telemetry/metrics-receiver.ts';
import { MixerMetrics } from './telemetry/mixer-metrics.ts';
import { Totals } from './telemetry/totals.ts';

export class MixerServer implements Lifecycle {
  readonly #options: ResolvedOptions;
  readonly #totals: Totals;
  readonly #ledger: Ledger;
  readonly #metrics: MixerMetrics;
  readonly #receiver: MetricsReceiver;
  readonly #pools: LimitPools;
  readonly #sharedTokens: SharedTokens | undefined;
  readonly #quotas: QuotaServer;
  readonly #grpc: GrpcServer;
  readonly #page: MetricsPage;
  #grpcPort = 0;
  #state: 'new' | 'serving' | 'draining' | 'closed' = 'new';
  #draining: Promise<void> | undefined;
  #cancelSweep = (): void => {};

  constructor(options: MixerOptions = {}) {
    this.#options = resolveOptions(options);
    const { limits, clock, logger, redisUrl } = this.#options;
    this.#pools = new LimitPools({ isShared: redisUrl !== undefined });
    this.#sharedTokens =
      redisUrl === undefined ? undefined : new SharedTokens({ url: redisUrl, pools: this.#pools, clock, logger });
    this.#totals = new Totals(limits);
    this.#ledger = new Ledger(this.#totals, limits);
    this.#metrics = new MixerMetrics(() => ({
      instanceCount: this.#ledger.instanceCount,
      seriesCount: this.#totals.seriesCount,
      limitCount: this.#pools.size,
    }));
    this.#receiver = new MetricsReceiver({ ledger: this.#ledger, metrics: this.#metrics, clock, logger });
    this.#grpc = new GrpcServer();
    this.#grpc.addService(metricsService, this.#receiver.implementation);
    const quotaParts = { pools: this.#pools, metrics: this.#metrics, clock, logger };
    this.#quotas = new QuotaServer(quotaParts);
    this.#grpc.addService(rateLimitQuotaService, this.#quotas.implementation);
    this.#grpc.addService(rateLimitService, new RateLimitServer(quotaParts).implementation);
    this.#page = new MetricsPage({ text: () => this.#text(), isReady: () => this.#state === 'serving', logger });
  }

  /** Where sidecars report to; 0 before `start`. */
  get grpcPort(): number {
    return this.#grpcPort;
  }

  /** Where `/metrics` is served; 0 before `start`. */
  get metricsPort(): number {
    return this.#page.port;
  }

  /** Rejects when a port is taken. */
  async start(): Promise<void> {
    if (this.#state !== 'new') return;
    const { host, grpcPort, metricsPort } = this.#options;
    const bind = promisify(this.#grpc.bindAsync.bind(this.#grpc));
    this.#grpcPort = await bind(
      `${host.includes(':') ? `[${host}]` : host}:${grpcPort}`,
      ServerCredentials.createInsecure(),
    );
    await this.#sharedTokens?.start();
    await this.#page.listen(metricsPort, host);
    this.#state = 'serving';
    this.#scheduleSweep();
  }

  /** Takes what sidecars have sent, answers their streams, then closes. */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#state !== 'serving') return this.#draining ?? this.close();
    this.#state = 'draining';
    this.#draining = this.#shutDown(deadlineMs);
    return this.#draining;
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    this.#cancelSweep();
    this.#sharedTokens?.close();
    this.#grpc.forceShutdown();
    await this.#page.close();
  }

  async *#text(): AsyncGenerator<string, void, undefined> {
    yield* exposeInSlices(this.#totals.exposed(this.#options.clock.nowMs()));
    yield await this.#metrics.text();
  }

  #scheduleSweep(): void {
    const { clock, limits } = this.#options;
    this.#cancelSweep = clock.setTimer(() => {
      this.#ledger.sweep(clock.nowMs());
      this.#totals.sweep(clock.nowMs());
      this.#pools.sweep(clock.monotonicMs());
      this.#scheduleSweep();
    }, limits.sweepIntervalMs);
  }

  async #shutDown(deadlineMs: number): Promise<void> {
    this.#receiver.endStreams();
    this.#quotas.endStreams();
    let cancelDeadline = (): void => {};
    const deadline = new Promise<void>((resolve) => {
      cancelDeadline = this.#options.clock.setTimer(resolve, deadlineMs);
    });
    const shutdown = promisify(this.#grpc.tryShutdown.bind(this.#grpc))().catch(() => {});
    await Promise.race([shutdown, deadline]);
    cancelDeadline();
    await this.close();
  }
}
