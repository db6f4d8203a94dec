/**
 * Streams what the sidecar counted to mixer. A mixer that is slow or gone costs no request anything: a tick is skipped
 * while the last message is not taken yet, and as values are cumulative the next one says it all.
 */
import { encodeStreamMetrics } from '../api/metrics-encoder.ts';
import { referencesMetadata, streamMetrics } from '../api/metrics-service.ts';
import { encodeNode, type Node } from '../api/node.ts';
import type { Backoff } from '../common/backoff.ts';
import type { Lifecycle } from '../common/lifecycle.ts';
import type { Logger } from '../common/log.ts';
import { MetricsReport, type ReportSources } from './metrics-report.ts';
import { ReportStream } from './report-stream.ts';
import type { IstioSeries } from './series-generations.ts';

export interface MetricsSinkOptions extends ReportSources {
  /** `host:port` of a mixer; asked at each connect, undefined when none is known at the time. */
  readonly target: () => string | undefined;
  readonly node: Node;
  /** Bootstrap's `stats_flush_interval`. */
  readonly flushIntervalMs: number;
  readonly backoff: Backoff;
  readonly logger: Logger;
}

export class MetricsSink implements Lifecycle {
  readonly #options: MetricsSinkOptions;
  readonly #report: MetricsReport;
  #state: 'new' | 'running' | 'draining' | 'closed' = 'new';
  #stream: ReportStream | undefined;
  /** The walk over the series that is under way. */
  #flushing: Promise<void> | undefined;
  #draining: Promise<void> | undefined;
  #isMixerMissed = false;
  #cancelTick = (): void => {};
  #cancelConnect = (): void => {};

  constructor(options: MetricsSinkOptions) {
    this.#options = options;
    this.#report = new MetricsReport(options);
  }

  /** Mixer was told all that the series counted, on the stream that is open now. */
  hasSaid(series: IstioSeries): boolean {
    return this.#stream?.isOpen === true && this.#report.hasSaid(series);
  }

  /** Does not wait for a mixer. */
  async start(): Promise<void> {
    if (this.#state !== 'new') return;
    this.#state = 'running';
    this.#connect();
    this.#scheduleTick();
  }

  /** Reports the last counts and waits until a mixer has read them, at most `deadlineMs`. */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#state !== 'running') return this.#draining ?? this.close();
    this.#state = 'draining';
    this.#draining = this.#reportLast(deadlineMs);
    return this.#draining;
  }

  async close(): Promise<void> {
    this.#state = 'closed';
    this.#cancelTimers();
    this.#stream?.cancel();
    await this.#stream?.ended;
    await this.#flushing;
  }

  async #reportLast(deadlineMs: number): Promise<void> {
    this.#cancelTimers();
    let cancelDeadline = (): void => {};
    const deadline = new Promise<void>((resolve) => {
      cancelDeadline = this.#options.clock.setTimer(resolve, deadlineMs);
    });
    await Promise.race([this.#finish(), deadline]);
    cancelDeadline();
    await this.close();
  }

  async #finish(): Promise<void> {
    await this.#flushing;
    if (this.#stream?.isOpen === true) this.#flush(this.#stream);
    else this.#connect();
    await this.#flushing;
    this.#stream?.finish();
    await this.#stream?.ended;
  }

  #connect(): void {
    const stream = this.#openStream();
    if (stream === undefined) return this.#connectLater();
    this.#stream = stream;
    void stream.ended.then((error) => this.#onEnded(error));
    this.#report.restart();
    this.#flush(stream, encodeStreamMetrics({ node: encodeNode(this.#options.node), families: [], updates: [] }));
  }

  #openStream(): ReportStream | undefined {
    const target = this.#options.target();
    try {
      return target === undefined ? undefined : new ReportStream(target, streamMetrics);
    } catch (error) {
      this.#options.logger.error('address of mixer is not usable', { target, error: String(error) });
      return undefined;
    }
  }

  #onEnded(error: Error | undefined): void {
    if (this.#state !== 'running') return;
    if (!this.#isMixerMissed) this.#options.logger.warn('stream to mixer ended', { reason: error?.message });
    this.#isMixerMissed = true;
    this.#connectLater();
  }

  #connectLater(): void {
    if (this.#state !== 'running') return;
    const { clock, backoff } = this.#options;
    this.#cancelConnect = clock.setTimer(() => this.#connect(), backoff.nextDelayMs());
  }

  #scheduleTick(): void {
    this.#cancelTick = this.#options.clock.setTimer(() => {
      this.#scheduleTick();
      this.#tick();
    }, this.#options.flushIntervalMs);
  }

  #tick(): void {
    if (this.#stream?.isOpen !== true || this.#flushing !== undefined) return;
    // The stream took everything and lived until now: mixer is well.
    this.#options.backoff.reset();
    if (this.#isMixerMissed) this.#options.logger.info('reporting to mixer again');
    this.#isMixerMissed = false;
    this.#flush(this.#stream);
  }

  #flush(stream: ReportStream, opening?: Uint8Array): void {
    this.#flushing = this.#send(stream, opening)
      .catch((error: unknown) => {
        this.#options.logger.error('report failed', { error: String(error) });
      })
      .finally(() => {
        this.#flushing = undefined;
      });
  }

  async #send(stream: ReportStream, opening: Uint8Array | undefined): Promise<void> {
    if (opening !== undefined) await stream.write(opening);
    const takesReferences = stream.offers(referencesMetadata);
    for (const part of this.#report.changes(takesReferences)) {
      const isTaken = await stream.write(encodeStreamMetrics({ node: undefined, ...part }));
      if (!isTaken) return;
    }
  }

  #cancelTimers(): void {
    this.#cancelTick();
    this.#cancelConnect();
  }
}
