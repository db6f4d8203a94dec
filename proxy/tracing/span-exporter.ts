/**
 * Sends spans to a collector with OTLP/HTTP, one batch at a time. A collector that is slow or gone costs no request
 * anything: spans wait in a queue of fixed length, and what does not fit, or was refused too often, is dropped and counted.
 */
import type { OpenTelemetryProvider } from '../api/tracing.ts';
import { Backoff } from '../common/backoff.ts';
import type { Clock } from '../common/clock.ts';
import type { MeshError } from '../common/errors.ts';
import type { Logger } from '../common/log.ts';
import type { Stat, StatsStore } from '../common/stats.ts';
import { HeaderName } from '../http/header-name.ts';
import { AsyncRequest, type AsyncRequestInput } from '../upstream/async-request.ts';
import type { ClusterManager } from '../upstream/cluster-manager.ts';
import { encodeSpans, otlpContentType } from './otlp.ts';
import type { Span } from './span.ts';

/** Encoding a batch holds up the event loop for well under a millisecond. */
const maxBatchSpans = 128;
const flushIntervalMs = 1_000;
const maxQueuedSpans = 2_048;
/** Of one batch, the first one too. */
const maxAttempts = 5;
/** What OTLP says is worth another attempt. */
const retriableStatuses: ReadonlySet<number> = new Set([429, 502, 503, 504]);

export interface SpanExporterDependencies {
  readonly clusters: Pick<ClusterManager, 'get'>;
  readonly clock: Clock;
  readonly stats: StatsStore;
  readonly random: () => number;
  readonly logger: Logger;
}

export class SpanExporter {
  readonly #provider: OpenTelemetryProvider;
  readonly #dependencies: SpanExporterDependencies;
  readonly #headers: AsyncRequestInput['headers'];
  readonly #backoff: Backoff;
  readonly #sent: Stat;
  readonly #dropped: Stat;
  readonly #timerFlushed: Stat;
  #queue: Span[] = [];
  /** On its way, or waiting for its next attempt. */
  #batch: readonly Span[] = [];
  #attempts = 0;
  #request: AsyncRequest | undefined = undefined;
  #cancelFlush: (() => void) | undefined = undefined;
  #cancelRetry: (() => void) | undefined = undefined;
  #isFailing = false;
  #state: 'running' | 'draining' | 'closed' = 'running';
  #onIdle: (() => void) | undefined = undefined;

  constructor(provider: OpenTelemetryProvider, dependencies: SpanExporterDependencies) {
    const { stats, random } = dependencies;
    this.#provider = provider;
    this.#dependencies = dependencies;
    this.#headers = [
      { name: new HeaderName('content-type'), value: otlpContentType },
      ...provider.headers.map(({ name, value }) => ({ name: new HeaderName(name), value })),
    ];
    this.#backoff = new Backoff(500, 5_000, random);
    this.#sent = stats.counter('tracing.opentelemetry.spans_sent');
    this.#dropped = stats.counter('tracing.opentelemetry.spans_dropped');
    this.#timerFlushed = stats.counter('tracing.opentelemetry.timer_flushed');
  }

  add(span: Span): void {
    if (this.#state === 'closed' || this.#queue.length >= maxQueuedSpans) {
      this.#dropped.value += 1;
      return;
    }
    this.#queue.push(span);
    if (this.#queue.length >= maxBatchSpans) this.#flush();
    else this.#cancelFlush ??= this.#dependencies.clock.setTimer(this.#onFlushTimer, flushIntervalMs);
  }

  readonly #onFlushTimer = (): void => {
    this.#cancelFlush = undefined;
    this.#timerFlushed.value += 1;
    this.#flush();
  };

  /** Sends the next batch unless one is under way. */
  #flush(): void {
    if (this.#batch.length > 0) return;
    this.#batch = this.#queue.splice(0, maxBatchSpans);
    this.#attempts = 0;
    if (this.#batch.length > 0) this.#send();
    else this.#onIdle?.();
  }

  #send(): void {
    const { clusterName, authority, path, timeoutMs, serviceName } = this.#provider;
    this.#attempts += 1;
    const host = this.#dependencies.clusters.get(clusterName)?.pick();
    if (host === undefined) {
      this.#onFailure(`no healthy endpoint in cluster ${clusterName}`, true);
      return;
    }
    const body = Buffer.from(encodeSpans(serviceName, this.#batch));
    const input = { method: 'POST', authority, path, headers: this.#headers, body, timeoutMs };
    this.#request = new AsyncRequest(host, input, this.#onEnd);
    this.#request.start();
  }

  readonly #onEnd = (result: number | MeshError): void => {
    this.#request = undefined;
    if (this.#state === 'closed') return;
    if (typeof result !== 'number') this.#onFailure(result.reason, true);
    else if (result < 200 || result > 299) this.#onFailure(`status ${result}`, retriableStatuses.has(result));
    else this.#onSuccess();
  };

  #onSuccess(): void {
    if (this.#isFailing) this.#dependencies.logger.info('spans are exported again');
    this.#isFailing = false;
    this.#backoff.reset();
    this.#sent.value += this.#batch.length;
    this.#endBatch();
  }

  /** Said once, not per batch. */
  #onFailure(reason: string, isRetriable: boolean): void {
    const { logger, clock } = this.#dependencies;
    if (!this.#isFailing) logger.warn('spans cannot be exported', { cluster: this.#provider.clusterName, reason });
    this.#isFailing = true;
    if (isRetriable && this.#attempts < maxAttempts) {
      this.#cancelRetry = clock.setTimer(() => {
        this.#cancelRetry = undefined;
        this.#send();
      }, this.#backoff.nextDelayMs());
      return;
    }
    this.#dropped.value += this.#batch.length;
    this.#endBatch();
  }

  /** What waits goes on at once when it fills a batch, or when nothing more will come. */
  #endBatch(): void {
    this.#batch = [];
    if (this.#queue.length >= maxBatchSpans || this.#state === 'draining') this.#flush();
  }

  /** Sends what is left and waits for it, at most `deadlineMs`. */
  async drain(deadlineMs: number): Promise<void> {
    if (this.#state !== 'running') return;
    this.#state = 'draining';
    const { clock } = this.#dependencies;
    await new Promise<void>((resolve) => {
      const cancel = clock.setTimer(resolve, deadlineMs);
      this.#onIdle = () => {
        cancel();
        resolve();
      };
      this.#flush();
    });
    this.close();
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#cancelFlush?.();
    this.#cancelRetry?.();
    this.#dropped.value += this.#queue.length + this.#batch.length;
    this.#queue = [];
    this.#batch = [];
    this.#request?.cancel();
  }
}
