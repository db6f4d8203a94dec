/** The composition root of mixer: sidecars report over gRPC, Prometheus reads over HTTP, canaries are decided through pilot. */
import { promisify } from 'node:util';
import { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js';
import { accessLogService } from '../proxy/api/access-log-service.ts';
import { metricsService } from '../proxy/api/metrics-service.ts';
import { rateLimitQuotaService } from '../proxy/api/quota-service.ts';
import { rateLimitService } from '../proxy/api/rate-limit-service.ts';
import { exposeInSlices, type ExpositionFormat } from '../proxy/common/exposition.ts';
import type { Lifecycle } from '../proxy/common/lifecycle.ts';
import { CanaryController } from './canary/controller.ts';
import { createHttpCaller } from './canary/http-caller.ts';
import { PilotClient } from './canary/pilot-client.ts';
import { latencyHistory, TrafficObserver } from './canary/traffic-observer.ts';
import { resolveOptions, type MixerOptions, type ResolvedOptions } from './options.ts';
import { LimitPools } from './policy/limit-pools.ts';
import { QuotaServer } from './policy/quota-server.ts';
import { RateLimitServer } from './policy/rate-limit-server.ts';
import type { SharedTokens } from './policy/shared-tokens.ts';
import { AccessLogReceiver } from './telemetry/access-log-receiver.ts';
import { Ledger } from './telemetry/ledger.ts';
import { LogCounts } from './telemetry/log-counts.ts';
import { MetricsPage } from './telemetry/metrics-page.ts';
import { MetricsReceiver } from './telemetry/metrics-receiver.ts';
import { MixerMetrics } from './telemetry/mixer-metrics.ts';
import { ServiceGraph, slotMs } from './telemetry/service-graph.ts';
import { Totals } from './telemetry/totals.ts';

export class MixerServer implements Lifecycle {
  readonly #options: ResolvedOptions;
  readonly #totals: Totals;
  readonly #observer = new TrafficObserver();
  readonly #ledger: Ledger;
  readonly #metrics: MixerMetrics;
  readonly #receiver: MetricsReceiver;
  readonly #logCounts: LogCounts;
  readonly #logReceiver: AccessLogReceiver;
  readonly #pools: LimitPools;
  readonly #quotas: QuotaServer;
  readonly #grpc: GrpcServer;
  readonly #graph: ServiceGraph;
  readonly #page: MetricsPage;
  #grpcPort = 0;
  #canaries: { readonly controller: CanaryController; close(): Promise<void> } | undefined;
  #sharedTokens: SharedTokens | undefined = undefined;
  #state: 'new' | 'serving' | 'draining' | 'closed' = 'new';
  #draining: Promise<void> | undefined;
  #cancelSweep = (): void => {};
  #cancelGraph = (): void => {};

  constructor(options: MixerOptions = {}) {
    this.#options = resolveOptions(options);
    const { limits, clock, logger, redisUrl, shownBounds } = this.#options;
    this.#pools = new LimitPools({ isShared: redisUrl !== undefined });
    this.#totals = new Totals(limits, shownBounds);
    this.#graph = new ServiceGraph(this.#totals, limits);
    this.#ledger = new Ledger(this.#totals, limits, { traffic: this.#observer, past: this.#graph });
    this.#metrics = new MixerMetrics(() => ({
      instanceCount: this.#ledger.instanceCount,
      seriesCount: this.#totals.seriesCount,
      limitCount: this.#pools.size,
    }));
    const receiving = { ledger: this.#ledger, metrics: this.#metrics, clock, logger };
    this.#receiver = new MetricsReceiver(receiving);
    this.#logCounts = new LogCounts(this.#totals, limits, this.#observer);
    this.#logReceiver = new AccessLogReceiver({ ...receiving, counts: this.#logCounts });
    this.#grpc = new GrpcServer();
    this.#grpc.addService(metricsService, this.#receiver.implementation);
    const quotaParts = { pools: this.#pools, metrics: this.#metrics, clock, logger };
    this.#quotas = new QuotaServer(quotaParts);
    this.#grpc.addService(rateLimitQuotaService, this.#quotas.implementation);
    this.#grpc.addService(rateLimitService, new RateLimitServer(quotaParts).implementation);
    this.#grpc.addService(accessLogService, this.#logReceiver.implementation);
    this.#page = new MetricsPage({
      text: (format) => this.#text(format),
      graph: (windowSeconds) => this.#graph.show(windowSeconds, clock.nowMs()),
      isReady: () => this.#state === 'serving',
      logger,
    });
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
    await this.#shareTokens();
    await this.#page.listen(metricsPort, host);
    this.#state = 'serving';
    this.#scheduleSweep();
    this.#scheduleGraph();
    if (this.#options.pilotUrl !== undefined) await this.followPilot(this.#options.pilotUrl);
  }

  /** Where Redis is used: to load its client takes a third of the start of a mixer. */
  async #shareTokens(): Promise<void> {
    const { clock, logger, redisUrl } = this.#options;
    if (redisUrl === undefined) return;
    const { SharedTokens } = await import('./policy/shared-tokens.ts');
    this.#sharedTokens = new SharedTokens({ url: redisUrl, pools: this.#pools, clock, logger });
    await this.#sharedTokens.start();
  }

  /** Drives the canaries of this pilot from now on. Does not wait for it; a second call does nothing. */
  async followPilot(url: string): Promise<void> {
    if (this.#canaries !== undefined || this.#state !== 'serving') return;
    const { clock, logger } = this.#options;
    const pilot = new PilotClient(url);
    const caller = createHttpCaller();
    const history = latencyHistory.bind(undefined, this.#totals);
    const controller = new CanaryController({ pilot, observer: this.#observer, history, caller, clock, logger });
    const close = async (): Promise<void> => {
      await controller.close();
      await Promise.all([pilot.close(), caller.close()]);
    };
    this.#canaries = { controller, close };
    await controller.start();
  }

  /** Gives its canaries up to other mixers, and lets go of pilot: one that ends would wait for its watches. */
  async leavePilot(deadlineMs: number): Promise<void> {
    const canaries = this.#canaries;
    this.#canaries = undefined;
    await canaries?.controller.drain(deadlineMs);
    await canaries?.close();
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
    await this.#canaries?.close();
    this.#cancelGraph();
    this.#sharedTokens?.close();
    this.#grpc.forceShutdown();
    await this.#page.close();
  }

  async *#text(format: ExpositionFormat): AsyncGenerator<string, void, undefined> {
    const own = await this.#metrics.families();
    const canaries = (await this.#canaries?.controller.metrics.families()) ?? [];
    const totals = this.#totals.exposed(this.#options.clock.nowMs());
    yield* exposeInSlices(chain(totals, own, canaries), format);
  }

  #scheduleSweep(): void {
    const { clock, limits } = this.#options;
    this.#cancelSweep = clock.setTimer(() => {
      this.#ledger.sweep(clock.nowMs());
      this.#logCounts.sweep();
      this.#totals.sweep(clock.nowMs());
      this.#pools.sweep(clock.monotonicMs());
      this.#scheduleSweep();
    }, limits.sweepIntervalMs);
  }

  #scheduleGraph(): void {
    const { clock } = this.#options;
    this.#cancelGraph = clock.setTimer(() => {
      this.#graph.look(clock.nowMs());
      this.#scheduleGraph();
    }, slotMs);
  }

  async #shutDown(deadlineMs: number): Promise<void> {
    this.#receiver.endStreams();
    this.#logReceiver.endStreams();
    await this.leavePilot(deadlineMs / 2);
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

function* chain<T>(...parts: Iterable<T>[]): Generator<T, void, undefined> {
  for (const part of parts) yield* part;
}
